"""One migration at a time, however many processes start one."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from api.command_error import CommandError
from api.database.engine import Engine

# Any number will do that nothing else in this database locks; these are the letters "gate".
KEY = 0x67617465

POLL_SECONDS = 0.2

HOLDER = f"""
SELECT pid FROM pg_locks
 WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = {KEY} AND objsubid = 1
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class MigrationsLocked(CommandError):
    """Another process kept the lock for too long; the message names it."""


@asynccontextmanager
async def migration_lock(engine: Engine, patience: float) -> AsyncIterator[None]:
    """Hold the lock on a connection of its own, which PostgreSQL ends with the process that made it.

    It is polled for and not waited for: a connection that waits for a lock keeps a snapshot, and CREATE
    INDEX CONCURRENTLY in the process that holds the lock would wait for that one in turn.

    Raises `MigrationsLocked` after `patience` seconds.
    """
    connection = await engine.get_new_connection()
    try:
        await _acquire(connection, patience)
        async with asyncio.timeout(None) as held:

            def lost(_connection: Any) -> None:
                held.reschedule(0)

            connection.add_termination_listener(lost)
            try:
                yield
            finally:
                connection.remove_termination_listener(lost)
    except TimeoutError:
        if not connection.is_closed():
            raise
        # Whoever came next has the lock by now, so this one must not go on.
        raise MigrationsLocked(
            "the connection that held the migration lock was ended; run the migrations again"
        ) from None
    finally:
        await connection.close()


async def _acquire(connection: Any, patience: float) -> None:
    deadline = time.monotonic() + patience
    told = False
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", KEY):
        holder = await connection.fetchval(HOLDER)
        if time.monotonic() > deadline:
            raise MigrationsLocked(
                f"another migration holds the lock after {patience:g} s (PostgreSQL process {holder}); "
                f"wait for it, or end it with: SELECT pg_terminate_backend({holder})"
            )
        if not told:
            sys.stdout.write(f"waiting for another migration (PostgreSQL process {holder}) …\n")
            sys.stdout.flush()
            told = True
        await asyncio.sleep(POLL_SECONDS)
