"""The table `server_processes`: the running servers and workers, and the release of each.

A release is named by the newest migration that its code has. A migration that drops a column asks the table
whether a server of an older release still uses the column, see `api.deploy.migrations.contract`.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Literal
from uuid import UUID, uuid4

from asyncpg import ReadOnlySQLTransactionError

from api.database.driver_errors import DISCONNECTED, OTHER_SCHEMA, TIMED_OUT
from api.database.scopes import platform_scope
from api.deploy.migrations.history import literal
from api.deploy.migrations.pending import migration_ids
from api.observability.error_descriptions import describe_error
from api.observability.error_reporting import report_error
from api.observability.logs import get_logger

logger = get_logger()

HEARTBEAT_INTERVAL = 15.0
"""Seconds between two updates of `seenAt`."""

EXPIRY_SECONDS = 60
"""A process that was not seen for this long has crashed, or has lost the database."""

_REGISTER = """
INSERT INTO server_processes (id, kind, host, "processId", version, release)
     VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET "seenAt" = now()
"""

_REMOVE = f"""
DELETE FROM server_processes WHERE id = $1 OR "seenAt" < now() - 60 * interval '{EXPIRY_SECONDS} s'
"""
"""Also removes the rows of crashed processes, which show for an hour what ran."""


def older_servers(release: str) -> str:
    """A query for the running processes of releases before `release`, as one text; null without any."""
    return f"""\
SELECT string_agg(
           format('%s %s on %s (process %s, release %s, seen %s s ago)', kind, version, host, "processId",
                  release, round(extract(epoch FROM clock_timestamp() - "seenAt"))),
           ', ' ORDER BY host, "processId")
  FROM server_processes
 WHERE release COLLATE "C" < {literal(release)}
   AND "seenAt" > clock_timestamp() - interval '{EXPIRY_SECONDS} s'"""


@asynccontextmanager
async def registered_process(kind: Literal["server", "worker"]) -> AsyncIterator[None]:
    """Keep a row for this process in the block. Without a database, or without the table, it has none."""
    row_id = uuid4()
    # Read once: a deploy may replace the files while the process runs its old code.
    values = (kind, socket.gethostname()[:255], os.getpid(), version("gatehouse"), max(migration_ids()))

    async def register() -> None:
        await _execute(_REGISTER, row_id, *values)

    # Before the first request, so that no migration overlooks a server that has just started.
    is_registered = await _attempt(register, report=True)
    heartbeat = asyncio.create_task(_beat(register, is_registered=is_registered), name="heartbeat")
    try:
        yield
    finally:
        heartbeat.cancel()
        await asyncio.wait({heartbeat})
        await _attempt(lambda: _execute(_REMOVE, row_id), report=False)


async def _beat(register: Callable[[], Awaitable[None]], *, is_registered: bool) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_INTERVAL)
        is_registered = await _attempt(register, report=is_registered)


async def _attempt(action: Callable[[], Awaitable[None]], *, report: bool) -> bool:
    """Whether `action` succeeded. A failure concerns no request, and the next heartbeat tries again."""
    try:
        await action()
    except (*DISCONNECTED, *TIMED_OUT, *OTHER_SCHEMA, ReadOnlySQLTransactionError) as error:
        if report:
            logger.info("this process is not in server_processes", error=describe_error(error))
        return False
    except Exception as error:  # noqa: BLE001
        # As in any background task: an error must not end it.
        report_error(error)
        return False
    return True


async def _execute(statement: str, row_id: UUID, *values: str | int) -> None:
    async with platform_scope() as transaction:
        await transaction.connection.execute(statement, row_id, *values)
