"""Reverts migrations in a transaction that is rolled back: what would fail is found before the first step."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.deploy.migrations import retained_data, retained_objects
from api.deploy.migrations.expand import Rename
from api.deploy.migrations.migration import SqlMigration
from api.deploy.migrations.object_definitions import CREATE_FUNCTION
from api.deploy.migrations.transactions import in_transaction
from api.deploy.schema.differences import VERIFY
from api.observability.error_descriptions import describe_error

_MISSING = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedObjectError)
"""A person has dropped what the migrations have created."""


async def rehearse_revert(migrations: Sequence[SqlMigration]) -> list[str]:
    """Returns lines that say what the revert drops beside the columns, and what may fail until it is undone.

    It locks the tables as the revert does, but copies no rows. Raises `CommandError` with the reason if the
    revert would fail.
    """
    lines: list[str] = []

    async def revert_and_roll_back(connection: Any) -> None:
        await connection.execute(f"SAVEPOINT rehearsal; {CREATE_FUNCTION}")
        with retained_data.info_messages(connection) as messages:
            for migration_id, sql in rehearsal_steps(migrations):
                await _execute(connection, migration_id, sql)
        lines[:] = messages
        await connection.execute("ROLLBACK TO SAVEPOINT rehearsal")

    if migrations:
        await in_transaction(revert_and_roll_back)
    return lines


async def _execute(connection: Any, migration_id: str, sql: str) -> None:
    try:
        await retained_data.execute(connection, sql)
    except CommandError as error:
        raise CommandError(f"nothing was reverted: {error}") from None
    except (
        asyncpg.LockNotAvailableError,
        asyncpg.DeadlockDetectedError,
        asyncpg.ReadOnlySQLTransactionError,
        asyncpg.InsufficientPrivilegeError,
    ):
        raise
    except asyncpg.PostgresError as error:
        detail = " ".join(str(getattr(error, "detail", None) or "").split())
        reason = f"{describe_error(error)}{f' ({detail})' * bool(detail)}"
        is_missing = isinstance(error, _MISSING)
        raise CommandError(
            f"nothing was reverted: {migration_id} would fail: {reason};"
            f" {VERIFY if is_missing else 'correct that and run it again'}"
        ) from None


def rehearsal_steps(migrations: Sequence[SqlMigration]) -> list[tuple[str, str]]:
    """The SQL of the rehearsal, each with the id of its migration.

    Run it in one transaction, after `CREATE_FUNCTION`. The last step says what the others have dropped.
    """
    names = sorted({name for migration in migrations for name in migration.created_names})
    tables = [table for migration in migrations for table in migration.tables]
    columns: dict[str, list[str]] = {}
    for migration in migrations:
        for table, listed in migration.columns.items():
            columns.setdefault(table, []).extend(listed)
        for step in migration.steps:
            if isinstance(step, Rename):
                columns.setdefault(step.table, []).append(step.to)
    first, last = migrations[0].migration_id, migrations[-1].migration_id
    needs_schema = any(migration.retains_data for migration in migrations)
    return [
        (first, "\n".join([*([retained_data.CREATE_SCHEMA] * needs_schema), retained_objects.READ_BEFORE])),
        *((migration.migration_id, migration.revert_sql(rehearses=True)) for migration in migrations),
        (last, retained_objects.announce_reverted(names, columns, tables)),
    ]
