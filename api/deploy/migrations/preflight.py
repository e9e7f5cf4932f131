"""Runs migrations on empty copies of the tables before they change the tables themselves.

Their steps say IF NOT EXISTS, so they skip a table that exists with other columns. Without this check, only
the comparison after the last step finds that, when the earlier steps have changed the database.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from api.deploy.migrations import retained_data
from api.deploy.migrations.migration import SqlMigration
from api.deploy.migrations.transactions import in_transaction
from api.deploy.schema.catalog import read_catalog
from api.deploy.schema.ddl import create_table, in_creation_order
from api.deploy.schema.differences import require_schema
from api.deploy.schema.expected_schema import expected_catalog

SCHEMA = "gatehouse_preflight"
"""The schema of the copies. It is rolled back, so other transactions never see it."""


async def run_preflight(migrations: Sequence[SqlMigration]) -> None:
    """Raise `UnexpectedSchema` if `migrations` would leave tables that differ from the expected schema."""

    async def check_and_roll_back(connection: Any) -> None:
        await connection.execute("SAVEPOINT preflight")
        for migration in migrations:
            await retained_data.execute(connection, retained_data.restore_tables(migration.tables))
        await _check(connection, migrations)
        await connection.execute("ROLLBACK TO SAVEPOINT preflight")

    if migrations:
        await in_transaction(check_and_roll_back)


async def _check(connection: Any, migrations: Sequence[SqlMigration]) -> None:
    later = expected_catalog()
    expected = expected_catalog(migrations[-1].migration_id)
    schema = await connection.fetchval("SELECT current_schema()")
    actual = await read_catalog(connection, schema, only=expected)
    # The real schema stays in the path, because the tables may use its types.
    await connection.execute(f'CREATE SCHEMA {SCHEMA}; SET LOCAL search_path = {SCHEMA}, "{schema}"')
    try:
        for name in in_creation_order(actual):
            # Other triggers may call functions that this role may not create.
            triggers = {n: one for n, one in actual[name].triggers.items() if n in later[name].triggers}
            for statement in create_table(name, replace(actual[name], triggers=triggers)):
                await connection.execute(statement)
        for migration in migrations:
            for step in migration.transactional_steps:
                await connection.execute(step)
    except (asyncpg.SyntaxOrAccessError, asyncpg.FeatureNotSupportedError):
        # The steps fail on these tables. The differences say why, better than PostgreSQL's error does.
        existing = {name: table for name, table in expected.items() if name in actual}
        require_schema(existing, actual, later=later)
        raise
    require_schema(expected, await read_catalog(connection, SCHEMA), later=later)
