"""Reverts migrations, the newest first, and deletes their rows from the table `migration`."""

from collections.abc import Sequence
from typing import Any

from api.command_error import CommandError
from api.deploy.migrations import history, retained_data, retained_objects
from api.deploy.migrations.backfill import require_copies
from api.deploy.migrations.backfill_run import Lines, Report
from api.deploy.migrations.migration import SqlMigration, migrations_by_id
from api.deploy.migrations.pending import applied_ids
from api.deploy.migrations.rehearsal import rehearse_revert
from api.deploy.migrations.replaced import replaced_ids
from api.deploy.migrations.transactions import in_transaction


async def ids_to_revert(target: str) -> list[str]:
    """The applied migrations from the newest down to `target`: an id, "all", or "1" for the newest alone.

    Raises `CommandError` for an id that is not applied.
    """
    applied = await applied_ids()
    applied = sorted(set(applied) - replaced_ids(applied))
    if not applied:
        return []
    oldest = {"all": applied[0], "1": applied[-1]}.get(target, target)
    if oldest not in applied:
        raise CommandError(f"{target} is not applied; applied are: {', '.join(applied)}")
    return applied[applied.index(oldest) :][::-1]


def read_migrations(migration_ids: Sequence[str]) -> list[SqlMigration]:
    """The migrations with these ids, in their order. Raises `CommandError` if a file is missing."""
    every = migrations_by_id()
    if missing := [migration_id for migration_id in migration_ids if migration_id not in every]:
        raise CommandError(f"the files of {', '.join(missing)} are missing; restore them first")
    return [every[migration_id] for migration_id in migration_ids]


def require_reversible(migrations: Sequence[SqlMigration]) -> None:
    """Raise `CommandError` for a migration that changed rows and kept no old values."""
    for migration in migrations:
        if migration.irreversible:
            tables = ", ".join(step.table for step in migration.irreversible)
            raise CommandError(
                f"{migration.migration_id} cannot be reverted: it changed rows of {tables} and kept no old"
                " values; nothing was reverted; migrations after it can be reverted by their ids"
            )


def copies_of(migrations: Sequence[SqlMigration]) -> dict[str, str]:
    """The tables with old values that a revert of `migrations` needs; each with the id of its migration."""
    return {copy: one.migration_id for one in migrations for copy in one.copies}


async def announce_revert(migrations: Sequence[SqlMigration], *, report: Report) -> None:
    """Rehearse the revert, and report what it drops. Raises `CommandError` if it would fail."""
    if copies := copies_of(migrations):
        await in_transaction(lambda connection: retained_data.execute(connection, require_copies(copies)))
    for line in await rehearse_revert(migrations):
        report(f"{line}\n")


async def revert_migrations(migrations: Sequence[SqlMigration], *, report: Report) -> None:
    """Revert applied migrations, in this order, after `announce_revert`. The caller holds the lock.

    `report` receives progress text, and a line for each table whose data is retained.
    """
    if any(migration.retains_data for migration in migrations):
        await in_transaction(
            lambda connection: retained_data.execute(connection, retained_data.CREATE_SCHEMA)
        )
    printed = Lines(report)
    for migration in migrations:
        printed(f"  {migration.migration_id} backwards … ")
        retained = await _revert(migration, printed)
        printed.end_step("ok")
        for line in retained:
            printed(f"    {line}\n")


async def _revert(migration: SqlMigration, report: Lines) -> list[str]:
    async def delete_record(connection: Any) -> None:
        await connection.execute(history.delete_records(migration.records))

    lines = await migration.revert(delete_record, report)
    return [
        *lines,
        *(await retained_objects.put_back(list(migrations_by_id())) if migration.contracts else []),
    ]
