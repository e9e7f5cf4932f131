"""The kind of migration that Gatehouse writes: SQL that may meet what exists already, and undoes no data."""

import asyncio
import hashlib
import importlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asyncpg import DeadlockDetectedError, LockNotAvailableError
from piccolo.apps.migrations.auto.migration_manager import AddColumnClass, MigrationManager
from piccolo.columns import Column
from piccolo.table import Table

from api.database.engine import Engine
from api.deploy import undone
from api.deploy.catalog import differences, read_catalog
from api.deploy.pending import MIGRATIONS
from api.errors import CommandFailed

SCRATCH = "gatehouse_wanted"
"""The schema in which the wanted tables are built to compare with; it never outlives a transaction."""

LOCK_TIMEOUT = 2
"""Seconds a statement waits for its lock. While it waits, everything that comes after it waits too."""

# What IF NOT EXISTS steps over is compared afterwards, so PostgreSQL need not tell of it.
SETTINGS = (
    f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'; SET LOCAL client_min_messages = warning;"
    " SET LOCAL gatehouse.scope = 'platform'"
)
"""What a transaction that migrates begins with: row security would hide the rows that are to be kept."""

PAUSES = (0.5, 1, 2, 4, 8, 16)
"""Seconds between one try for a lock and the next; the traffic that piled up flows off meanwhile."""

Record = Callable[[Any], Awaitable[None]]


class UnexpectedSchema(CommandFailed):
    """What exists already is not what the migration makes; the message lists every difference."""


@dataclass(frozen=True)
class Index:
    """An index on a table that may have rows: made concurrently, so that nobody who writes has to wait."""

    name: str
    on: str
    unique: bool = False

    def sql(self, *, concurrently: bool) -> str:
        return (
            f"CREATE {'UNIQUE ' * self.unique}INDEX {'CONCURRENTLY ' * concurrently}"
            f"IF NOT EXISTS {self.name} ON {self.on}"
        )

    @property
    def drop_broken(self) -> str:
        """A query for the statement that drops one that was broken off: it is written to, and never read."""
        return (
            f"SELECT 'DROP INDEX CONCURRENTLY {self.name}' FROM pg_index"
            f" WHERE indexrelid = to_regclass('{self.name}') AND NOT indisvalid"
        )


Step = str | Index


class SqlMigration(MigrationManager):
    """Runs the steps of `forwards`: SQL, each in a transaction of its own, and indexes.

    Each step can be run again, because a process may be killed between two of them. Undoing needs SQL only
    for what is neither a table nor a column: those are kept, see `api.deploy.undone`.

    Piccolo's own operations cannot be run twice, and know neither expressions in indexes nor policies.
    They are still recorded, because `piccolo migrations new --auto` adds them up to learn what is there:
    `tables` are the Piccolo tables that this migration makes, `columns` hold the columns that it adds to
    tables of earlier ones.
    """

    def __init__(
        self,
        *,
        forwards: str | Sequence[Step],
        backwards: str = "",
        tables: Sequence[type[Table]] = (),
        columns: Sequence[type[Table]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(app_name="gatehouse", **kwargs)
        self.steps: tuple[Step, ...] = (forwards,) if isinstance(forwards, str) else tuple(forwards)
        self.backwards = backwards
        self.tables = [table._meta.tablename for table in tables]
        self.columns = {
            table._meta.tablename: [column._meta.db_column_name for column in _added(table)]
            for table in columns
        }
        for table in tables:
            self.add_table(class_name=table.__name__, tablename=table._meta.tablename)
            self._describe(table, table._meta.columns)
        for table in columns:
            self._describe(table, _added(table))

    def _describe(self, table: type[Table], columns: Sequence[Column]) -> None:
        for column in columns:
            # A copy, because Piccolo's snapshot edits the columns that it is given.
            self.add_columns.append(
                AddColumnClass(
                    column=column.copy(),
                    table_class_name=table.__name__,
                    tablename=table._meta.tablename,
                    schema=None,
                )
            )

    async def run(self, backwards: bool = False) -> None:  # noqa: ARG002
        """Refuse: only the guard runs these, with `apply` and `undo`."""
        raise CommandFailed("run it with: piccolo migrations, from the root of Gatehouse")

    @property
    def script(self) -> str:
        return "\n".join(
            step if isinstance(step, str) else f"{step.sql(concurrently=True)};" for step in self.steps
        )

    @property
    def undo_script(self) -> str:
        """All that undoing does but for the record; it wants the `SETTINGS` and one transaction."""
        return _joined(
            undone.lock([*self.columns, *self.tables]),
            undone.keep_columns(self.migration_id, self.columns),
            self.backwards,
            undone.drop_columns(self.columns),
            undone.keep_tables(self.tables),
        )

    @property
    def checksum(self) -> str:
        """Tells whether the migration was edited after it was applied."""
        return hashlib.sha256(self.script.encode()).hexdigest()[:16]

    async def apply(self, engine: Engine, record: Record) -> None:
        """Take every step; `record` is called in the transaction of the last one.

        Raises `UnexpectedSchema`, and records nothing, where what exists is not what is wanted.
        """
        *earlier, last = self.steps if isinstance(self.steps[-1], str) else (*self.steps, "")

        async def finish(connection: Any) -> None:
            await self._take(connection, str(last))
            await self._compare(connection)
            await record(connection)

        for step in earlier:
            if isinstance(step, Index):
                await _make_index(engine, step)
            else:
                await in_transaction(engine, lambda connection, sql=step: self._take(connection, sql))
        await in_transaction(engine, finish)

    async def _take(self, connection: Any, sql: str) -> None:
        await undone.execute(connection, self.step_script(sql))

    def step_script(self, sql: str) -> str:
        """A step of SQL, and around it what puts back the tables and columns that an undoing kept."""
        return _joined(
            undone.put_back_tables(self.tables), sql, undone.put_back_columns(self.migration_id, self.columns)
        )

    async def _compare(self, connection: Any) -> None:
        """Refuse what `IF NOT EXISTS` stepped over but should not have.

        The migrations up to this one are played in an empty schema, and its catalog is compared.
        """
        schema = await connection.fetchval("SELECT current_schema()")
        found = await read_catalog(connection, schema)
        wanted = await wanted_catalog(connection, self.migration_id)
        if told := differences(wanted, found):
            raise UnexpectedSchema("the database has these otherwise: " + "; ".join(told))

    async def undo(self, engine: Engine, record: Record) -> list[str]:
        """Undo the migration in one transaction, keeping what it made; returns what that tells of it."""
        told: list[str] = []

        def listen(_connection: Any, message: Any) -> None:
            if message.severity_en == "INFO":
                told.append(message.message)

        async def undo(connection: Any) -> None:
            told.clear()
            connection.add_log_listener(listen)
            try:
                await undone.execute(connection, self.undo_script)
                await record(connection)
            finally:
                connection.remove_log_listener(listen)

        await in_transaction(engine, undo)
        return told


def _joined(*parts: str) -> str:
    """SQL in a row; a part may be empty, and may lack the semicolon that the next one needs."""
    stripped = [part.strip() for part in parts if part.strip()]
    return "\n".join(part if part.endswith(";") else f"{part}\n;" for part in stripped)


def _added(table: type[Table]) -> list[Column]:
    return [column for column in table._meta.columns if not column._meta.primary_key]


async def in_transaction(engine: Engine, work: Record) -> None:
    """Do `work`, trying again when one of its locks is not to be had in time.

    A statement that waits for a lock makes everybody wait who comes after it, so it waits briefly, steps
    back and tries again.
    """
    for pause in (*PAUSES, None):
        try:
            async with engine.transaction(scope=SETTINGS) as transaction:
                await work(transaction.connection)
                return
        except (LockNotAvailableError, DeadlockDetectedError):
            if pause is None:
                raise
            await asyncio.sleep(pause)


async def _make_index(engine: Engine, index: Index) -> None:
    connection = await engine.get_new_connection()
    try:
        await connection.execute("SET client_min_messages = warning")
        if drop := await connection.fetchval(index.drop_broken):
            await connection.execute(drop)
        await connection.execute(index.sql(concurrently=True))
    finally:
        await connection.close()


async def wanted_catalog(connection: Any, last_id: str) -> Any:
    """What the migrations up to `last_id` build, seen by playing them in an empty schema."""
    path = await connection.fetchval("SHOW search_path")
    await connection.execute(f"CREATE SCHEMA {SCRATCH}; SET LOCAL search_path = {SCRATCH}")
    for migration in migrations_until(last_id):
        for step in migration.steps:
            await connection.execute(step.sql(concurrently=False) if isinstance(step, Index) else step)
    wanted = await read_catalog(connection, SCRATCH)
    await connection.execute(
        f"DROP SCHEMA {SCRATCH} CASCADE; SELECT set_config('search_path', '{path}', true)"
    )
    return wanted


def migrations_until(last_id: str) -> list[SqlMigration]:
    """The migrations of the folder up to `last_id`, in their order.

    Those that run Python are left out: calling one to look at it would do its work.
    """
    found = [sql_migration(module) for _, module in sorted(_modules().items()) if last_id >= module.ID]
    return [migration for migration in found if migration is not None]


def sql_migration(module: Any) -> SqlMigration | None:
    """The `MIGRATION` of a migration's file; None for a file that runs Python instead."""
    return getattr(module, "MIGRATION", None)


def _modules() -> dict[str, Any]:
    return {
        path.stem: importlib.import_module(f"migrations.{path.stem}")
        for path in MIGRATIONS.glob("gatehouse_*.py")
    }
