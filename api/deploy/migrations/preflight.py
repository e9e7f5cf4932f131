"""Migrations are tried on empty copies of the tables before they touch them.

Their steps say IF NOT EXISTS, and so step over whatever exists already; if that is not as it should be, this
is the time to say so: afterwards, the steps before the last one would have changed the database.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from api.database.engine import Engine
from api.deploy.migrations import retained_data
from api.deploy.migrations.migration import SqlMigration
from api.deploy.migrations.transactions import in_transaction
from api.deploy.schema.catalog import read_catalog
from api.deploy.schema.differences import create_table, referenced_first, refuse
from api.deploy.schema.expected_schema import expected_catalog

SCHEMA = "gatehouse_rehearsal"
"""Where the copies are; it is rolled back, and so never seen by anybody else."""


async def run_preflight(engine: Engine, migrations: Sequence[SqlMigration]) -> None:
    """Raise `UnexpectedSchema` if `migrations` would not make of the tables that exist what is wanted."""

    async def and_roll_back(connection: Any) -> None:
        await connection.execute("SAVEPOINT rehearsal")
        for migration in migrations:
            await retained_data.execute(connection, retained_data.put_back_tables(migration.tables))
        await _rehearse(connection, migrations)
        await connection.execute("ROLLBACK TO SAVEPOINT rehearsal")

    if migrations:
        await in_transaction(engine, and_roll_back)


async def _rehearse(connection: Any, migrations: Sequence[SqlMigration]) -> None:
    later = expected_catalog()
    wanted = expected_catalog(migrations[-1].migration_id)
    schema = await connection.fetchval("SELECT current_schema()")
    found = await read_catalog(connection, schema, only=wanted)
    # The schema itself comes second: the tables may use its types.
    await connection.execute(f'CREATE SCHEMA {SCHEMA}; SET LOCAL search_path = {SCHEMA}, "{schema}"')
    try:
        for name in referenced_first(found):
            # Triggers of the owner's own may run what only the owner can make.
            ours = {n: one for n, one in found[name].triggers.items() if n in later[name].triggers}
            for statement in create_table(name, replace(found[name], triggers=ours)):
                await connection.execute(statement)
        for migration in migrations:
            for step in migration.plain_steps:
                await connection.execute(step)
    except (asyncpg.SyntaxOrAccessError, asyncpg.FeatureNotSupportedError):
        # The steps cannot work with what there is, so that is compared as it is.
        refuse({name: table for name, table in wanted.items() if name in found}, found, later=later)
        raise
    refuse(wanted, await read_catalog(connection, SCHEMA), later=later)
