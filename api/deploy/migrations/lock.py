"""The lock that lets one process at a time migrate a database."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from api.command_error import CommandError
from api.database.engine import get_engine
from api.deploy.migrations.pooler import require_direct_connection
from api.settings import get_settings
from api.terminal_language import in_terminal_language

# The key of the advisory lock: the letters "gate". No other program may lock it in this database.
KEY = 0x67617465

POLL_INTERVAL = 0.2
"""Seconds."""

HOLDER = f"""
SELECT pid FROM pg_locks
 WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = {KEY} AND objsubid = 1
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class MigrationsLocked(CommandError):
    """Another process holds the lock; the message has the id of its PostgreSQL process."""


@asynccontextmanager
async def migration_lock() -> AsyncIterator[None]:
    """Hold the lock on a connection of its own, so that PostgreSQL releases it if this process is killed.

    The lock is polled. A connection that blocks on it would hold a snapshot, and CREATE INDEX CONCURRENTLY in
    the process that has the lock would wait for that connection: a deadlock.

    Raises `MigrationsLocked` after MIGRATION_LOCK_TIMEOUT seconds, and if the connection is lost;
    `CommandError` behind a pooler in transaction mode.
    """
    await require_direct_connection()
    async with get_engine().separate_connection() as connection:
        try:
            await _acquire(connection)
            async with asyncio.timeout(None) as block:

                def cancel_block(_connection: Any) -> None:
                    block.reschedule(0)

                connection.add_termination_listener(cancel_block)
                try:
                    async with get_engine().reuse_connections():
                        yield
                finally:
                    connection.remove_termination_listener(cancel_block)
        except TimeoutError:
            if not connection.is_closed():
                raise
            # Another process may have the lock by now, and two must not migrate at the same time.
            raise MigrationsLocked(
                "the connection that held the migration lock was closed; run the migrations again"
            ) from None


async def _acquire(connection: Any) -> None:
    timeout = get_settings().migration_lock_timeout
    deadline = time.monotonic() + timeout
    reported = False
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", KEY):
        holder = await connection.fetchval(HOLDER)
        if time.monotonic() > deadline:
            raise MigrationsLocked(
                f"another migration holds the lock after {timeout:g} s (PostgreSQL process {holder}); "
                f"wait for it, or end it with: SELECT pg_terminate_backend({holder})"
            )
        if not reported:
            waiting = f"waiting for another migration (PostgreSQL process {holder}) …"
            sys.stdout.write(f"{in_terminal_language(waiting)}\n")
            sys.stdout.flush()
            reported = True
        await asyncio.sleep(POLL_INTERVAL)
