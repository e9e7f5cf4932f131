"""Reverts migrations, the newest first, and deletes their rows from the table `migration`."""

from collections.abc import Sequence
from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from api.command_error import CommandError
from api.deploy.migrations import history, retained_data
from api.deploy.migrations.backfill import require_copies
from api.deploy.migrations.backfill_run import Report
from api.deploy.migrations.migration import SqlMigration, migration_modules, sql_migration
from api.deploy.migrations.pending import applied_ids
from api.deploy.migrations.transactions import in_transaction


async def ids_to_revert(target: str) -> list[str]:
    """The applied migrations from the newest down to `target`: an id, "all", or "1" for the newest alone.

    Raises `CommandError` for an id that is not applied.
    """
    applied = sorted(await applied_ids())
    if not applied:
        return []
    oldest = {"all": applied[0], "1": applied[-1]}.get(target, target)
    if oldest not in applied:
        raise CommandError(f"{target} is not applied; applied are: {', '.join(applied)}")
    return applied[applied.index(oldest) :][::-1]


def require_files(migration_ids: Sequence[str]) -> None:
    """Raise `CommandError` if the file of a migration is missing."""
    modules = migration_modules()
    if missing := [migration_id for migration_id in migration_ids if migration_id not in modules]:
        raise CommandError(f"the files of {', '.join(missing)} are missing; restore them first")


def require_reversible(migration_ids: Sequence[str]) -> None:
    """Raise `CommandError` for a migration that changed rows and kept no old values."""
    modules = migration_modules()
    for migration_id in migration_ids:
        migration = sql_migration(modules[migration_id])
        if migration is not None and migration.irreversible:
            tables = ", ".join(step.table for step in migration.irreversible)
            raise CommandError(
                f"{migration_id} cannot be reverted: it changed rows of {tables} and kept no old values;"
                " nothing was reverted; migrations after it can be reverted by their ids"
            )


def copies_of(migrations: Sequence[SqlMigration | None]) -> dict[str, str]:
    """The tables with old values that a revert of `migrations` needs; each with the id of its migration."""
    return {copy: one.migration_id for one in migrations if one is not None for copy in one.copies}


async def revert_migrations(migration_ids: Sequence[str], *, report: Report) -> None:
    """Revert applied migrations, in this order. The caller holds the lock.

    `report` receives progress text, and a line for each table whose data is retained.
    """
    modules = migration_modules()
    migrations = [sql_migration(modules[migration_id]) for migration_id in migration_ids]
    if copies := copies_of(migrations):
        await in_transaction(lambda connection: retained_data.execute(connection, require_copies(copies)))
    if any(migration is not None and migration.retains_data for migration in migrations):
        await in_transaction(
            lambda connection: retained_data.execute(connection, retained_data.CREATE_SCHEMA)
        )
    for migration_id in migration_ids:
        report(f"  {migration_id} backwards … ")
        retained = await _revert(modules[migration_id], report)
        report("ok\n")
        for line in retained:
            report(f"    {line}\n")


async def _revert(module: Any, report: Report) -> list[str]:
    async def delete_record(connection: Any) -> None:
        await connection.execute(history.delete_record(module.ID))

    async def run_python(connection: Any) -> None:
        manager = await module.forwards()
        # The call may have done the work of going forwards; this error rolls that back.
        if not isinstance(manager, MigrationManager):
            raise CommandError(f"{module.ID} runs Python and cannot be reverted")
        if manager.add_tables or manager.add_columns.add_columns:
            raise CommandError(f"reverting {module.ID} would lose rows; write it as a SqlMigration")
        await manager.run(backwards=True)
        await delete_record(connection)

    if (migration := sql_migration(module)) is not None:
        return await migration.revert(delete_record, report)
    await in_transaction(run_python)
    return []
