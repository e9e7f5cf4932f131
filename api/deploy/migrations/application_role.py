"""The rights of the application's role, where `MIGRATION_DATABASE_URL` has the one that owns the tables.

The application reads and writes rows, and changes neither tables nor what protects them: SQL that an attacker
makes it run cannot disable a trigger, drop the audit events, or replace a policy of row security.
"""

from typing import Any

from api.command_error import CommandError
from api.database.engine import get_engine
from api.deploy.migrations.backfill_run import Report
from api.deploy.migrations.transactions import in_transaction
from tables.piccolo_app import APP_CONFIG

_MISSING = """
WITH rights AS (
    SELECT name, needed FROM unnest($2::text[]) AS name, unnest($3::text[]) AS needed
    UNION ALL SELECT 'migration', 'SELECT'
)
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), $1::name) AS statement
 WHERE NOT has_schema_privilege($1::name, current_schema(), 'USAGE')
 UNION ALL
SELECT format('GRANT %s ON %I TO %I', string_agg(needed, ', '), name, $1::name) FROM rights
 WHERE to_regclass(quote_ident(name)) IS NOT NULL
   AND NOT has_table_privilege($1::name, to_regclass(quote_ident(name)), needed)
 GROUP BY name ORDER BY 1
"""

_RIGHTS = ["SELECT", "INSERT", "UPDATE", "DELETE"]
"""Of audit events too: the clean-up locks old rows, which needs UPDATE; a trigger refuses to update them."""


async def missing_grants(connection: Any, role: str) -> list[str]:
    """The statements that grant `role` what the application needs and lacks."""
    names = [table._meta.tablename for table in APP_CONFIG.table_classes]
    return [row["statement"] for row in await connection.fetch(_MISSING, role, names, _RIGHTS)]


async def grant_rows(*, report: Report = lambda _: None) -> None:
    """Let the role of `DATABASE_URL` read and write rows, in a command that uses the role of migrations.

    Raises `CommandError` if the two roles do not see the same tables.
    """
    engine = get_engine()
    if engine.roles.migration is None:
        return
    with engine.connected_as(engine.roles.application):
        role, _ = await _role_and_tables()
    granted: list[str] = []

    async def grant(connection: Any) -> None:
        granted[:] = await missing_grants(connection, role)
        for statement in granted:
            await connection.execute(statement)

    await in_transaction(grant)
    if granted:
        report(f"  the role {role} may read and write rows of {len(granted)} more tables\n")
    with engine.connected_as(engine.roles.application):
        _, seen = await _role_and_tables()
    _, tables = await _role_and_tables()
    if seen != tables:
        raise CommandError(
            "DATABASE_URL and MIGRATION_DATABASE_URL lead to different databases or schemas; correct one"
        )


_ROLE_AND_TABLES = """
SELECT current_user AS role, current_database() AS database,
       (SELECT array_agg(to_regclass(quote_ident(name))::oid ORDER BY name)
          FROM unnest($1::text[]) AS name) AS tables
"""


async def _role_and_tables() -> tuple[str, object]:
    names = [table._meta.tablename for table in APP_CONFIG.table_classes]
    async with get_engine().separate_connection() as connection:
        row = await connection.fetchrow(_ROLE_AND_TABLES, names)
    return row["role"], (row["database"], row["tables"])
