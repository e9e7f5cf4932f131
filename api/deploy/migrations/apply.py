"""Applies migrations: checks them first, runs their steps, and records each in the table `migration`."""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from api.command_error import CommandError
from api.database.engine import get_engine
from api.deploy.migrations import history, retained_data
from api.deploy.migrations.backfill_run import Report
from api.deploy.migrations.expected_schema import ExpectedSchema, build_expected_schema
from api.deploy.migrations.failures import failure_message
from api.deploy.migrations.lock import migration_lock
from api.deploy.migrations.migration import SqlMigration, migration_modules, sql_migration
from api.deploy.migrations.pending import applied_ids, pending_migrations
from api.deploy.migrations.preflight import run_preflight
from api.deploy.migrations.privileges import require_privileges
from api.deploy.migrations.transactions import in_transaction
from api.deploy.schema.differences import UnexpectedSchema
from api.observability.logs import get_logger

logger = get_logger()


async def apply_pending() -> None:
    """Apply all pending migrations, as `piccolo migrations forwards all` does, and log their ids.

    Of several instances that start at the same time, one applies them. Raises `CommandError`, or its subclass
    `MigrationsLocked` if the lock is not free in time.
    """
    async with migration_lock():
        pending = await pending_migrations()
        if pending:
            await require_privileges()
            try:
                await apply_migrations(pending)
            except asyncpg.PostgresError as error:
                raise CommandError(failure_message(error)) from error
            logger.info("applied the migrations", migrations=pending)


async def apply_migrations(
    migration_ids: Sequence[str], *, fake: bool = False, report: Report = lambda _: None
) -> None:
    """Apply pending migrations, in their order, or record them only (`fake`). The caller holds the lock.

    `report` receives the text of a progress line in two parts: before and after a migration.
    """
    modules = migration_modules()
    selected = [modules[migration_id] for migration_id in migration_ids]
    expected = await _expected_schema(selected)
    if not fake:
        await _preflight(selected, expected)
        await _create_schema_for_old_values(filter(None, map(sql_migration, selected)))
    await in_transaction(
        lambda connection: connection.execute(f"{history.create_table()} {history.ADD_CHECKSUMS}")
    )
    for module in selected:
        report(f"  {module.ID} forwards … ")
        await _apply(module, expected, fake=fake, report=report)
        report("faked\n" if fake else "ok\n")


async def _expected_schema(modules: Sequence[Any]) -> ExpectedSchema:
    migrations = [migration for module in modules if (migration := sql_migration(module)) is not None]
    async with get_engine().transaction() as transaction:
        return await build_expected_schema(transaction.connection, migrations)


async def _preflight(modules: Sequence[Any], expected: ExpectedSchema) -> None:
    """Check the SQL migrations up to the first that runs Python, whose outcome cannot be predicted."""
    migrations = []
    for module in modules:
        if (migration := sql_migration(module)) is None:
            break
        migrations.append(migration)
    try:
        await run_preflight(migrations, expected)
    except UnexpectedSchema as error:
        if await applied_ids():
            raise
        raise CommandError(
            f"{error}; if the old system created this database, run: gatehouse db adopt"
        ) from None


async def _create_schema_for_old_values(migrations: Iterable[SqlMigration]) -> None:
    if any(migration.copies for migration in migrations):
        await in_transaction(
            lambda connection: retained_data.execute(connection, retained_data.CREATE_SCHEMA)
        )


async def _apply(module: Any, expected: ExpectedSchema, *, fake: bool, report: Report) -> None:
    """Apply and record one migration. The record is part of the last transaction of its steps."""
    migration = sql_migration(module)

    async def insert_record(connection: Any) -> None:
        checksum = None if migration is None else migration.checksum
        await connection.execute(history.insert_record(module.ID, checksum))

    async def run_python(connection: Any) -> None:
        # The call itself may do the work, and return nothing.
        manager = await module.forwards()
        if isinstance(manager, MigrationManager):
            await manager.run()
        await insert_record(connection)

    if fake:
        await in_transaction(insert_record)
    elif migration is not None:
        await migration.apply(
            insert_record, expected=expected.after[module.ID], later=expected.final, report=report
        )
    else:
        await in_transaction(run_python)
