"""Rows that a unique index of pending migrations would reject: found before the first step.

While a migration was reverted, a new row may have taken a value that a retained row has.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.deploy.migrations.migration import SqlMigration
from api.deploy.migrations.retained_columns import copy_of

_UNIQUE_INDEXES = """
SELECT c.relname AS table, x.relname AS name, pg_get_expr(i.indpred, i.indrelid) AS condition,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true)
               FROM generate_series(1, i.indnkeyatts) AS n ORDER BY n) AS keys
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
 WHERE c.relnamespace = pg_my_temp_schema() AND i.indisunique AND NOT i.indisprimary
"""

_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
"""


async def read_unique_indexes(connection: Any) -> list[Any]:
    """The unique indexes of the tables in the temporary schema."""
    return await connection.fetch(_UNIQUE_INDEXES)


async def require_unique(connection: Any, indexes: Sequence[Any], migrations: Sequence[SqlMigration]) -> None:
    """Raise `CommandError` with the ids of two rows that one of `indexes` would reject together."""
    for index in indexes:
        if await connection.fetchval("SELECT to_regclass(quote_ident($1)) IS NULL", index["name"]):
            await _require_unique(connection, index, migrations)


async def _require_unique(connection: Any, index: Any, migrations: Sequence[SqlMigration]) -> None:
    table = index["table"]
    source = await _future_rows(connection, table, migrations)
    if source is None:
        return
    keys = index["keys"]
    conditions = [index["condition"] or "true", *(f"({key}) IS NOT NULL" for key in keys)]
    query = (
        f"SELECT (array_agg(id::text ORDER BY id::text))[1:2], concat_ws(', ', {', '.join(keys)})"
        f" FROM ({source}) AS {table} WHERE {' AND '.join(f'({one})' for one in conditions)}"
        f" GROUP BY {', '.join(keys)} HAVING count(*) > 1 LIMIT 1"
    )
    await connection.execute("SAVEPOINT unique_conflicts")
    try:
        found = await connection.fetchrow(query)
    except (asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError):
        # A column of the index is added by a pending migration, and has no retained values.
        found = None
    await connection.execute("ROLLBACK TO SAVEPOINT unique_conflicts")
    if found is not None:
        (first, second), value = found
        raise CommandError(
            f"nothing was applied: the rows {first} and {second} of {table} have the same"
            f" {', '.join(keys)} ({value}), which the unique index {index['name']} rejects; change one of"
            " them, or its retained value in the schema gatehouse_undone, and run it again"
        )


async def _future_rows(connection: Any, table: str, migrations: Sequence[SqlMigration]) -> str | None:
    """A query of the rows of `table` with the retained values of its columns; None without the table."""
    present = [row[0] for row in await connection.fetch(_COLUMNS, table)]
    if "id" not in present:
        return None
    columns = {name: f'{table}."{name}"' for name in present}
    joins = ""
    for migration in migrations:
        copy = copy_of(table, migration.migration_id)
        retained = [row[0] for row in await connection.fetch(_COLUMNS, copy) if row[0] != "id"]
        alias = copy.rpartition(".")[2]
        if retained:
            joins += f" LEFT JOIN {copy} ON {alias}.id = {table}.id"
        for name in retained:
            value = f'{alias}."{name}"'
            columns[name] = f"coalesce({columns[name]}, {value})" if name in columns else value
    listed = ", ".join(f'{value} AS "{name}"' for name, value in columns.items())
    return f"SELECT {listed} FROM {table}{joins}"
