"""An index of a migration. It is created concurrently, which blocks neither reads nor writes of the table."""

import asyncio
from dataclasses import dataclass
from typing import Any

from api.command_error import CommandError
from api.database.engine import get_engine

BLOCKED_TIMEOUT = 60.0
"""Seconds that CREATE INDEX CONCURRENTLY may wait for older transactions to end."""

POLL_INTERVAL = 0.5
"""Seconds."""


@dataclass(frozen=True)
class Index:
    """`on` is the table and, in brackets, the columns: `users ("tenantId")`, with a WHERE if it needs one."""

    name: str
    on: str
    unique: bool = False

    def sql(self, *, concurrently: bool) -> str:
        return (
            f"CREATE {'UNIQUE ' * self.unique}INDEX {'CONCURRENTLY ' * concurrently}"
            f"IF NOT EXISTS {self.name} ON {self.on}"
        )

    @property
    def select_drop_invalid(self) -> str:
        """A query that returns the DROP INDEX statement if the index is invalid, or no row.

        An interrupted CREATE INDEX CONCURRENTLY leaves an index that is updated and never read.
        """
        return (
            f"SELECT 'DROP INDEX CONCURRENTLY {self.name}' FROM pg_index"
            f" WHERE indexrelid = to_regclass('{self.name}') AND NOT indisvalid"
        )


async def create_index(index: Index) -> None:
    """Create `index`, and drop an invalid one of that name first.

    CREATE INDEX CONCURRENTLY waits for all older transactions, without a limit of its own. Raises
    `CommandError` with the id of the blocking process after `BLOCKED_TIMEOUT` seconds.
    """
    async with get_engine().separate_connection() as connection:
        # Without the interval PostgreSQL goes on building for a client that was killed.
        await connection.execute(
            "SET client_min_messages = warning; SET client_connection_check_interval = '1s'"
        )
        if drop := await connection.fetchval(index.select_drop_invalid):
            await _execute(connection, drop, index)
        await _execute(connection, index.sql(concurrently=True), index)


async def _execute(connection: Any, sql: str, index: Index) -> None:
    statement = asyncio.ensure_future(connection.execute(sql))
    try:
        if not await _is_done(statement):
            async with get_engine().separate_connection() as watcher:
                await _refuse_if_blocked(watcher, statement, connection.get_server_pid(), index)
        await statement
    finally:
        if statement.cancel():
            await asyncio.wait([statement])


async def _is_done(statement: asyncio.Future[Any]) -> bool:
    done, _ = await asyncio.wait([statement], timeout=POLL_INTERVAL)
    return bool(done)


async def _refuse_if_blocked(watcher: Any, statement: asyncio.Future[Any], pid: int, index: Index) -> None:
    blocked = 0.0
    while not await _is_done(statement):
        blockers = await watcher.fetchval("SELECT pg_blocking_pids($1)", pid)
        blocked = blocked + POLL_INTERVAL if blockers else 0.0
        if blocked > BLOCKED_TIMEOUT:
            raise CommandError(
                f"the index {index.name} waited {BLOCKED_TIMEOUT:g} s for an open transaction"
                f" (PostgreSQL process {blockers[0]}); wait for its end, or end it with:"
                f" SELECT pg_terminate_backend({blockers[0]}); then run the migrations again"
            )
