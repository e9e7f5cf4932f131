"""The checks of the database: its server, the role, and the way to it."""

import secrets
import time
from typing import Any

from api.database.engine import get_engine
from api.database.scopes import platform_scope
from api.deploy.migrations.application_role import missing_grants
from api.deploy.migrations.pooler import require_direct_connection
from api.deploy.migrations.privileges import require_privileges
from api.server.doctor.check import Outcome
from api.settings import get_settings

OLDEST, NEWEST = 14, 18
"""The major versions of PostgreSQL with which Gatehouse is tested."""

REQUIRED_EXTENSIONS = ("plpgsql",)
"""Migrations and triggers are written in it. It is part of PostgreSQL, and can be dropped."""

CLOCK_WARNING, CLOCK_FAILURE = 5.0, 60.0
"""Seconds between the clocks of this machine and of the database."""


async def check_connection() -> Outcome:
    async with get_engine().separate_connection() as connection:
        found = await connection.fetchrow(
            "SELECT quote_ident(current_database()) AS database, quote_ident(current_user) AS role,"
            " coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS tls"
        )
    text = f"{found['database']} as {found['role']}, {'with' if found['tls'] else 'without'} TLS"
    if get_settings().database_url is None:
        home = get_settings().gatehouse_home
        return Outcome("warning", f"the embedded server in {home}; for a deployed server set DATABASE_URL")
    return Outcome("ok", text)


async def check_version() -> Outcome:
    async with get_engine().separate_connection() as connection:
        version = await connection.fetchval("SHOW server_version")
        major = int(await connection.fetchval("SHOW server_version_num")) // 10_000
    if major < OLDEST:
        return Outcome("failure", f"PostgreSQL {version} is too old; upgrade it to {OLDEST} or newer")
    if major > NEWEST:
        return Outcome("warning", f"PostgreSQL {version} is not tested; tested are {OLDEST} to {NEWEST}")
    return Outcome("ok", f"PostgreSQL {version}")


async def check_role() -> Outcome:
    await get_engine().check_role()
    return Outcome("ok", "row security applies to the role")


async def check_rights() -> Outcome:
    engine = get_engine()
    with engine.connected_as(engine.roles.owner):
        await require_privileges()
    async with engine.separate_connection() as connection:
        role = await connection.fetchval("SELECT current_user")
        missing = await missing_grants(connection, role)
        may_change = await connection.fetchval(_MAY_CHANGE_TABLES)
    if missing:
        grants = "; ".join(missing)
        return Outcome("failure", f"rights are missing; let the owner of the tables run: {grants}")
    if engine.roles.migration is None:
        return Outcome("ok", "may create tables, read and write")
    if may_change:
        return Outcome(
            "warning",
            f"the role {role} of DATABASE_URL may change tables too; use one that neither owns them nor is a"
            " member of the role that does",
        )
    return Outcome("ok", "the role of migrations may create tables, that of the application read and write")


_MAY_CHANGE_TABLES = """
SELECT has_schema_privilege(current_schema(), 'CREATE')
       OR EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace
                     AND relkind = 'r' AND pg_has_role(relowner, 'MEMBER'))
"""


async def check_writes() -> Outcome:
    """Insert a row, and roll back."""
    async with platform_scope() as transaction:
        connection: Any = transaction.connection
        state = await connection.fetchrow(
            "SELECT pg_is_in_recovery() AS is_standby,"
            " current_setting('transaction_read_only') = 'on' AS is_read_only,"
            " to_regclass('beta_keys') IS NOT NULL AS is_migrated"
        )
        if state["is_standby"]:
            return Outcome("failure", "a standby, which takes no writes; use the address of the primary")
        if state["is_read_only"]:
            return Outcome(
                "failure", "read-only; set default_transaction_read_only = off for the role and the database"
            )
        if state["is_migrated"]:
            key = f"DOCTOR-{secrets.token_hex(6)}"
            await connection.execute("INSERT INTO beta_keys (key) VALUES ($1)", key)
        await transaction.rollback()
    return Outcome("ok", "a row was written and rolled back")


async def check_pooler() -> Outcome:
    await require_direct_connection()
    return Outcome("ok", "a direct connection, or a pooler in session mode")


async def check_extensions() -> Outcome:
    async with get_engine().separate_connection() as connection:
        rows = await connection.fetch("SELECT extname FROM pg_extension")
    missing = set(REQUIRED_EXTENSIONS) - {row["extname"] for row in rows}
    if missing:
        statements = "; ".join(f"CREATE EXTENSION {name}" for name in sorted(missing))
        return Outcome("failure", f"let the owner of the database run: {statements}")
    return Outcome("ok", f"{', '.join(REQUIRED_EXTENSIONS)}; no others are needed")


_CONNECTION_LIMIT = """
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
)
"""


async def check_connections() -> Outcome:
    settings = get_settings()
    processes = settings.workers + settings.worker
    needed = processes * settings.db_pool_size
    async with get_engine().separate_connection() as connection:
        allowed = await connection.fetchval(_CONNECTION_LIMIT)
    text = f"one instance opens up to {needed} connections, and the server allows {allowed}"
    if needed > allowed:
        return Outcome("warning", f"{text}; lower DB_POOL_SIZE to {max(allowed // processes, 1)} or less")
    return Outcome("ok", text)


async def check_clock() -> Outcome:
    async with get_engine().separate_connection() as connection:
        before = time.time()
        database = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        after = time.time()
    # The database read its clock at some time between the two.
    skew = max(before - database, database - after, 0)
    if skew > CLOCK_WARNING:
        status = "failure" if skew > CLOCK_FAILURE else "warning"
        return Outcome(
            status, f"{skew:.0f} s from the clock of the database; synchronize both machines by NTP"
        )
    return Outcome("ok", "within 5 s of the clock of the database")
