"""`gatehouse db restore`: the tables of a dump in an empty database, all or nothing."""

from dataclasses import dataclass
from typing import Any, BinaryIO

import asyncpg

from api.command_error import CommandError
from api.database.engine import get_engine
from api.deploy.backup.archive import AFTER, BEFORE, DumpReader, Manifest, read_archive
from api.deploy.backup.dump import COPY_SETTINGS
from api.deploy.migrations import retained_data
from api.deploy.migrations.application_role import grant_rows
from api.deploy.migrations.lock import migration_lock
from api.deploy.migrations.pending import migration_ids
from api.deploy.migrations.privileges import require_privileges
from api.deploy.migrations.replaced import replaced_ids
from api.deploy.schema.catalog import current_schema
from api.deploy.schema.differences import Difference
from api.deploy.verify import verify
from api.observability.error_descriptions import describe_error

_BEGIN = "SET LOCAL check_function_bodies = off; SET LOCAL client_min_messages = warning"

# Types of rows and of arrays belong to a table or to another type.
_OBJECTS = """
WITH schemas AS (SELECT oid FROM pg_namespace WHERE nspname = ANY($1))
SELECT objects.name FROM (
    SELECT 'pg_class'::regclass AS catalog, oid, oid::regclass::text AS name FROM pg_class
     WHERE relnamespace IN (SELECT oid FROM schemas) AND relkind NOT IN ('i', 'I', 't')
    UNION ALL
    SELECT 'pg_type'::regclass, oid, oid::regtype::text FROM pg_type
     WHERE typnamespace IN (SELECT oid FROM schemas) AND typtype IN ('e', 'd')
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, oid::regprocedure::text FROM pg_proc
     WHERE pronamespace IN (SELECT oid FROM schemas)
) objects
WHERE NOT EXISTS (SELECT FROM pg_depend WHERE classid = catalog AND objid = oid AND deptype = 'e')
ORDER BY 1
"""


@dataclass(frozen=True)
class Restored:
    manifest: Manifest
    pending: list[str]
    """The migrations of this version that are newer than the dump."""
    differences: list[Difference]
    """Differences from the migrations, if none is pending. The dumped database had them too."""


async def restore(file: BinaryIO) -> Restored:
    """Restore a dump in one transaction, and compare the tables with the migrations.

    Raises `CommandError`, and writes nothing, if the file is damaged, if the database is not empty, or if the
    dump has migrations that this version does not know.
    """
    with read_archive(file) as archive:
        manifest = archive.manifest
        known = {*migration_ids(), *replaced_ids(manifest.migrations)}
        if unknown := [one for one in manifest.migrations if one not in known]:
            raise CommandError(
                f"the dump has migrations that this version of Gatehouse lacks ({', '.join(unknown)});"
                " restore it with the version that served when it was made"
            )
        get_engine().creates_embedded = True
        await get_engine().check_role()
        await require_privileges()
        async with migration_lock():
            try:
                await _restore(archive)
            except asyncpg.PostgresError as error:
                raise CommandError(f"nothing was restored: {describe_error(error)}") from error
    async with get_engine().separate_connection() as connection:
        # Without statistics, the first queries would scan whole tables.
        await connection.execute("SET client_min_messages = error; ANALYZE")
    await grant_rows()
    pending = sorted(set(migration_ids()) - set(manifest.migrations))
    return Restored(manifest, pending, [] if pending else (await verify()).differences)


async def _restore(archive: DumpReader) -> None:
    async with get_engine().transaction(scope=_BEGIN) as transaction:
        connection: Any = transaction.connection
        await _require_empty_schema(connection, archive.manifest.schema)
        await connection.execute(f"{COPY_SETTINGS}; SET LOCAL search_path = ''")
        await retained_data.execute(connection, archive.read_sql(BEFORE))
        for table in archive.manifest.tables:
            with archive.open_rows(table) as rows:
                status = await connection.copy_to_table(
                    table.table, schema_name=table.schema, columns=table.columns, source=rows
                )
            if status != f"COPY {table.rows}":
                raise CommandError(
                    f"nothing was restored: {table.table} has other rows than the dump says ({status});"
                    " use another dump"
                )
        await connection.execute(archive.read_sql(AFTER))


async def _require_empty_schema(connection: Any, dumped: str) -> None:
    schema = await current_schema(connection)
    if schema != dumped:
        raise CommandError(
            f"the tables of the dump are in the schema {dumped}, and those of this database would be in"
            f' {schema}; let the administrator run: CREATE SCHEMA "{dumped}" AUTHORIZATION …;'
            f' ALTER ROLE … SET search_path = "{dumped}"'
        )
    found = [row[0] for row in await connection.fetch(_OBJECTS, [schema, retained_data.SCHEMA])]
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise CommandError(
            f"the database is not empty, it has {', '.join(found[:3])}{more}; restore into a new database"
        )
