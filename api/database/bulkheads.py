"""Bulkheads: shares of the connection pool, so that no kind of work can take all connections.

While a table is locked, the statements that need it hold their connections until they time out. With one
queue for all work, ten of them would stop every other request.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from functools import wraps
from itertools import count
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Work(Enum):
    """What a connection is taken for."""

    LOOKUP = "lookup"
    """One of the queries that combine the look-ups of concurrent requests, or the readiness check."""
    READ = "read"
    """One statement, usually a SELECT."""
    WRITE = "write"
    """A transaction."""
    LONG = "long"
    """A search, a count or the clean-up, which may take seconds."""


_current: ContextVar[Work | None] = ContextVar("work", default=None)


@contextmanager
def working(work: Work) -> Iterator[None]:
    """Connections that are acquired in the block count as `work`."""
    token = _current.set(work)
    try:
        yield
    finally:
        _current.reset(token)


def is_long(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """A coroutine function whose connections count as `Work.LONG`."""

    @wraps(function)
    async def run(*arguments: P.args, **options: P.kwargs) -> T:
        with working(Work.LONG):
            return await function(*arguments, **options)

    return run


def current_work(default: Work) -> Work:
    """The work of the enclosing `working` block."""
    return _current.get() or default


def _reserved(size: int) -> dict[Work, int]:
    """How many of `size` connections each work has for itself; the others are shared."""
    if size >= 8:
        return {Work.LOOKUP: 2, Work.READ: 2, Work.WRITE: 2, Work.LONG: 1}
    if size >= 4:
        return {Work.LOOKUP: 1, Work.READ: 1, Work.WRITE: 1, Work.LONG: 0}
    return dict.fromkeys(Work, 0)


class Bulkheads:
    """Admits as many callers as the pool has connections. Work that waits is admitted in its order."""

    def __init__(self, size: int) -> None:
        self._reserved = _reserved(size)
        self._shared = size - sum(self._reserved.values())
        self._shared_in_use = 0
        self._in_use = dict.fromkeys(Work, 0)
        self._waiting: dict[Work, deque[tuple[int, asyncio.Future[None]]]] = {work: deque() for work in Work}
        self._tickets = count()

    @property
    def waiting(self) -> int:
        """How many callers wait."""
        return sum(len(queue) for queue in self._waiting.values())

    async def enter(self, work: Work, seconds: float) -> None:
        """Wait until a connection may be taken for `work`. Raises `TimeoutError` after `seconds`."""
        # The longer a queue is, the longer its first one waits: a newcomer must not pass it.
        if not self._waiting[work] and self._admits(work):
            self._take(work)
            return
        entry = next(self._tickets), asyncio.get_running_loop().create_future()
        self._waiting[work].append(entry)
        try:
            async with asyncio.timeout(seconds):
                await entry[1]
        except BaseException:
            if entry in self._waiting[work]:
                self._waiting[work].remove(entry)
            elif not entry[1].cancelled():
                # Admitted in the same moment: the place goes to the next caller.
                self.leave(work)
            raise

    def leave(self, work: Work) -> None:
        """Give the place back, and admit the caller that has waited longest for it."""
        self._in_use[work] -= 1
        if self._in_use[work] >= self._reserved[work]:
            self._shared_in_use -= 1
        while (following := self._next()) is not None:
            _, admitted = self._waiting[following].popleft()
            if not admitted.done():
                self._take(following)
                admitted.set_result(None)

    def _next(self) -> Work | None:
        """The work whose first caller has waited longest, among those that may enter."""
        admitted = [work for work, queue in self._waiting.items() if queue and self._admits(work)]
        return min(admitted, key=lambda work: self._waiting[work][0][0], default=None)

    def _admits(self, work: Work) -> bool:
        return self._in_use[work] < self._reserved[work] or self._shared_in_use < self._shared

    def _take(self, work: Work) -> None:
        if self._in_use[work] >= self._reserved[work]:
            self._shared_in_use += 1
        self._in_use[work] += 1
