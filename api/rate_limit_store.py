"""Counters: in the memory of one process, or in a Redis that several processes share.

A rate is a moving window with a limit. A tally is a fixed window without one, and says how many hits there
were.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

logger = logging.getLogger("gatehouse")

T = TypeVar("T")

MAX_WINDOWS = 100_000
"""Windows of one rate in memory, so that a flood of addresses cannot exhaust it."""

REDIS_TIMEOUT = 0.5
"""Seconds for one answer, after which Redis is considered unavailable."""

REDIS_RETRY_INTERVAL = 5.0
"""Seconds between two attempts to reach an unavailable Redis."""

REDIS_POOL_SIZE = 20
"""Connections of each server process."""


@dataclass(frozen=True, eq=False, slots=True)
class Rate:
    """At most `amount` hits in `seconds`, for each subject. Counts of different `name`s are separate."""

    name: str
    item: RateLimitItem
    amount: int
    seconds: int


def rate(name: str, notation: str, factor: int = 1) -> Rate:
    """The rate of a text in the notation of the library `limits`: `5/15 minutes`. `factor` multiplies the
    5."""
    item = parse(notation)
    item = type(item)(item.amount * factor, item.multiples)
    return Rate(name, item, item.amount, item.get_expiry())


class Counter(Protocol):
    """Counts hits. `hit` and `test` return 0 within the rate; over it, the seconds until a hit is allowed."""

    async def hit(self, rate: Rate, subject: str) -> float:
        """Count a hit, unless it exceeds the rate."""
        ...

    async def test(self, rate: Rate, subject: str) -> float:
        """As `hit`, but count nothing."""
        ...

    async def tally(self, rate: Rate, subject: str) -> int:
        """Count a hit, also over the rate; returns how many there are in its period, this one included.

        The period begins with the first of them.
        """
        ...

    async def total(self, rate: Rate, subject: str) -> int:
        """As `tally`, but count nothing."""
        ...

    async def close(self) -> None: ...


class MemoryCounter:
    """Counts in the memory of one process.

    The memory storages of `limits` scan all windows periodically. With a thousand addresses at 5,000 hits a
    second a hit costs 50 µs (the threaded one) or 190 µs (the asynchronous one), and the former never drops
    an address. Here a hit costs 1 µs, for any number of windows.
    """

    def __init__(self) -> None:
        self._windows: dict[Rate, OrderedDict[str, deque[float]]] = {}
        self._tallies: dict[Rate, OrderedDict[str, tuple[int, float]]] = {}

    async def hit(self, rate: Rate, subject: str) -> float:
        now = time.monotonic()
        windows = self._windows.get(rate)
        if windows is None:
            windows = self._windows[rate] = OrderedDict()
        hits = windows.get(subject)
        if hits is None:
            hits = windows[subject] = deque()
        elif wait := _wait(hits, rate, now):
            return wait
        else:
            windows.move_to_end(subject)
        hits.append(now)
        _drop_old(windows, now - rate.seconds)
        return 0

    async def test(self, rate: Rate, subject: str) -> float:
        hits = self._windows.get(rate, {}).get(subject)
        return 0 if hits is None else _wait(hits, rate, time.monotonic())

    async def tally(self, rate: Rate, subject: str) -> int:
        now = time.monotonic()
        tallies = self._tallies.setdefault(rate, OrderedDict())
        count, ends = tallies.get(subject, (0, 0.0))
        if ends <= now:
            # At the end of the order, in which the tallies end.
            tallies.pop(subject, None)
            count, ends = 0, now + rate.seconds
        tallies[subject] = count + 1, ends
        for _ in range(2):
            _, oldest_end = next(iter(tallies.values()))
            if len(tallies) <= MAX_WINDOWS and oldest_end > now:
                break
            tallies.popitem(last=False)
        return count + 1

    async def total(self, rate: Rate, subject: str) -> int:
        count, ends = self._tallies.get(rate, {}).get(subject, (0, 0.0))
        return count if ends > time.monotonic() else 0

    async def close(self) -> None:
        self._windows.clear()
        self._tallies.clear()


def _wait(hits: deque[float], rate: Rate, now: float) -> float:
    """Drop the hits before the window; returns the seconds until the next hit is allowed."""
    start = now - rate.seconds
    while hits and hits[0] <= start:
        hits.popleft()
    return hits[0] - start if len(hits) >= rate.amount else 0


def _drop_old(windows: OrderedDict[str, deque[float]], before: float) -> None:
    """Drop at most two expired or surplus windows: a hit adds at most one, so their number is bounded."""
    for _ in range(2):
        hits = next(iter(windows.values()))
        if len(windows) <= MAX_WINDOWS and hits and hits[-1] > before:
            return
        windows.popitem(last=False)


class RedisCounter:
    """Counts in a Redis that several processes share, by the Lua scripts of `limits`.

    While Redis is unavailable every hit is allowed, and each process tallies in its own memory. The outage
    and its end are logged once each. During an outage one hit every `REDIS_RETRY_INTERVAL` seconds tries
    Redis again, and the others do not wait for it.
    """

    def __init__(self, url: str) -> None:
        # A pool of our own, because `limits` requires a port in the address and the Redis client does not.
        self._pool = BlockingConnectionPool.from_url(
            url, max_connections=REDIS_POOL_SIZE, timeout=REDIS_TIMEOUT
        )
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="gatehouse",
            connection_pool=self._pool,  # pyright: ignore[reportArgumentType]
        )
        self._storage = storage
        self._windows = MovingWindowRateLimiter(storage)
        self._memory = MemoryCounter()
        self._is_unavailable = False
        self._retry_at = 0.0

    async def hit(self, rate: Rate, subject: str) -> float:
        return await self._try(partial(self._wait, rate, subject, counting=True)) or 0

    async def test(self, rate: Rate, subject: str) -> float:
        return await self._try(partial(self._wait, rate, subject, counting=False)) or 0

    async def tally(self, rate: Rate, subject: str) -> int:
        tally = partial(self._storage.incr, _tally_key(rate, subject), rate.seconds)
        return await self._try(tally) or await self._memory.tally(rate, subject)

    async def total(self, rate: Rate, subject: str) -> int:
        total = await self._try(partial(self._storage.get, _tally_key(rate, subject)))
        return await self._memory.total(rate, subject) if total is None else total

    async def _try(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """The answer of Redis; None while it is unavailable."""
        if self._is_unavailable:
            if time.monotonic() < self._retry_at:
                return None
            self._retry_at = time.monotonic() + REDIS_RETRY_INTERVAL
        try:
            # One timeout for the whole answer: the timeouts of the client hold for each step and for each
            # retry.
            async with asyncio.timeout(REDIS_TIMEOUT):
                answer = await ask()
        except (RedisError, OSError, TimeoutError) as error:
            self._record_outage(error)
            return None
        if self._is_unavailable:
            self._is_unavailable = False
            logger.warning("the rate-limit store is available again; requests are limited")
        return answer

    async def _wait(self, rate: Rate, subject: str, *, counting: bool) -> float:
        if counting and await self._windows.hit(rate.item, rate.name, subject):
            return 0
        window = await self._windows.get_window_stats(rate.item, rate.name, subject)
        if window.remaining > 0 and not counting:
            return 0
        return max(window.reset_time - time.time(), 0.001)

    def _record_outage(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + REDIS_RETRY_INTERVAL
        # Concurrent requests fail at the same time; the outage is logged once.
        if not self._is_unavailable:
            self._is_unavailable = True
            logger.error(
                "the rate-limit store is unavailable; until it is available again, nothing is limited: %s",
                type(error).__name__,
            )

    async def close(self) -> None:
        await self._pool.aclose()


def _tally_key(rate: Rate, subject: str) -> str:
    return rate.item.key_for(rate.name, "tally", subject)
