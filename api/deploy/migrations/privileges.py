"""The privileges that migrations need, checked before the first statement."""

from api.command_error import CommandError
from api.database.engine import get_engine
from api.deploy.schema.catalog import current_schema

_PRIVILEGES = """
SELECT quote_ident(current_user) AS role, quote_ident(current_schema()) AS schema,
       quote_ident(current_database()) AS database, pg_is_in_recovery() AS is_standby,
       has_schema_privilege(current_schema(), 'CREATE') AS may_create,
       has_database_privilege(current_database(), 'TEMPORARY') AS may_create_temporary
"""


async def require_privileges() -> None:
    """Raise `CommandError`, with the statement that grants it, if a privilege is missing."""
    async with get_engine().separate_connection() as connection:
        await current_schema(connection)
        found = await connection.fetchrow(_PRIVILEGES)
    if found["is_standby"]:
        raise CommandError("the database is a standby, which takes no writes; use the address of the primary")
    if not found["may_create"]:
        raise CommandError(
            f"the role {found['role']} may not create tables in the schema {found['schema']}; let the owner"
            f" of the schema run: GRANT CREATE ON SCHEMA {found['schema']} TO {found['role']}"
        )
    if not found["may_create_temporary"]:
        raise CommandError(
            f"the role {found['role']} may not create temporary tables, on which migrations are tried; let"
            " the owner of the database run:"
            f" GRANT TEMPORARY ON DATABASE {found['database']} TO {found['role']}"
        )
