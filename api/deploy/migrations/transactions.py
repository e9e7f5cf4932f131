"""Transactions that change tables while everybody goes on using them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from asyncpg import DeadlockDetectedError, LockNotAvailableError

from api.database.engine import Engine
from api.deploy.migrations.history import array

LOCK_TIMEOUT_MS = 400
"""Milliseconds a statement waits for its lock. While it waits, everything that comes after it waits too.

A step may wait for two tables, one after the other, and nobody should wait for longer than a second.
"""

PAUSES = (0.5, 1, 2, 4, 8, 16)
"""Seconds between one try for a lock and the next; the traffic that piled up flows off meanwhile."""

# What IF NOT EXISTS steps over is compared afterwards, so PostgreSQL need not tell of it.
SETTINGS = (
    f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}; SET LOCAL client_min_messages = warning;"
    " SET LOCAL gatehouse.scope = 'platform'"
)
"""What a transaction that migrates begins with: row security would hide the rows that are to be kept."""


async def in_transaction(engine: Engine, work: Callable[[Any], Awaitable[None]]) -> None:
    """Do `work`, trying again when one of its locks is not to be had in time.

    A statement that waits for a lock makes everybody wait who comes after it, so it waits briefly, steps
    back and tries again.
    """
    for pause in (*PAUSES, None):
        try:
            async with engine.transaction(scope=SETTINGS) as transaction:
                await work(transaction.connection)
                return
        except (LockNotAvailableError, DeadlockDetectedError):
            if pause is None:
                raise
            await asyncio.sleep(pause)


def end_vacuums(tables: Sequence[str]) -> str:
    """SQL that has no autovacuum of `tables` stand in the way of the next statements.

    PostgreSQL ends one that does, but only after `deadlock_timeout`, a second by default, for which no
    statement here waits. This lock has the same effect and can be waited for: neither readers nor writers
    conflict with it.
    """
    return f"""\
DO $$
DECLARE
    locked text;
BEGIN
    PERFORM set_config('lock_timeout', '5s', true);
    FOREACH locked IN ARRAY {array(tables)} LOOP
        IF to_regclass(quote_ident(locked)) IS NOT NULL THEN
            EXECUTE format('LOCK TABLE %I IN SHARE UPDATE EXCLUSIVE MODE', locked);
        END IF;
    END LOOP;
    PERFORM set_config('lock_timeout', '{LOCK_TIMEOUT_MS}', true);
END $$;"""
