"""Finds a pooler in transaction mode, such as PgBouncer, between this process and PostgreSQL.

It gives each transaction another connection to PostgreSQL. The migration lock belongs to a connection, so it
would protect nothing, and would remain when the migrations end.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from api.command_error import CommandError
from api.database.engine import get_engine

# As a message, because a pooler in transaction mode may not support the prepared statements of a query.
_SEND_PID = "DO $$ BEGIN RAISE INFO '%', pg_backend_pid(); END $$"

ANSWER_TIMEOUT = 10
"""Seconds. A pooler with one connection would let the second one of this check wait for minutes."""


async def require_direct_connection() -> None:
    """Raise `CommandError` if statements of one connection run on several connections of PostgreSQL.

    A second connection keeps a transaction open, which occupies the connection of PostgreSQL that the pooler
    would give to the next statement of the first.
    """
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            is_direct = await _keeps_its_connection()
    except TimeoutError:
        raise CommandError(
            "DATABASE_URL leads to a pooler that has no two connections for this command, or to a database"
            " that does not respond; set DATABASE_URL to the address of PostgreSQL itself"
        ) from None
    if not is_direct:
        raise CommandError(
            "DATABASE_URL leads to a pooler in transaction mode, behind which the migration lock does not"
            " work; set DATABASE_URL to the address of PostgreSQL itself"
        )


async def _keeps_its_connection() -> bool:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(get_engine().separate_connection())
        second = await stack.enter_async_context(get_engine().separate_connection())
        before = await _backend_pid(first)
        await second.execute("BEGIN")
        between = await _backend_pid(second)
        after = await _backend_pid(first)
        await second.execute("ROLLBACK")
    return before == after != between


async def _backend_pid(connection: Any) -> int:
    pids: list[int] = []

    def listen(_connection: Any, message: Any) -> None:
        pids.append(int(message.message))

    connection.add_log_listener(listen)
    await connection.execute(_SEND_PID)
    connection.remove_log_listener(listen)
    return pids[0]
