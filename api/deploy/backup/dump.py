"""`gatehouse db dump`: all tables in one file, as of one moment, by the application's role.

pg_dump would need a version that is at least that of the server, and row security makes it fail: the policies
are forced also on the owner of the tables. So the tables are read with COPY in the platform scope.
"""

from dataclasses import dataclass
from typing import Any, BinaryIO

import asyncpg

from api.command_error import CommandError
from api.database.engine import get_engine
from api.deploy.backup.archive import (
    AFTER,
    BEFORE,
    FORMAT,
    DumpWriter,
    Manifest,
    TableRows,
    entry_of,
    write_archive,
)
from api.deploy.backup.definitions import TABLES, read_definitions
from api.deploy.migrations.history import APP
from api.deploy.migrations.retained_data import CREATE_SCHEMA
from api.deploy.migrations.retained_data import SCHEMA as RETAINED
from api.deploy.schema.catalog import current_schema

# None of these takes the snapshot. With an empty search_path, PostgreSQL writes names with their schema.
_BEGIN = """SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL search_path = '';
SET LOCAL gatehouse.scope = 'platform'; SET LOCAL lock_timeout = '60s'"""

COPY_SETTINGS = """SET LOCAL datestyle = ISO; SET LOCAL intervalstyle = postgres; SET LOCAL timezone = 'UTC';
SET LOCAL bytea_output = hex; SET LOCAL extra_float_digits = 1; SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0"""
"""Settings that the text of COPY depends on, and the timeouts that a role may have."""


@dataclass(frozen=True)
class Dump:
    manifest: Manifest
    left_out: list[str]


async def dump(file: BinaryIO) -> Dump:
    """Write the tables of the application's schema and of the retained data to `file`.

    The application may write meanwhile; a migration waits. Raises `CommandError` if there are no tables, or
    if a standby cancels the dump.
    """
    schema, schemas, tables = await _list_tables()
    if not tables:
        raise CommandError(f"the schema {schema} has no tables to dump; check DATABASE_URL")
    try:
        async with get_engine().transaction(scope=_BEGIN) as transaction:
            connection: Any = transaction.connection
            await _lock(connection, tables, schemas)
            await connection.execute(COPY_SETTINGS)
            with write_archive(file) as archive:
                return await _write(connection, archive, schema, schemas)
    except asyncpg.SerializationError:
        # Nothing else fails so, because the transaction only reads.
        raise CommandError(
            "the standby cancelled the dump, because the primary removed rows that it reads; dump again when"
            " traffic is low, or set hot_standby_feedback = on on the standby"
        ) from None


async def _list_tables() -> tuple[str, list[int], list[str]]:
    """The application's schema, the oids of the schemas to dump, and their tables, with quoted names."""
    async with get_engine().transaction() as transaction:
        connection: Any = transaction.connection
        schema = await current_schema(connection)
        names = "SELECT array_agg(oid) FROM pg_namespace WHERE nspname = ANY($1)"
        schemas = await connection.fetchval(names, [schema, RETAINED])
        await connection.execute("SET LOCAL search_path = ''")
        return schema, schemas, [row[0] for row in await connection.fetch(TABLES, schemas)]


async def _lock(connection: Any, tables: list[str], schemas: list[int]) -> None:
    """Let no migration change the tables. The snapshot comes after it: in an older one, a table looks empty
    that ALTER TABLE has rewritten since."""
    changed = CommandError("a migration changed the tables while the dump started; run it again")
    try:
        await connection.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS SHARE MODE")
    except asyncpg.UndefinedTableError:
        raise changed from None
    if [row[0] for row in await connection.fetch(TABLES, schemas)] != tables:
        raise changed


async def _write(connection: Any, archive: DumpWriter, schema: str, schemas: list[int]) -> Dump:
    definitions = await read_definitions(connection, schemas)
    has_retained = any(name == RETAINED for name, _, _ in definitions.tables)
    archive.write_sql(
        BEFORE, [*([CREATE_SCHEMA.removesuffix(";")] if has_retained else []), *definitions.before]
    )
    tables: list[TableRows] = []
    for table_schema, name, columns in definitions.tables:
        with archive.entry(entry_of(table_schema, name)) as rows:

            async def write(chunk: bytes, to: Any = rows) -> None:
                to.write(chunk)

            status = await connection.copy_from_table(
                name, schema_name=table_schema, columns=columns, output=write
            )
        tables.append(TableRows(table_schema, name, columns, int(status.removeprefix("COPY "))))
    archive.write_sql(AFTER, definitions.after)
    about = await connection.fetchrow(
        "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS created_at,"
        " current_database() AS database, current_setting('server_version') AS postgresql"
    )
    manifest = Manifest(
        format=FORMAT, schema=schema, migrations=await _applied(connection, schema), tables=tables, **about
    )
    archive.write_manifest(manifest)
    return Dump(manifest, definitions.left_out)


async def _applied(connection: Any, schema: str) -> list[str]:
    is_piccolos = """SELECT quote_ident(nspname) FROM pg_attribute
        JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname = $1 AND relname = 'migration' AND attname = 'app_name'"""
    quoted = await connection.fetchval(is_piccolos, schema)
    if quoted is None:
        return []
    rows = await connection.fetch(f"SELECT name FROM {quoted}.migration WHERE app_name = $1 ORDER BY 1", APP)
    return [row[0] for row in rows]
