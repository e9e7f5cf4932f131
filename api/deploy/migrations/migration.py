"""`SqlMigration`, the kind of all migrations: its steps can be run again, and a revert loses no data."""

import hashlib
import importlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from piccolo.apps.migrations.auto.migration_manager import AddColumnClass, MigrationManager
from piccolo.columns import Column
from piccolo.table import Table

from api.command_error import CommandError
from api.deploy.migrations import retained_data
from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.backfill_run import Report, run_backfill
from api.deploy.migrations.index import Index, create_index
from api.deploy.migrations.transactions import cancel_autovacuum, in_transaction
from api.deploy.paths import MIGRATIONS
from api.deploy.schema.catalog import Catalog, current_schema, read_catalog
from api.deploy.schema.differences import require_schema

WriteHistory = Callable[[Any], Awaitable[None]]
"""Inserts or deletes the migration's row over the asyncpg connection that it is called with."""

Step = str | Index | Backfill

_TABLE_NAME = re.compile(r'\b(?:TABLE(?: IF (?:NOT )?EXISTS)?|ON|UPDATE|INTO)\s+"?(\w+)')


class SqlMigration(MigrationManager):
    """`forwards` are steps: SQL, which runs in a transaction of its own, an `Index`, or a `Backfill`.

    Each step can be run again, because the process may be killed after any of them. `backwards` is SQL
    that reverts the rest: tables, columns and `Index`es are reverted without it, see `retained_data`.

    `tables` are Piccolo tables that this migration creates, `columns` hold the columns that it adds to older
    tables. `piccolo migrations new --auto` reads them. Piccolo does not create tables from them: its
    operations cannot be run twice, and know neither policies nor indexes on expressions.
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
            # A copy, because Piccolo's snapshot changes the columns that it receives.
            self.add_columns.append(
                AddColumnClass(
                    column=column.copy(),
                    table_class_name=table.__name__,
                    tablename=table._meta.tablename,
                    schema=None,
                )
            )

    async def run(self, backwards: bool = False) -> None:  # noqa: ARG002
        """Refuse: Piccolo calls this only if `piccolo_patches` is not installed."""
        raise CommandError("run it with: piccolo migrations, from the root of Gatehouse")

    @property
    def script(self) -> str:
        return "\n".join(map(_declaration, self.steps))

    @property
    def revert_script(self) -> str:
        """The revert but for old values and the history. Run it in one transaction, after `SETTINGS`."""
        return _joined(
            retained_data.lock_tables([*self.columns, *self.tables]),
            retained_data.retain_columns(self.migration_id, self.columns),
            self.backwards,
            *(f"DROP INDEX IF EXISTS {step.name};" for step in self.steps if isinstance(step, Index)),
            retained_data.drop_columns(self.columns),
            retained_data.retain_tables(self.tables),
            *(f"DROP TABLE IF EXISTS {copy};" for copy in self.copies),
        )

    @property
    def backfills(self) -> dict[int, Backfill]:
        """By the number of the step, from 0."""
        return {number: step for number, step in enumerate(self.steps) if isinstance(step, Backfill)}

    @property
    def copies(self) -> list[str]:
        """The tables with the old values of the rows that backfills change."""
        return [step.copy(self.migration_id, number) for number, step in self.backfills.items() if step.keep]

    @property
    def restore_statements(self) -> list[str]:
        """Restore the old values, those of the last step first. Run each outside of a transaction."""
        return [
            step.restore_statement(self.migration_id, number)
            for number, step in reversed(self.backfills.items())
            if step.keep
        ]

    @property
    def irreversible(self) -> list[Backfill]:
        """The backfills that a revert cannot undo: they keep nothing, and change what it does not remove."""
        return [
            step
            for step in self.backfills.values()
            if not step.keep
            and step.table not in self.tables
            and not set(step.values) <= set(self.columns.get(step.table, ()))
        ]

    @property
    def retains_data(self) -> bool:
        """Whether a revert moves tables or copies columns."""
        return bool(self.tables or self.columns)

    @property
    def checksum(self) -> str:
        """Shows whether the file was edited after the migration was applied."""
        return hashlib.sha256(self.script.encode()).hexdigest()[:16]

    @property
    def transactional_steps(self) -> list[str]:
        """The steps for one transaction, on tables without other users: indexes without CONCURRENTLY."""
        return [_transactional(step) for step in self.steps]

    @property
    def changed_tables(self) -> list[str]:
        """The names of the tables that the steps create or change, and of what else they name like tables."""
        return sorted(set(_TABLE_NAME.findall(self.script)))

    def split_steps(self, *, restores_columns: bool) -> tuple[list[Step], str]:
        """The steps before the last transaction, and the SQL of that transaction, which may be empty.

        Neither an index nor a backfill can run in a transaction. Restoring columns takes long, so it must not
        happen while the SQL of a step locks the table.
        """
        *earlier, last = self.steps
        if not isinstance(last, str) or restores_columns:
            return list(self.steps), ""
        return earlier, last

    def step_script(self, sql: str) -> str:
        """The SQL of a step, after the SQL that restores retained tables."""
        return _joined(
            retained_data.restore_tables(self.tables),
            cancel_autovacuum(self.changed_tables),
            sql,
        )

    async def apply(
        self, insert_record: WriteHistory, *, expected: Catalog, later: Catalog, report: Report
    ) -> None:
        """Run every step; `insert_record` is called in the last transaction.

        Raises `UnexpectedSchema` if the tables then differ from `expected`, and do not resemble `later`, the
        tables after all migrations.
        """
        restores_columns = await retained_data.has_retained_columns(self.migration_id, self.columns)
        earlier, last = self.split_steps(restores_columns=restores_columns)

        async def finish(connection: Any) -> None:
            await self._run_step(connection, last)
            actual = await read_catalog(connection, await current_schema(connection), only=expected)
            require_schema(expected, actual, later=later)
            await insert_record(connection)

        for number, step in enumerate(earlier):
            if isinstance(step, Index):
                await create_index(step)
            elif isinstance(step, Backfill):
                # First, because rows that have their values again are not to be computed anew.
                await retained_data.restore_columns(self.migration_id, self.columns)
                await run_backfill(step.statement(self.migration_id, number), report)
            else:
                await in_transaction(lambda connection, sql=step: self._run_step(connection, sql))
        await retained_data.restore_columns(self.migration_id, self.columns)
        await in_transaction(finish)

    async def _run_step(self, connection: Any, sql: str) -> None:
        await retained_data.execute(connection, self.step_script(sql))

    async def revert(self, delete_record: WriteHistory, report: Report) -> list[str]:
        """Restore the values that backfills have changed, then revert the rest in one transaction.

        Returns a line for each table whose data is retained.
        """
        retained: list[str] = []

        def listen(_connection: Any, message: Any) -> None:
            if message.severity_en == "INFO":
                retained.append(message.message)

        async def run(connection: Any) -> None:
            retained.clear()
            connection.add_log_listener(listen)
            try:
                await retained_data.execute(connection, self.revert_script)
                await delete_record(connection)
            finally:
                connection.remove_log_listener(listen)

        for statement in self.restore_statements:
            await run_backfill(statement, report)
        await in_transaction(run)
        return retained


def _declaration(step: Step) -> str:
    if isinstance(step, Backfill):
        return step.declaration
    return step if isinstance(step, str) else f"{step.sql(concurrently=True)};"


def _transactional(step: Step) -> str:
    if isinstance(step, Backfill):
        return step.sql
    return step if isinstance(step, str) else step.sql(concurrently=False)


def _joined(*parts: str) -> str:
    """The parts as one script; a part may be empty, and may lack its last semicolon."""
    stripped = [part.strip() for part in parts if part.strip()]
    return "\n".join(part if part.endswith(";") else f"{part}\n;" for part in stripped)


def _added(table: type[Table]) -> list[Column]:
    return [column for column in table._meta.columns if not column._meta.primary_key]


def all_migrations() -> list[SqlMigration]:
    """The SQL migrations of the folder, in their order; those that run Python are left out."""
    migrations = map(sql_migration, migration_modules().values())
    return [migration for migration in migrations if migration is not None]


def migration_modules() -> dict[str, Any]:
    """The files of the folder as modules, by migration id, in the order of the migrations."""
    names = sorted(path.stem for path in MIGRATIONS.glob("gatehouse_*.py"))
    modules = [importlib.import_module(f"migrations.{name}") for name in names]
    return {module.ID: module for module in modules}


def sql_migration(module: Any) -> SqlMigration | None:
    """The `MIGRATION` of a file; None for a file that runs Python.

    Its `forwards()` is not called, because that may do the work of a Python migration.
    """
    return getattr(module, "MIGRATION", None)
