"""Runs migrations on empty copies of the tables before they change the tables themselves.

Their steps say IF NOT EXISTS, so they skip a table that exists with other columns. Without this check, only
the comparison after the last step finds that, when the earlier steps have changed the database.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.deploy.migrations import retained_data
from api.deploy.migrations.expected_schema import ExpectedSchema
from api.deploy.migrations.migration import SqlMigration
from api.deploy.migrations.object_definitions import CREATE_FUNCTION
from api.deploy.migrations.transactions import in_transaction
from api.deploy.migrations.type_changes import allow_type_changes
from api.deploy.migrations.unique_conflicts import read_unique_indexes, require_unique
from api.deploy.schema.catalog import Catalog, Table, current_schema, read_catalog
from api.deploy.schema.differences import differences, require_schema
from api.deploy.schema.temporary_schema import (
    copy_tables,
    execute_temporarily,
    read_temporary_tables,
    temporary_schema,
)


async def run_preflight(
    migrations: Sequence[SqlMigration], expected: ExpectedSchema, allowed: Collection[str]
) -> None:
    """Raise `UnexpectedSchema` if `migrations` would leave tables that differ from those expected.

    `allowed` names what the tables may have beyond that, as `table.name`.
    """

    async def check_and_roll_back(connection: Any) -> None:
        await connection.execute("SAVEPOINT preflight")
        for migration in migrations:
            await retained_data.execute(connection, retained_data.restore_tables(migration.tables))
        await _check(connection, migrations, expected, allowed)
        await connection.execute("ROLLBACK TO SAVEPOINT preflight")

    if migrations:
        await in_transaction(check_and_roll_back)


async def _check(
    connection: Any,
    migrations: Sequence[SqlMigration],
    expected: ExpectedSchema,
    allowed: Collection[str],
) -> None:
    later = expected.final
    target = expected.after[migrations[-1].migration_id]
    schema = await current_schema(connection)
    actual = await read_catalog(connection, schema, only=target)
    try:
        # The real schema stays in the path, because the tables may use its types.
        async with temporary_schema(connection, also=schema):
            outside = await copy_tables(connection, _without_other_triggers(actual, later))
            steps = [step for migration in migrations for step in migration.transactional_steps]
            await execute_temporarily(connection, [CREATE_FUNCTION, *map(allow_type_changes, steps)])
            migrated = await read_temporary_tables(connection, only=target)
            indexes = await read_unique_indexes(connection)
    except (asyncpg.SyntaxOrAccessError, asyncpg.FeatureNotSupportedError) as error:
        # The steps fail on these tables. The differences say why, better than PostgreSQL's error does.
        await connection.execute("ROLLBACK TO SAVEPOINT preflight")
        existing = {name: table for name, table in target.items() if name in actual}
        require_schema(existing, actual, later=later, allowed=allowed)
        if isinstance(error, asyncpg.UndefinedColumnError) and not differences(later, actual):
            raise CommandError(
                f"the tables are those after all migrations, and a migration uses what a later one drops"
                f" ({error}); to record the migrations, run: piccolo migrations forwards all --fake"
            ) from None
        raise
    for name, constraints in outside.items():
        migrated[name].constraints |= constraints
    require_schema(target, migrated, later=later, allowed=allowed)
    await require_unique(connection, indexes, migrations)


def _without_other_triggers(actual: Catalog, later: Catalog) -> Catalog:
    """Other triggers may call functions that this role may not create."""

    def expected(name: str, table: Table) -> Table:
        triggers = {key: one for key, one in table.triggers.items() if key in later[name].triggers}
        return replace(table, triggers=triggers)

    return {name: expected(name, table) for name, table in actual.items()}
