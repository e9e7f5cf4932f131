"""Applies migrations: checks them first, runs their steps, and records each in the table `migration`."""

from collections.abc import Collection, Sequence
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.database.engine import get_engine
from api.deploy.migrations import history, retained_data, retained_objects
from api.deploy.migrations.application_role import grant_rows
from api.deploy.migrations.backfill_run import Lines, Report
from api.deploy.migrations.contract import Contract
from api.deploy.migrations.expected_schema import ExpectedSchema, build_expected_schema, created_tables
from api.deploy.migrations.failures import failure_message
from api.deploy.migrations.lock import migration_lock
from api.deploy.migrations.migration import SqlMigration, migrations_by_id
from api.deploy.migrations.object_definitions import CREATE_FUNCTION
from api.deploy.migrations.pending import applied_ids, pending_migrations
from api.deploy.migrations.preflight import run_preflight
from api.deploy.migrations.privileges import require_privileges
from api.deploy.migrations.replaced import refuse_some_applied
from api.deploy.migrations.transactions import in_transaction
from api.deploy.schema.catalog import current_schema, read_catalog
from api.deploy.schema.differences import UnexpectedSchema, require_schema
from api.deploy.schema.old_tables import advice
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
    every = migrations_by_id()
    migrations = [every[migration_id] for migration_id in migration_ids]
    for migration in migrations:
        if migration.questions:
            raise CommandError(f"answer the question in the file of {migration.migration_id} first")
    async with get_engine().transaction() as transaction:
        for migration in migrations:
            await retained_data.execute(transaction.connection, refuse_some_applied(migration))
            for contract in migration.contracts.values():
                refusal = contract.refuse_if_used(migration.migration_id)
                await retained_data.execute(transaction.connection, refusal)
        expected = await build_expected_schema(transaction.connection, migrations)
        allowed = await retained_objects.objects_before_revert(transaction.connection)
    if fake:
        await _require_applied(migrations, expected)
    else:
        await _preflight(migrations, expected, allowed)
        await _create_schema_for_old_values(migrations)
        await _announce_contracts(migrations, report)
    create_history = f"{history.create_table()} {history.ADD_CHECKSUMS}"
    await in_transaction(lambda connection: connection.execute(create_history))
    printed = Lines(report)
    for migration in migrations:
        if migration.contracts:
            # What a revert has dropped with a column must be there again, to be saved with it.
            await put_back_objects(report=report)
        printed(f"  {migration.migration_id} forwards … ")
        lines = await _apply(migration, expected, allowed, fake=fake, report=printed)
        printed.end_step("faked" if fake else "ok")
        for line in lines:
            printed(f"    {line}\n")
    await put_back_objects(report=report)
    await grant_rows(report=report)


async def _announce_contracts(migrations: Sequence[SqlMigration], report: Report) -> None:
    """Say what the owner loses until a revert: drop the columns of each table, and roll it back."""
    tables: dict[str, list[Contract]] = {}
    for migration in migrations:
        for contract in migration.contracts.values():
            tables.setdefault(contract.table, []).append(contract)
    # Each in a transaction of its own, so that no client of one table waits for the lock of another one.
    for table, contracts in tables.items():
        names = [name for contract in contracts for name in contract.created_names]
        sql = "\n".join(
            [
                CREATE_FUNCTION,
                retained_objects.READ_BEFORE,
                *(contract.drop_column for contract in contracts),
                retained_objects.announce_contracted(names, {table: [one.column for one in contracts]}),
            ]
        )
        for line in await _messages_without_effect(sql):
            report(f"  {line}\n")


async def _messages_without_effect(sql: str) -> list[str]:
    """Run `sql` in a transaction, roll it back, and return what it has reported."""
    messages: list[str] = []

    async def run(connection: Any) -> None:
        await connection.execute("SAVEPOINT announcement")
        with retained_data.info_messages(connection) as lines:
            await retained_data.execute(connection, sql)
        messages[:] = lines
        await connection.execute("ROLLBACK TO SAVEPOINT announcement")

    await in_transaction(run)
    return messages


async def put_back_objects(*, report: Report) -> None:
    """Create again what was dropped of the owner's, where that is due."""
    for line in await retained_objects.put_back(list(migrations_by_id())):
        report(f"  {line}\n")


async def _require_applied(migrations: Sequence[SqlMigration], expected: ExpectedSchema) -> None:
    """Raise `CommandError` if the tables are not yet those that the migrations leave."""
    target = expected.after[migrations[-1].migration_id]
    async with get_engine().transaction() as transaction:
        connection = transaction.connection
        actual = await read_catalog(connection, await current_schema(connection), only=target)
    try:
        require_schema(target, actual, later=expected.final)
    except UnexpectedSchema as error:
        raise CommandError(f"--fake records only what the tables have already: {error}") from None


async def _preflight(
    migrations: Sequence[SqlMigration], expected: ExpectedSchema, allowed: Collection[str]
) -> None:
    try:
        await run_preflight(migrations, expected, allowed)
    except UnexpectedSchema as error:
        raise UnexpectedSchema(error.found, await _advice(expected)) from None


async def _advice(expected: ExpectedSchema) -> str:
    created = created_tables(await applied_ids())
    async with get_engine().transaction() as transaction:
        connection = transaction.connection
        actual = await read_catalog(connection, await current_schema(connection), only=expected.final)
        retained = await retained_data.retained_tables(connection)
    return advice(expected.final, actual, created, retained)


async def _create_schema_for_old_values(migrations: Sequence[SqlMigration]) -> None:
    if any(migration.copies for migration in migrations):
        await in_transaction(
            lambda connection: retained_data.execute(connection, retained_data.CREATE_SCHEMA)
        )


async def _apply(
    migration: SqlMigration,
    expected: ExpectedSchema,
    allowed: Collection[str],
    *,
    fake: bool,
    report: Lines,
) -> list[str]:
    """Apply and record one migration. The record is part of the last transaction of its steps."""

    async def insert_record(connection: Any) -> None:
        await connection.execute(history.insert_record(migration.migration_id, migration.checksum))

    if fake:
        await in_transaction(insert_record)
        return []
    after = expected.after[migration.migration_id]
    return await migration.apply(
        insert_record, expected=after, later=expected.final, allowed=allowed, report=report
    )
