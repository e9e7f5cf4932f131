"""`gatehouse db sql --run`: runs SQL of a person, for a machine without psql, such as a container."""

from dataclasses import dataclass
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.database.engine import get_engine
from api.database.scopes import platform_scope


@dataclass(frozen=True)
class Result:
    columns: list[str]
    rows: list[tuple[Any, ...]]
    status: str
    """Such as `UPDATE 3`."""


async def run_sql(script: str) -> Result:
    """Run statements in one transaction that sees the rows of all tenants.

    The rows of a single statement are returned, those of several are not. A statement that refuses to run in
    a transaction, such as CREATE INDEX CONCURRENTLY, runs outside of one. Raises `CommandError`.
    """
    try:
        return await _run(script)
    except asyncpg.PostgresError as error:
        if isinstance(error, asyncpg.PostgresSyntaxError) and error.args[0].endswith('near "\\"'):
            raise CommandError("the SQL contains commands of psql; run it with psql") from None
        # Without the DETAIL, which may repeat a row. The SQL may contain a COMMIT, or CREATE INDEX
        # CONCURRENTLY, so something may be changed.
        raise CommandError(f"{error.args[0]}; the open transaction was rolled back") from None


async def _run(script: str) -> Result:
    try:
        async with platform_scope() as transaction:
            statement: Any = await transaction.connection.prepare(script)
            rows = [tuple(row) for row in await statement.fetch()]
            return Result([one.name for one in statement.get_attributes()], rows, statement.get_statusmsg())
    except asyncpg.ActiveSQLTransactionError:
        async with get_engine().separate_connection() as connection:
            return Result([], [], await connection.execute(script))
    except asyncpg.PostgresSyntaxError:
        # Several statements cannot be prepared. If it is another error, it is raised again.
        async with platform_scope() as transaction:
            return Result([], [], await transaction.connection.execute(script))
