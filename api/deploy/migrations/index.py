"""An index on a table that may have rows: made concurrently, so that nobody who writes has to wait."""

import asyncio
from dataclasses import dataclass
from typing import Any

from api.command_error import CommandError
from api.database.engine import Engine

PATIENCE = 60.0
"""Seconds that making an index may wait for transactions that were open before it."""

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Index:
    name: str
    on: str
    unique: bool = False

    def sql(self, *, concurrently: bool) -> str:
        return (
            f"CREATE {'UNIQUE ' * self.unique}INDEX {'CONCURRENTLY ' * concurrently}"
            f"IF NOT EXISTS {self.name} ON {self.on}"
        )

    @property
    def drop_broken(self) -> str:
        """A query for the statement that drops one that was broken off: it is written to, and never read."""
        return (
            f"SELECT 'DROP INDEX CONCURRENTLY {self.name}' FROM pg_index"
            f" WHERE indexrelid = to_regclass('{self.name}') AND NOT indisvalid"
        )


async def make_index(engine: Engine, index: Index) -> None:
    """Make `index`; one that was broken off is dropped first.

    It waits for every transaction that is older, and PostgreSQL alone would let it wait for ever. Raises
    `CommandError`, which names whom it waits for, after `PATIENCE` seconds.
    """
    connection = await engine.get_new_connection()
    try:
        # PostgreSQL goes on building for a client that was killed, unless it looks after it now and then.
        await connection.execute(
            "SET client_min_messages = warning; SET client_connection_check_interval = '1s'"
        )
        if drop := await connection.fetchval(index.drop_broken):
            await _execute(engine, connection, drop, index)
        await _execute(engine, connection, index.sql(concurrently=True), index)
    finally:
        await connection.close()


async def _execute(engine: Engine, connection: Any, sql: str, index: Index) -> None:
    work = asyncio.ensure_future(connection.execute(sql))
    watcher: Any = await engine.get_new_connection()
    try:
        waited = 0.0
        while not (await asyncio.wait([work], timeout=POLL_SECONDS))[0]:
            blockers = await watcher.fetchval("SELECT pg_blocking_pids($1)", connection.get_server_pid())
            waited = waited + POLL_SECONDS if blockers else 0.0
            if waited > PATIENCE:
                raise CommandError(
                    f"the index {index.name} waits for a transaction that is open for over {PATIENCE:g} s"
                    f" (PostgreSQL process {blockers[0]}); wait for its end, or end it with:"
                    f" SELECT pg_terminate_backend({blockers[0]}); then run the migrations again"
                )
        await work
    finally:
        if work.cancel():
            await asyncio.wait([work])
        await watcher.close()
