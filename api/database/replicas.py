"""Standbys of PostgreSQL, which replay what the primary writes: how far each is, and what it answers.

The primary says once a second up to where its log goes, and below which number all transactions have ended.
A standby that has replayed the log up to there shows all of them. No clock takes part in that.
"""

import asyncio
import logging
import math
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import asyncpg

from api.command_error import CommandError
from api.database.bulkheads import Work, working
from api.database.connection_pool import ConnectionPool
from api.database.driver_errors import DISCONNECTED, UNUSABLE_CONNECTION, WRONG_ADDRESS
from api.database.readers import Reader, current_call, current_reader
from api.database.roles import Role, connect

logger = logging.getLogger(__name__)

CHECK_INTERVAL = 1.0
"""Seconds between two checks. A session reads from the primary for about as long after it has written."""

CHECK_TIMEOUT = 1.0
"""Seconds that a standby may take to answer a check."""

PRIMARY = "primary"

FAILED_READ = (*DISCONNECTED, *WRONG_ADDRESS, asyncpg.PostgresError, CommandError)
"""After these the primary repeats a read: the standby may be away, cancel a query that is in the way of its
replay, or lack a column that a migration has just added."""


class Sample(NamedTuple):
    """What the primary said: a standby that has replayed `position` shows all transactions below `ended`."""

    taken: float
    timeline: str
    end: int
    position: int
    ended: int


# The snapshot is older than the position. After a position behind the head of a page of the log no record has
# been written to that page: a standby that has replayed everything is at the end of the page before it.
SAMPLE = """
SELECT substr(pg_walfile_name(lsn), 1, 8) AS timeline, (lsn - '0/0')::bigint AS end,
       (lsn - '0/0' - CASE WHEN (lsn - '0/0') % 8192 IN (24, 40) THEN (lsn - '0/0') % 8192 ELSE 0 END)::bigint
           AS position,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS ended
  FROM pg_current_wal_insert_lsn() lsn
"""

REPLAYED = """
SELECT pg_is_in_recovery() AS is_standby, (pg_last_wal_replay_lsn() - '0/0')::bigint AS position
"""


class Replica:
    """One host of `DATABASE_READ_URL`, and how far it is."""

    def __init__(self, role: Role, pool: ConnectionPool) -> None:
        self.role = role
        self.pool = pool
        self.problem: str | None = None
        """Why it is left out; None if it answers."""
        self.shown: Sample | None = None
        """The latest sample that it has replayed."""

    @property
    def lag(self) -> float:
        """How many seconds ago the primary was where the standby is; infinite if that is not known."""
        return math.inf if self.shown is None else time.monotonic() - self.shown.taken

    def leave_out(self, problem: str) -> None:
        if self.problem is None:
            logger.warning("%s: %s is left out: %s", self.role.setting, self.role.host, problem)
        self.problem, self.shown = problem, None

    def take_back(self, shown: Sample | None) -> None:
        if self.problem is not None:
            logger.info("%s: %s answers", self.role.setting, self.role.host)
        self.problem, self.shown = None, shown

    async def fetch(self, query: str, values: Sequence[Any]) -> list[asyncpg.Record]:
        connection = await self.pool.acquire(Work.READ)
        try:
            rows = await connection.fetch(query, *values)
        except (asyncio.CancelledError, *UNUSABLE_CONNECTION):
            self.pool.abandon(connection)
            raise
        except BaseException:
            await self.pool.release(connection)
            raise
        await self.pool.release(connection)
        return rows


class Replicas:
    """The standbys of `DATABASE_READ_URL`. One that is away, or over `max_lag` seconds behind, is left out.

    `fetch` reads from the primary.
    """

    def __init__(
        self, replicas: Sequence[Replica], max_lag: float, fetch: Callable[[str], Awaitable[Any]]
    ) -> None:
        self.all = replicas
        self._reads: Counter[str] = Counter()
        self._max_lag = max_lag
        self._fetch = fetch
        self._samples: deque[Sample] = deque(maxlen=1000)

    def take_reads(self) -> Counter[str]:
        """How many reads each host has answered, or `PRIMARY`, of those that a standby may answer.

        They are counted from the previous call on.
        """
        taken, self._reads = self._reads, Counter()
        return taken

    async def fetch(self, query: str, values: Sequence[Any]) -> list[asyncpg.Record] | None:
        """The rows of one statement; None if the primary has to answer it."""
        call, reader = current_call.get(), current_reader.get()
        if call is None or reader is None:
            return None
        if call.replica is None or not self._shows(call.replica, reader):
            call.replica = self._choose(reader)
        replica = call.replica
        if replica is not None:
            try:
                rows = await replica.fetch(query, values)
            except FAILED_READ as error:
                logger.info("%s: %s failed to read: %r", replica.role.setting, replica.role.host, error)
                # After a search that takes too long, others may read there.
                if isinstance(error, DISCONNECTED) and not isinstance(error, TimeoutError):
                    replica.leave_out(f"{type(error).__name__} {error}")
                call.replica = None
            else:
                self._reads[replica.role.host] += 1
                return rows
        self._reads[PRIMARY] += 1
        return None

    def _choose(self, reader: Reader) -> Replica | None:
        """The least busy standby that shows what the client has written."""
        usable = [replica for replica in self.all if self._shows(replica, reader)]
        return min(usable, key=lambda each: (each.pool.in_use, self._reads[each.role.host]), default=None)

    def _shows(self, replica: Replica, reader: Reader) -> bool:
        if reader.has_written or replica.shown is None or replica.lag > self._max_lag:
            return False
        return reader.last_write < replica.shown.ended

    @asynccontextmanager
    async def checked(self) -> AsyncIterator[None]:
        """Within it the standbys are checked."""
        tasks = [asyncio.create_task(self._keep_sampling())]
        tasks += [asyncio.create_task(self._keep_checking(replica)) for replica in self.all]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for replica in self.all:
                await replica.pool.close()

    async def _keep_sampling(self) -> None:
        while True:
            # While the primary is away, standbys answer until they are too far behind for what is known.
            with suppress(*FAILED_READ):
                await self._take_sample()
            await asyncio.sleep(CHECK_INTERVAL)

    async def _take_sample(self) -> Sample:
        taken = time.monotonic()
        with working(Work.LOOKUP):
            (row,) = await self._fetch(SAMPLE)
        sample = Sample(taken, **row)
        if self._samples and self._samples[-1].timeline != sample.timeline:
            # After a failover a position or a number may be of another transaction.
            self._samples.clear()
            for replica in self.all:
                replica.shown = None
        self._samples.append(sample)
        return sample

    async def _keep_checking(self, replica: Replica) -> None:
        connection: asyncpg.Connection | None = None
        try:
            while True:
                try:
                    async with asyncio.timeout(CHECK_TIMEOUT):
                        if connection is None:
                            connection = await connect(replica.role)
                        row = await connection.fetchrow(REPLAYED)
                    await self._judge(replica, row)
                except FAILED_READ as error:
                    replica.leave_out(f"{type(error).__name__} {error}")
                    if connection is not None:
                        connection.terminate()
                        connection = None
                await asyncio.sleep(CHECK_INTERVAL)
        finally:
            if connection is not None:
                connection.terminate()

    async def _judge(self, replica: Replica, row: Any) -> None:
        if not row["is_standby"]:
            replica.leave_out("it is not a standby")
            return
        reached = row["position"]
        latest = self._samples[-1] if self._samples else None
        if latest is not None and reached > latest.end:
            try:
                latest = await self._take_sample()
            except FAILED_READ:
                # The primary is away. The lag of what is known goes on rising.
                return
            if reached > latest.end:
                # The standby of another primary, which a failover has replaced.
                replica.leave_out("it is ahead of the primary")
                return
        shown = next((each for each in reversed(self._samples) if each.position <= reached), None)
        replica.take_back(shown)


@asynccontextmanager
async def reads_of_replicas(engine: Any, max_lag: float) -> AsyncIterator[None]:
    """Within it the standbys of `DATABASE_READ_URL` answer reads of an `Engine`, if there are any."""
    if not engine.roles.replicas:
        yield
        return
    replicas = [Replica(role, await engine.pool_of(role)) for role in engine.roles.replicas]
    engine.replicas = Replicas(replicas, max_lag, engine.fetch)
    try:
        async with engine.replicas.checked():
            yield
    finally:
        engine.replicas = None
