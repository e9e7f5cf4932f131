"""What is asked of a connection: whether a pooler is in between, its role is safe, and it is open."""

from datetime import datetime
from typing import Any

import asyncpg

from api.database.driver_errors import UnsafeRole
from api.settings import SettingsError


async def is_direct(connection: Any) -> bool:
    """Whether no pooler is in between: a pooler answers a process id of its own when it is connected to."""
    # Without parameters, so that no statement is prepared; the number of rows is in its status.
    pid = connection.get_server_pid()
    return await connection.execute(f"SELECT 1 WHERE pg_backend_pid() = {pid}") == "SELECT 1"


async def require_safe_role(connection: Any, setting: str) -> datetime:
    """Raise `UnsafeRole` or `SettingsError`; `setting` has the address of the database.

    Each new connection is checked: the database may start later. The same query reads the clock, whose time
    is returned.
    """
    role = await connection.fetchrow(
        "SELECT rolname, rolsuper, rolbypassrls, current_setting('server_encoding') AS encoding,"
        " clock_timestamp() AS now"
        " FROM pg_roles WHERE rolname = current_user"
    )
    if role["encoding"] != "UTF8":
        raise SettingsError(f"{setting}: the database is in {role['encoding']}; make one in UTF8")
    if role["rolsuper"] or role["rolbypassrls"]:
        raise UnsafeRole(
            f"the role {role['rolname']} of {setting} bypasses row security; use another: "
            "CREATE ROLE gatehouse LOGIN PASSWORD '…' NOSUPERUSER NOBYPASSRLS; "
            "ALTER DATABASE … OWNER TO gatehouse"
        )
    return role["now"]


def is_open(connection: Any) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        # asyncpg's pool has taken it back, because the server closed it.
        return False
