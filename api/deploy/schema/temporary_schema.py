"""Tables in PostgreSQL's temporary schema, which is private to a session, to try statements on.

It needs the right TEMPORARY on the database, which every role has by default, and no schema of its own.
"""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.deploy.schema.catalog import Catalog, Constraint, Table, read_catalog
from api.deploy.schema.ddl import create_table, in_creation_order, referenced_table


@asynccontextmanager
async def temporary_schema(connection: Any, *, also: str | None = None) -> AsyncIterator[None]:
    """Within it, statements create tables in the temporary schema, and find no others.

    With `also`, they find the types of that schema, too. `connection` is in a transaction; at the end, the
    database is as before. Raises `CommandError` if it accepts no temporary tables.
    """
    path = "pg_temp" if also is None else 'pg_temp, "{}"'.format(also.replace('"', '""'))
    try:
        # PostgreSQL makes the schema for its first table.
        await connection.execute(
            f"SAVEPOINT temporary_schema; SET LOCAL search_path = {path}; CREATE TABLE gatehouse_first ()"
        )
    except asyncpg.ReadOnlySQLTransactionError:
        raise CommandError(
            "the database takes no writes: it is a standby or read-only; use the address of the primary"
        ) from None
    yield
    await connection.execute("ROLLBACK TO SAVEPOINT temporary_schema; RELEASE SAVEPOINT temporary_schema")


async def read_temporary_tables(connection: Any, only: Iterable[str] | None = None) -> Catalog:
    schema = await connection.fetchval("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()")
    catalog = await read_catalog(connection, schema, only)
    catalog.pop("gatehouse_first", None)
    return catalog


async def copy_tables(connection: Any, catalog: Catalog) -> dict[str, dict[str, Constraint]]:
    """Create tables like those of `catalog`, without rows.

    Returns, by table, the foreign keys to other tables: a temporary table cannot reference those.
    """
    outside = {name: _keys_to_others(table, catalog) for name, table in catalog.items()}
    for name in in_creation_order(catalog):
        table = catalog[name]
        constraints = {key: one for key, one in table.constraints.items() if key not in outside[name]}
        await execute_temporarily(connection, [*create_table(name, replace(table, constraints=constraints))])
    return outside


def _keys_to_others(table: Table, catalog: Catalog) -> dict[str, Constraint]:
    return {
        name: one
        for name, one in table.constraints.items()
        if (referenced := referenced_table(one.definition)) is not None and referenced not in catalog
    }


_CREATED_FUNCTION = re.compile(r"\bCREATE\s+(?:OR\s+REPLACE\s+)?FUNCTION\s+(\w+)\s*\(", re.I)


async def execute_temporarily(connection: Any, statements: Iterable[str]) -> None:
    """Run statements, and create their functions in the temporary schema, too.

    PostgreSQL looks for a table in the temporary schema, but for a function only if the name says so.
    """
    statements = list(statements)
    functions = {name for statement in statements for name in _CREATED_FUNCTION.findall(statement)}
    calls = re.compile(rf"\b({'|'.join(functions)})(?=\s*\()") if functions else None
    for statement in statements:
        await connection.execute(calls.sub(r"pg_temp.\1", statement) if calls else statement)
