"""`SqlMigration`, the kind of all migrations: its steps can be run again, and a revert loses no data."""

import hashlib
import importlib
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from api.command_error import CommandError
from api.deploy.migrations import retained_columns, retained_data, retained_objects
from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.backfill_run import Lines, run_backfill
from api.deploy.migrations.contract import Contract
from api.deploy.migrations.expand import Part
from api.deploy.migrations.index import Index, create_index
from api.deploy.migrations.object_definitions import CREATE_FUNCTION
from api.deploy.migrations.steps import (
    Step,
    copy_of_values,
    declaration,
    parts,
    readable,
    rehearsal_of_revert,
    revert_parts,
    transactional,
)
from api.deploy.migrations.transactions import cancel_autovacuum, in_transaction
from api.deploy.migrations.type_changes import allow_type_changes, changed_columns
from api.deploy.paths import MIGRATIONS
from api.deploy.schema.catalog import Catalog, current_schema, read_catalog
from api.deploy.schema.differences import require_schema

WriteHistory = Callable[[Any], Awaitable[None]]
"""Inserts or deletes the migration's row over the asyncpg connection that it is called with."""

QUESTION = "-- QUESTION:"
"""A step that begins with it asks the developer of the migration, who replaces it with SQL."""

_COMMENT = re.compile(r"--.*")
# The forms that a step may use: without IF NOT EXISTS, it could not be run twice.
_CREATED_TABLE = re.compile(r'\bCREATE TABLE IF NOT EXISTS "?(\w+)', re.I)
_ALTERED_TABLE = re.compile(r'\bALTER TABLE (?:IF EXISTS )?"?(\w+)"?([^;]*)', re.I)
_ADDED_COLUMN = re.compile(r'\bADD COLUMN IF NOT EXISTS "?(\w+)', re.I)
_CREATED_NAME = re.compile(
    r'\b(?:INDEX|CONSTRAINT|POLICY|TRIGGER|FUNCTION)(?: CONCURRENTLY)?(?: IF (?:NOT )?EXISTS)? "?(\w+)', re.I
)
_TABLE_NAME = re.compile(r'\b(?:TABLE(?: IF (?:NOT )?EXISTS)?|ON|UPDATE|INTO)\s+"?(\w+)')


class SqlMigration:
    """`forwards` are steps: SQL, which runs in a transaction of its own, or an object such as an `Index`.

    Each step can be run again, because the process may be killed after any of them. `backwards` is SQL
    that reverts the rest: tables, columns and `Index`es are reverted without it, see `retained_data`.
    """

    def __init__(
        self,
        migration_id: str,
        description: str = "",
        *,
        forwards: str | Sequence[Step],
        backwards: str = "",
        replaces: Mapping[str, str] | None = None,
    ) -> None:
        self.migration_id = migration_id
        self.description = description
        self.steps: tuple[Step, ...] = (forwards,) if isinstance(forwards, str) else tuple(forwards)
        self.backwards = backwards
        self.replaces = replaces or {}
        """The checksums of the migrations that `gatehouse db squash` has replaced with this one, by id."""
        sql = _COMMENT.sub("", ";\n".join(step for step in self.steps if isinstance(step, str)))
        self.tables = _CREATED_TABLE.findall(sql)
        """The names of the tables that the steps create, in their order."""
        self.columns = _added_columns(sql, self.tables)
        """The names of the columns that the steps add to older tables, by table."""

    @property
    def script(self) -> str:
        return "\n".join(map(readable, self.steps))

    def revert_sql(self, *, rehearses: bool = False) -> str:
        """The revert but for old values, objects of the owner and the history; a rehearsal copies no rows."""
        return _joined(
            retained_data.lock_tables([*self.columns, *self.tables]),
            *(rehearsal_of_revert(step) for step in reversed(self.steps) if rehearses),
            retained_columns.retain_columns(self.migration_id, self.columns, rehearses=rehearses),
            allow_type_changes(self.backwards),
            *(f"DROP INDEX IF EXISTS {step.name} CASCADE;" for step in self.steps if isinstance(step, Index)),
            retained_columns.drop_columns(self.columns),
            retained_data.retain_tables(self.tables, rehearses=rehearses),
            # The old values in them are not restored by a rehearsal, and may be in use.
            *(f"DROP TABLE IF EXISTS {copy};" for copy in self.copies if not rehearses),
        )

    @property
    def revert_script(self) -> str:
        """`revert_sql`, which saves the objects of the owner. Run it in one transaction, after `SETTINGS`."""
        return _joined(
            retained_objects.READ_BEFORE,
            self.revert_sql(),
            retained_objects.save_reverted(self.migration_id, self.created_names, self.columns),
        )

    @property
    def created_names(self) -> list[str]:
        """The names of the indexes, constraints, policies, triggers and functions that the steps create."""
        return sorted(set(_CREATED_NAME.findall(_COMMENT.sub("", self.script))))

    @property
    def backfills(self) -> dict[int, Backfill]:
        """By the number of the step, from 0."""
        return {number: step for number, step in enumerate(self.steps) if isinstance(step, Backfill)}

    @property
    def contracts(self) -> dict[int, Contract]:
        """By the number of the step, from 0."""
        return {number: step for number, step in enumerate(self.steps) if isinstance(step, Contract)}

    @property
    def copies(self) -> list[str]:
        """The tables with the old values that a revert needs."""
        copies = (copy_of_values(step, self.migration_id, number) for number, step in enumerate(self.steps))
        return [copy for copy in copies if copy is not None]

    @property
    def revert_parts(self) -> list[Part]:
        """What a revert runs before `revert_script`, beginning with the last step."""
        numbered = reversed(list(enumerate(self.steps)))
        return [part for number, step in numbered for part in revert_parts(step, self.migration_id, number)]

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
    def records(self) -> set[str]:
        """The ids in the history that a revert deletes."""
        return {self.migration_id, *self.replaces}

    @property
    def retains_data(self) -> bool:
        """Whether a revert moves tables or copies columns."""
        return bool(self.tables or self.columns)

    @property
    def checksum(self) -> str:
        """Shows whether the file was edited after the migration was applied.

        Databases have recorded it, so it depends on what the file declares, and on no code that may change.
        """
        declared = "\n".join(map(declaration, self.steps))
        return hashlib.sha256(declared.encode()).hexdigest()[:16]

    @property
    def transactional_steps(self) -> list[str]:
        """The steps for one transaction, on tables without other users: indexes without CONCURRENTLY."""
        return [sql for sql in map(transactional, self.steps) if sql]

    @property
    def changed_tables(self) -> list[str]:
        """The names of the tables that the steps create or change, and of what else they name like tables."""
        return sorted(set(_TABLE_NAME.findall(self.script)))

    @property
    def questions(self) -> list[str]:
        """The lines with a `QUESTION`, which must be answered before the migration can be applied."""
        lines = "\n".join(step for step in self.steps if isinstance(step, str)).splitlines()
        return [line for line in lines if QUESTION in line]

    def split_parts(self, *, restores_columns: bool) -> tuple[list[Part], str]:
        """The parts of the steps before the last transaction, and the SQL of that one, which may be empty.

        Neither an index nor a loop can run in a transaction. Restoring columns takes long, so it must not
        happen while the SQL of a step locks the table.
        """
        every = [
            part for number, step in enumerate(self.steps) for part in parts(step, self.migration_id, number)
        ]
        if restores_columns or not every or not isinstance(every[-1], str):
            return every, ""
        return every[:-1], every[-1]

    def step_script(self, sql: str) -> str:
        """The SQL of a step, after the SQL that restores retained tables."""
        return _joined(
            retained_data.restore_tables(self.tables),
            cancel_autovacuum(self.changed_tables),
            CREATE_FUNCTION if changed_columns(sql) else "",
            allow_type_changes(sql),
        )

    async def apply(
        self,
        insert_record: WriteHistory,
        *,
        expected: Catalog,
        later: Catalog,
        allowed: Collection[str],
        report: Lines,
    ) -> list[str]:
        """Run every step; `insert_record` is called in the last transaction.

        Returns a line for each table with rows that were written since its columns were retained. Raises
        `UnexpectedSchema` if the tables then differ from `expected`, and do not resemble `later`, the tables
        after all migrations; `allowed` names what they may have beyond that, as `table.name`.
        """
        restores_columns = await retained_columns.has_retained_columns(self.migration_id, self.columns)
        earlier, last = self.split_parts(restores_columns=restores_columns)

        async def finish(connection: Any) -> None:
            await self._run_sql(connection, last)
            actual = await read_catalog(connection, await current_schema(connection), only=expected)
            require_schema(expected, actual, later=later, allowed=allowed)
            await insert_record(connection)

        lines: list[str] = []
        for part in earlier:
            if not isinstance(part, str | Index):
                # First, because rows that have their values again are not to be computed anew.
                lines += await retained_columns.restore_columns(self.migration_id, self.columns)
            await self._run_part(part, report)
        lines += await retained_columns.restore_columns(self.migration_id, self.columns)
        await in_transaction(finish)
        return lines

    async def _run_part(self, part: Part, report: Lines) -> None:
        if isinstance(part, Index):
            await create_index(part)
        elif isinstance(part, str):
            await in_transaction(lambda connection: self._run_sql(connection, part))
        else:
            await run_backfill(part.sql, report)

    async def _run_sql(self, connection: Any, sql: str) -> None:
        await retained_data.execute(connection, self.step_script(sql))

    async def revert(self, delete_record: WriteHistory, report: Lines) -> list[str]:
        """Restore the values that backfills have changed, then revert the rest in one transaction.

        Returns a line for each table whose data is retained.
        """
        retained: list[str] = []

        async def run(connection: Any) -> None:
            with retained_data.info_messages(connection) as lines:
                await retained_data.execute(connection, CREATE_FUNCTION)
                await retained_data.execute(connection, self.revert_script)
            await delete_record(connection)
            retained[:] = lines

        for part in self.revert_parts:
            await self._run_part(part, report)
        await in_transaction(run)
        return retained


def _joined(*parts: str) -> str:
    """The parts as one script; a part may be empty, and may lack its last semicolon."""
    stripped = [part.strip() for part in parts if part.strip()]
    return "\n".join(part if part.endswith(";") else f"{part}\n;" for part in stripped)


def _added_columns(sql: str, created: Sequence[str]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for table, actions in _ALTERED_TABLE.findall(sql):
        names = _ADDED_COLUMN.findall(actions)
        if names and table not in created:
            columns.setdefault(table, []).extend(names)
    return columns


def migrations_by_id() -> dict[str, SqlMigration]:
    """The migrations of the folder, in their order.

    Raises `CommandError` for a file without a `MIGRATION`.
    """
    found: dict[str, SqlMigration] = {}
    for path in sorted(MIGRATIONS.glob("gatehouse_*.py")):
        migration = getattr(importlib.import_module(f"migrations.{path.stem}"), "MIGRATION", None)
        if not isinstance(migration, SqlMigration):
            raise CommandError(
                f"migrations/{path.name} has no MIGRATION: it has Piccolo's own form, which can be neither"
                " run twice nor reverted without loss; delete it and run:"
                " piccolo migrations new gatehouse --auto"
            )
        found[migration.migration_id] = migration
    return found


def all_migrations() -> list[SqlMigration]:
    """The migrations of the folder, in their order. Raises as `migrations_by_id` does."""
    return list(migrations_by_id().values())
