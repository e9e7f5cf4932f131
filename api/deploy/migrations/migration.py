"""The kind of migration that Gatehouse writes: SQL that may meet what exists already, and undoes no data."""

import hashlib
import importlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from piccolo.apps.migrations.auto.migration_manager import AddColumnClass, MigrationManager
from piccolo.columns import Column
from piccolo.table import Table

from api.command_error import CommandError
from api.database.engine import Engine
from api.deploy.migrations import retained_data
from api.deploy.migrations.index import Index, make_index
from api.deploy.migrations.transactions import end_vacuums, in_transaction
from api.deploy.paths import MIGRATIONS
from api.deploy.schema.catalog import read_catalog
from api.deploy.schema.differences import refuse
from api.deploy.schema.expected_schema import changed_tables, expected_catalog

Record = Callable[[Any], Awaitable[None]]


Step = str | Index


class SqlMigration(MigrationManager):
    """Runs the steps of `forwards`: SQL, each in a transaction of its own, and indexes.

    Each step can be run again, because a process may be killed between two of them. Undoing needs SQL only
    for what is neither a table nor a column nor an `Index`: those are kept, see `retained_data`.

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
        raise CommandError("run it with: piccolo migrations, from the root of Gatehouse")

    @property
    def script(self) -> str:
        return "\n".join(
            step if isinstance(step, str) else f"{step.sql(concurrently=True)};" for step in self.steps
        )

    @property
    def undo_script(self) -> str:
        """All that undoing does but for the record; it wants the `SETTINGS` and one transaction."""
        return _joined(
            retained_data.lock([*self.columns, *self.tables]),
            retained_data.keep_columns(self.migration_id, self.columns),
            self.backwards,
            *(f"DROP INDEX IF EXISTS {step.name};" for step in self.steps if isinstance(step, Index)),
            retained_data.drop_columns(self.columns),
            retained_data.keep_tables(self.tables),
        )

    @property
    def checksum(self) -> str:
        """Tells whether the migration was edited after it was applied."""
        return hashlib.sha256(self.script.encode()).hexdigest()[:16]

    @property
    def plain_steps(self) -> list[str]:
        """The steps as an empty database takes them, or one that nobody else uses: in one transaction."""
        return [step.sql(concurrently=False) if isinstance(step, Index) else step for step in self.steps]

    async def apply(self, engine: Engine, record: Record) -> None:
        """Take every step; `record` is called in the transaction of the last one.

        Raises `UnexpectedSchema` where the outcome is not what is wanted; see `preflight`.
        """
        wanted = expected_catalog(self.migration_id)
        *earlier, last = self.steps if isinstance(self.steps[-1], str) else (*self.steps, "")
        if await retained_data.keeps_columns(engine, self.migration_id, self.columns):
            # Putting them back takes long, and must not happen while a step locks the table.
            earlier, last = [*earlier, last], ""

        async def finish(connection: Any) -> None:
            await self._take(connection, str(last))
            schema = await connection.fetchval("SELECT current_schema()")
            refuse(wanted, await read_catalog(connection, schema, only=wanted), later=expected_catalog())
            await record(connection)

        for step in earlier:
            if isinstance(step, Index):
                await make_index(engine, step)
            else:
                await in_transaction(engine, lambda connection, sql=step: self._take(connection, sql))
        await retained_data.put_columns_back(engine, self.migration_id, self.columns)
        await in_transaction(engine, finish)

    async def _take(self, connection: Any, sql: str) -> None:
        await retained_data.execute(connection, self.step_script(sql))

    def step_script(self, sql: str) -> str:
        """A step of SQL, and before it what puts back the tables that an undoing kept."""
        return _joined(
            retained_data.put_back_tables(self.tables), end_vacuums(changed_tables(self.migration_id)), sql
        )

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
                await retained_data.execute(connection, self.undo_script)
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


def all_migrations() -> list[SqlMigration]:
    """The migrations of the folder in their order.

    Those that run Python are left out: calling one to look at it would do its work.
    """
    found = [sql_migration(module) for _, module in sorted(_modules().items())]
    return [migration for migration in found if migration is not None]


def sql_migration(module: Any) -> SqlMigration | None:
    """The `MIGRATION` of a migration's file; None for a file that runs Python instead."""
    return getattr(module, "MIGRATION", None)


def _modules() -> dict[str, Any]:
    return {
        path.stem: importlib.import_module(f"migrations.{path.stem}")
        for path in MIGRATIONS.glob("gatehouse_*.py")
    }
