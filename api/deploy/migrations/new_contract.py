"""`gatehouse db contract`: writes the migration of the second deploy, which drops columns."""

from pathlib import Path
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.database.engine import get_engine
from api.deploy.migrations.contract import Contract
from api.deploy.migrations.expand import Rename, Retire
from api.deploy.migrations.generated_steps import default_of, short_type
from api.deploy.migrations.index import Index
from api.deploy.migrations.migration import all_migrations
from api.deploy.migrations.new_migration import declared_catalog, write_migration
from api.deploy.migrations.removed_columns import users_of
from api.deploy.migrations.unused_columns import unused_columns
from api.deploy.schema.catalog import Catalog
from api.deploy.schema.temporary_schema import execute_temporarily, read_temporary_tables, temporary_schema
from tables.piccolo_app import APP_CONFIG


async def create_contract() -> tuple[Path, list[str]]:
    """Write a migration that drops all unused columns.

    Returns the file, and a name for each column: `users.phone`. Raises `CommandError` if there is no unused
    column, or if an object of the database uses one.
    """
    migrations = all_migrations()
    async with get_engine().transaction() as transaction:
        connection: Any = transaction.connection
        declared = await declared_catalog(connection, APP_CONFIG.table_classes)
        unused = {
            (table, column): since
            for (table, column), since in unused_columns(migrations).items()
            if table not in declared or column not in declared[table].columns
        }
        if not unused:
            raise CommandError(
                "tables/ uses every column that the migrations build, or no migration says that it does not;"
                " take a column out of tables/, and run: piccolo migrations new gatehouse --auto"
            )
        async with temporary_schema(connection):
            for migration in migrations:
                await execute_temporarily(connection, migration.transactional_steps)
            current = await read_temporary_tables(connection)
            contracts = [_contract(current, since, step) for since, step in unused.values()]
            try:
                await execute_temporarily(connection, [one.sql for one in contracts])
            except asyncpg.DependentObjectsStillExistError as error:
                raise CommandError(
                    f"nothing was written: {error}; {getattr(error, 'detail', None)}"
                ) from None
    names = [f"{one.table}.{one.column}" for one in contracts]
    described = ", ".join(names) if len(names) < 3 else f"{len(names)} columns"
    path = write_migration(f"Drop {described}, which servers do not use any more.", contracts)
    return path, names


def _contract(current: Catalog, since: str, step: Retire | Rename) -> Contract:
    """Raises `CommandError` if a policy, a trigger or a computed column uses the column."""
    table, name = current[step.table], step.column
    column = table.columns[name]
    contract = Contract(
        step.table,
        name,
        unused_since=since,
        type=short_type(column.type),
        default=default_of(column),
        not_null=column.not_null,
        renamed_to=step.renamed_to,
        indexes=tuple(
            Index(index, one.definition.split(" ON ", 1)[1], unique=one.unique)
            for index, one in table.indexes.items()
            if name in one.columns
        ),
        constraints={
            constraint: one.definition
            for constraint, one in table.constraints.items()
            if name in one.columns and not one.definition.startswith("PRIMARY KEY")
        },
    )
    own = f"the trigger {contract.pair.name}" if contract.pair else None
    if users := [user for user in users_of(table, name) if user != own]:
        raise CommandError(
            f"{', '.join(users)} of {step.table} uses {name}; change that in a migration first"
        )
    return contract
