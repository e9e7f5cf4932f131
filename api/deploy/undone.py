"""What undoing a migration would drop is moved to a schema of its own, and put back by going forward again.

Tables move with their rows, keys and links. A column cannot move, so its values go to a table
`<table>_<migration>`, beside the ids of their rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from api.database.engine import Engine
from api.deploy.lock import migration_lock
from api.errors import CommandFailed

SCHEMA = "gatehouse_undone"


async def lock(connection: Any, tables: Sequence[str]) -> None:
    """Let nobody write between the copy and the drop: what they wrote would be in neither."""
    for table in tables:
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table):
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")


async def keep_columns(connection: Any, migration_id: str, columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Copy the values of `columns`, table by table, where they differ from the default; says what is kept."""
    kept: list[str] = []
    for table, names in columns.items():
        present = [name for name in names if await _has_column(connection, table, name)]
        if not present:
            continue
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        listed = ", ".join(f'"{name}"' for name in present)
        differing = " OR ".join(
            [f'"{name}" IS DISTINCT FROM {await _default(connection, table, name)}' for name in present]
        )
        saved = _saved(table, migration_id)
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", saved):
            raise CommandFailed(
                f"{saved} still keeps what an earlier undoing left; go forwards to put it back, or run:"
                " gatehouse db forget --yes"
            )
        await connection.execute(
            f"CREATE TABLE {saved} AS SELECT id, {listed} FROM {table} WHERE {differing};"
            f" ALTER TABLE {saved} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            f" CREATE POLICY scope ON {saved} USING (current_setting('gatehouse.scope', true) = 'platform')"
        )
        rows = await connection.fetchval(f"SELECT count(*) FROM {saved}")
        kept.append(f"{rows} rows of {table} ({', '.join(present)})")
    return kept


async def drop_columns(connection: Any, columns: Mapping[str, Sequence[str]]) -> None:
    for table, names in columns.items():
        if names:
            dropped = ", ".join(f'DROP COLUMN IF EXISTS "{name}"' for name in names)
            await connection.execute(f"ALTER TABLE IF EXISTS {table} {dropped}")


async def keep_tables(connection: Any, tables: Sequence[str]) -> list[str]:
    """Move `tables` out of the way; says what is kept."""
    kept: list[str] = []
    for table in reversed(tables):
        if await connection.fetchval("SELECT to_regclass($1) IS NULL", table):
            continue
        rows = await connection.fetchval(f"SELECT count(*) FROM {table}")
        await connection.execute(
            f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}; ALTER TABLE {table} SET SCHEMA {SCHEMA}"
        )
        kept.append(f"{rows} rows of {table}")
    return kept


async def put_back_tables(connection: Any, tables: Sequence[str]) -> None:
    for table in tables:
        kept = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{SCHEMA}.{table}")
        there = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table)
        if kept and there:
            raise CommandFailed(
                f"{table} exists, and {SCHEMA}.{table} keeps the rows of an undone one; drop the one that is"
                " not wanted, or run: gatehouse db forget --yes"
            )
        if kept:
            schema = await connection.fetchval("SELECT current_schema()")
            await connection.execute(f'ALTER TABLE {SCHEMA}.{table} SET SCHEMA "{schema}"')


async def put_back_columns(connection: Any, migration_id: str, columns: Mapping[str, Sequence[str]]) -> None:
    """Put the kept values back, as soon as their columns are there again, and forget the copy."""
    for table, names in columns.items():
        saved = _saved(table, migration_id)
        if await connection.fetchval("SELECT to_regclass($1) IS NULL", saved):
            continue
        present = [
            name
            for name in names
            if await _has_column(connection, table, name) and await _has_column(connection, saved, name)
        ]
        if not present:
            continue
        values = ", ".join(f'"{name}" = saved."{name}"' for name in present)
        await connection.execute(
            f"UPDATE {table} SET {values} FROM {saved} AS saved WHERE saved.id = {table}.id;"
            f" DROP TABLE {saved}"
        )


async def forget(engine: Engine, patience: float) -> list[str]:
    """Erase all that is kept, while no migration runs that might put it back; says what it was."""
    async with (
        migration_lock(engine, patience),
        engine.transaction(scope="SET LOCAL gatehouse.scope = 'platform'") as transaction,
    ):
        connection = transaction.connection
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", SCHEMA)
        erased = [
            f"{await connection.fetchval(f'SELECT count(*) FROM {SCHEMA}.{row[0]}')} rows of {row[0]}"
            for row in tables
        ]
        await connection.execute(
            f"SET LOCAL client_min_messages = warning; DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"
        )
    return sorted(erased)


def _saved(table: str, migration_id: str) -> str:
    digits = "".join(character for character in migration_id if character.isdigit())
    return f"{SCHEMA}.{table}_{digits}"


async def _has_column(connection: Any, table: str, name: str) -> bool:
    return await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2"
        " AND NOT attisdropped)",
        table,
        name,
    )


async def _default(connection: Any, table: str, name: str) -> str:
    default = await connection.fetchval(
        "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef d JOIN pg_attribute a"
        " ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
        " WHERE d.adrelid = to_regclass($1) AND a.attname = $2",
        table,
        name,
    )
    return default or "NULL"
