"""Reverts migrations, the newest first, and deletes their rows from the table `migration`."""

from collections.abc import Callable, Sequence
from typing import Any

from api.command_error import CommandError
from api.deploy.migrations import history, retained_data
from api.deploy.migrations.migration import SqlMigration, migrations_by_id
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
    every = migrations_by_id()
    if missing := [migration_id for migration_id in migration_ids if migration_id not in every]:
        raise CommandError(f"the files of {', '.join(missing)} are missing; restore them first")


async def revert_migrations(migration_ids: Sequence[str], *, report: Callable[[str], object]) -> None:
    """Revert applied migrations, in this order. The caller holds the lock.

    `report` receives progress text, and a line for each table whose data is retained.
    """
    every = migrations_by_id()
    migrations = [every[migration_id] for migration_id in migration_ids]
    if any(migration.retains_data for migration in migrations):
        await in_transaction(
            lambda connection: retained_data.execute(connection, retained_data.CREATE_SCHEMA)
        )
    for migration in migrations:
        report(f"  {migration.migration_id} backwards … ")
        retained = await _revert(migration)
        report("ok\n")
        for line in retained:
            report(f"    {line}\n")


async def _revert(migration: SqlMigration) -> list[str]:
    async def delete_record(connection: Any) -> None:
        await connection.execute(history.delete_record(migration.migration_id))

    return await migration.revert(delete_record)
