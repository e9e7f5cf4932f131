"""The connection pool of a server: shares for each kind of work, and no backend that is left behind."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any

import asyncpg

from api.database.bulkheads import Bulkheads, Work, current_work
from api.database.driver_errors import DISCONNECTED

ACQUIRE_TIMEOUT = 1.5
"""Seconds that a request waits for a connection of the pool, which may have to be opened."""

STATEMENT_TIMEOUT = 2.5
"""Seconds that a request waits for one statement. If the database hangs, it waits four in all."""

ABANDON_TIMEOUT = 2.0
"""Seconds for which a connection keeps its place after its statement was cancelled."""

LIMITS = {
    "lock_timeout": 2000,
    # Longer than STATEMENT_TIMEOUT: a COMMIT that waits for a standby is done when it is cancelled, so that
    # PostgreSQL reports success. The client must have stopped waiting by then.
    "statement_timeout": 4000,
    "idle_in_transaction_session_timeout": 10_000,
    "client_connection_check_interval": 1000,
}
"""PostgreSQL's own limits in milliseconds. They end what a killed or stopped server has left."""


async def limit_session(connection: Any) -> None:
    """Set `LIMITS`, except those for which the role or the database has a lower value.

    Not every operating system of a PostgreSQL server can check the connection of a client.
    """
    await connection.execute(
        "\n".join(
            f"DO $$ BEGIN PERFORM set_config(name, '{value}', false) FROM pg_settings"
            f" WHERE name = '{name}' AND setting::int NOT BETWEEN 1 AND {value};"
            " EXCEPTION WHEN invalid_parameter_value THEN NULL; END $$;"
            for name, value in LIMITS.items()
        )
    )


LIMIT_TRANSACTION = "; ".join(
    f"SET LOCAL {name} = {value}"
    for name, value in LIMITS.items()
    if name != "client_connection_check_interval"
)
"""For a transaction through a pooler, whose connections of PostgreSQL other programs use too."""


class ConnectionPool:
    """asyncpg's pool behind `Bulkheads`.

    A connection whose statement timed out, or whose request was cancelled, keeps its place until PostgreSQL
    has ended the statement. Without that, a locked table would let backends grow until the server rejects
    all clients.
    """

    def __init__(self, size: int, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._bulkheads = Bulkheads(size)
        self._work: dict[Any, Work] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @classmethod
    async def create(
        cls,
        size: int,
        connect: Callable[..., Awaitable[asyncpg.Connection]],
        prepare: Callable[[asyncpg.Connection], Awaitable[None]],
        connect_timeout: float | None,
    ) -> "ConnectionPool":
        """A pool that connects on first use, so that the server can start while the database is down.

        Its connections are not reset on release, which saves a round trip: scopes end with the transaction.
        """
        pool = await asyncpg.create_pool(
            connect=connect,
            min_size=0,
            max_size=size,
            timeout=min(ACQUIRE_TIMEOUT, connect_timeout or ACQUIRE_TIMEOUT),
            command_timeout=STATEMENT_TIMEOUT,
            init=prepare,
            reset=_skip_reset,
        )
        return cls(size, pool)

    @property
    def max_size(self) -> int:
        return self._pool.get_max_size()

    @property
    def idle(self) -> int:
        return self._pool.get_idle_size()

    @property
    def busy(self) -> int:
        """Connections in use, with those whose cancelled statement has not ended."""
        return self._pool.get_size() - self.idle

    @property
    def in_use(self) -> int:
        """How many callers use or await a connection."""
        return self.busy + self.waiting

    @property
    def waiting(self) -> int:
        """How many callers wait for a connection."""
        return self._bulkheads.waiting

    async def acquire(self, default: Work) -> Any:
        """A connection for `current_work`, or else for `default`. Raises `TimeoutError` and driver errors."""
        work = current_work(default)
        deadline = monotonic() + ACQUIRE_TIMEOUT
        await self._bulkheads.enter(work, ACQUIRE_TIMEOUT)
        try:
            # At least long enough to find an idle connection.
            connection = await self._pool.acquire(timeout=max(deadline - monotonic(), 0.1))
        except BaseException:
            self._bulkheads.leave(work)
            raise
        self._work[connection] = work
        return connection

    async def release(self, connection: Any) -> None:
        try:
            await self._pool.release(connection)
        finally:
            self._bulkheads.leave(self._work.pop(connection))

    def abandon(self, connection: Any) -> None:
        """Cancel the statement of a connection and close it, without making the caller wait."""
        task = asyncio.get_running_loop().create_task(self._close(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, connection: Any) -> None:
        try:
            # The error that made the caller abandon the connection was reported. A second one says no more.
            with suppress(*DISCONNECTED, asyncpg.PostgresError):
                await connection.close(timeout=ABANDON_TIMEOUT)
        finally:
            self._bulkheads.leave(self._work.pop(connection))

    async def close(self) -> None:
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._pool.close()


async def _skip_reset(_connection: Any) -> None:
    pass
