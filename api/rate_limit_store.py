"""Counting within moving windows: in the memory of this process, or in a Redis that several share."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Protocol

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

logger = logging.getLogger("gatehouse")

MAX_WINDOWS = 100_000
"""Windows of one rate that are kept in memory, so that no flood of addresses fills it."""

STORE_TIMEOUT = 0.5
"""Seconds that Redis may take for one answer before it counts as away."""

STORE_PAUSE = 5.0
"""Seconds in which a Redis that was away is not asked again."""

STORE_CONNECTIONS = 20
"""Connections to Redis, for each server process."""


@dataclass(frozen=True, eq=False, slots=True)
class Rate:
    """So many hits within so many seconds, for each of those who are counted under `name`."""

    name: str
    item: RateLimitItem
    amount: int
    seconds: int


def rate(name: str, notation: str) -> Rate:
    """A rate in the notation of `limits`: `5/15 minutes`."""
    item = parse(notation)
    return Rate(name, item, item.amount, item.get_expiry())


class Counter(Protocol):
    """Both answer 0 for yes; for no, the seconds until the next hit would be counted."""

    async def hit(self, rate: Rate, who: str) -> float:
        """Count one more, if the rate allows it; what it does not allow is not counted."""
        ...

    async def test(self, rate: Rate, who: str) -> float:
        """Whether the rate would allow one more."""
        ...

    async def close(self) -> None: ...


class MemoryCounter:
    """The counts of one process.

    The storages in memory that `limits` brings look at all windows again and again: with a thousand
    addresses at 5,000 hits a second that takes 50 µs (the one with threads) or 190 µs (the one with tasks)
    for each hit, and the former never forgets an address. Here a hit takes 1 µs however many there are.
    """

    def __init__(self) -> None:
        self._windows: dict[Rate, OrderedDict[str, deque[float]]] = {}

    async def hit(self, rate: Rate, who: str) -> float:
        now = time.monotonic()
        windows = self._windows.get(rate)
        if windows is None:
            windows = self._windows[rate] = OrderedDict()
        hits = windows.get(who)
        if hits is None:
            hits = windows[who] = deque()
        elif wait := _wait(hits, rate, now):
            return wait
        else:
            windows.move_to_end(who)
        hits.append(now)
        _forget(windows, now - rate.seconds)
        return 0

    async def test(self, rate: Rate, who: str) -> float:
        hits = self._windows.get(rate, {}).get(who)
        return 0 if hits is None else _wait(hits, rate, time.monotonic())

    async def close(self) -> None:
        self._windows.clear()


def _wait(hits: deque[float], rate: Rate, now: float) -> float:
    begins = now - rate.seconds
    while hits and hits[0] <= begins:
        hits.popleft()
    return hits[0] - begins if len(hits) >= rate.amount else 0


def _forget(windows: OrderedDict[str, deque[float]], before: float) -> None:
    """Drop two at most of the windows that were hit longest ago: one hit adds one, so this keeps up."""
    for _ in range(2):
        hits = next(iter(windows.values()))
        if len(windows) <= MAX_WINDOWS and hits and hits[-1] > before:
            return
        windows.popitem(last=False)


class RedisCounter:
    """The counts of all who use this Redis, by the scripts that `limits` runs there.

    While it is away nothing is refused. The log says so once, and once more when it is back; meanwhile one
    hit every `STORE_PAUSE` seconds finds out, so that the others do not wait for it.
    """

    def __init__(self, url: str) -> None:
        # `limits` insists on a port in an address; the pool takes the address as Redis's own client does.
        self._pool = BlockingConnectionPool.from_url(
            url, max_connections=STORE_CONNECTIONS, timeout=STORE_TIMEOUT
        )
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="gatehouse",
            connection_pool=self._pool,  # pyright: ignore[reportArgumentType]
        )
        self._windows = MovingWindowRateLimiter(storage)
        self._is_away = False
        self._asked_again_at = 0.0

    async def hit(self, rate: Rate, who: str) -> float:
        return await self._ask(rate, who, counting=True)

    async def test(self, rate: Rate, who: str) -> float:
        return await self._ask(rate, who, counting=False)

    async def _ask(self, rate: Rate, who: str, *, counting: bool) -> float:
        if self._is_away:
            if time.monotonic() < self._asked_again_at:
                return 0
            self._asked_again_at = time.monotonic() + STORE_PAUSE
        try:
            # Around all of it, because the client has a timeout for each of its steps and tries them again.
            async with asyncio.timeout(STORE_TIMEOUT):
                wait = await self._wait(rate, who, counting=counting)
        except (RedisError, OSError, TimeoutError) as error:
            self._note_away(error)
            return 0
        if self._is_away:
            self._is_away = False
            logger.warning("the store of the rate limits is back; requests are counted again")
        return wait

    async def _wait(self, rate: Rate, who: str, *, counting: bool) -> float:
        if counting and await self._windows.hit(rate.item, rate.name, who):
            return 0
        window = await self._windows.get_window_stats(rate.item, rate.name, who)
        if window.remaining > 0 and not counting:
            return 0
        return max(window.reset_time - time.time(), 0.001)

    def _note_away(self, error: Exception) -> None:
        self._asked_again_at = time.monotonic() + STORE_PAUSE
        # All the requests of the moment notice at once; one line is enough.
        if not self._is_away:
            self._is_away = True
            logger.error(
                "the store of the rate limits is not available; requests pass uncounted until it is back: %s",
                type(error).__name__,
            )

    async def close(self) -> None:
        await self._pool.aclose()
