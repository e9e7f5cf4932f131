"""Transactions that change tables while the application uses them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from asyncpg import DeadlockDetectedError, LockNotAvailableError

from api.database.engine import get_engine
from api.deploy.migrations.history import array

LOCK_TIMEOUT_MS = 200
"""Milliseconds that a statement waits for a table lock. All later queries of the table wait with it.

A step may wait for two tables, one after the other, and no query may wait for more than half a second.
"""

RETRY_DELAYS = (0.5, 1, 1, 2, 2, 4, 4, 8, 8, 16)
"""Seconds between attempts to get a lock, in which the queries that waited can run."""

# IF NOT EXISTS raises a notice for what exists. That is compared afterwards, so the notice is only noise.
SETTINGS = (
    f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}; SET LOCAL client_min_messages = warning;"
    " SET LOCAL gatehouse.scope = 'platform'"
)
"""The settings of a migration's transaction. Without the scope, row security hides the rows to retain."""


async def in_transaction(work: Callable[[Any], Awaitable[None]]) -> None:
    """Call `work` with the asyncpg connection of a transaction; retry it when it does not get a lock.

    Raises asyncpg's `LockNotAvailableError` or `DeadlockDetectedError` after the last of `RETRY_DELAYS`.
    """
    for delay in (*RETRY_DELAYS, None):
        try:
            async with get_engine().transaction(scope=SETTINGS) as transaction:
                await work(transaction.connection)
                return
        except (LockNotAvailableError, DeadlockDetectedError):
            if delay is None:
                raise
            await asyncio.sleep(delay)


def cancel_autovacuum(tables: Sequence[str]) -> str:
    """SQL that makes an autovacuum of `tables` stop, so that the next statements get their locks.

    PostgreSQL cancels an autovacuum that blocks a lock request, but only after `deadlock_timeout`, by default
    a second, which is longer than `LOCK_TIMEOUT_MS`. This lock conflicts with autovacuum, and with neither
    reads nor writes, so it may wait longer.
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
