"""The queue of password hashes: in which order they are computed, and which are refused.

A hash takes a core for 20 ms, longer than the rest of its request, so requests pile up here when there are
more than the cores can serve. Without a bound each of them would wait until its client has lost patience.

- Each `Share` has a line of its own. The lines take turns, so a flood of one kind does not stop the others.
- The wait of a new hash is known: the number of hashes before it, times what a hash took lately. Over
  MAX_QUEUE_SECONDS it is refused at once, and one that has waited as long is refused then.
- When a line is longer than half of that, its newest hash is first: that client is most likely still there.
- The hash of a client that went away leaves the queue.
"""

import asyncio
import math
import os
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from enum import Enum
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from api.domain.overload_errors import ClientGone, Overloaded
from api.observability.gauges import Gauge, watch
from api.settings import get_settings

P = ParamSpec("P")
T = TypeVar("T")

FIRST_ESTIMATE = 0.025
"""Seconds that a hash takes, until one was measured."""

WEIGHT = 0.1
"""Of the last hash in the average of what hashes take."""


class Share(Enum):
    """What a hash is for."""

    SIGN_IN = "sign_in"
    CODE = "code"
    """Making and checking one-time codes, and what a code allows, such as a new password."""
    REGISTRATION = "registration"
    ACCOUNT = "account"
    """Acts of signed-in users."""


class _Turn:
    """The place of one request: its share, and whether a hash of it was computed already."""

    __slots__ = ("has_begun", "share")

    def __init__(self, share: Share) -> None:
        self.share = share
        self.has_begun = False


_turn: ContextVar[_Turn | None] = ContextVar("turn", default=None)

client_leaves: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("client_leaves", default=None)
"""Returns when the client of the request goes away. Set by the interface; None if it cannot tell."""


def takes_turns(
    share: Share,
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """A domain function that hashes as `share`. It raises `Overloaded` before it counts or reads anything.

    So a refused request costs next to nothing, and no attempt of its client. If the function hashes again,
    the further hashes come first and are not refused, because the first one would have been in vain.
    """

    def decorate(act: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(act)
        async def act_in_turn(*arguments: P.args, **options: P.kwargs) -> T:
            hash_queue().require_room(share)
            token = _turn.set(_Turn(share))
            try:
                return await act(*arguments, **options)
            finally:
                _turn.reset(token)

        return act_in_turn

    return decorate


async def run_in_turn(work: Callable[[], T]) -> T:
    """The result of `work`, a hash, computed in a thread. Raises `Overloaded` and `ClientGone`."""
    turn = _turn.get() or _Turn(Share.ACCOUNT)
    queue = hash_queue()
    if not turn.has_begun:
        queue.require_room(turn.share)
    result = await queue.run(_Job(work, turn))
    turn.has_begun = True
    return result


class _Job:
    __slots__ = ("_loop", "result", "turn", "work")

    def __init__(self, work: Callable[[], Any], turn: _Turn) -> None:
        self.work = work
        self.turn = turn
        self._loop = asyncio.get_running_loop()
        self.result: asyncio.Future[Any] = self._loop.create_future()

    def compute(self) -> None:
        """In a thread."""
        try:
            value, error = self.work(), None
        except Exception as raised:  # noqa: BLE001
            value, error = None, raised
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish, value, error)

    def _finish(self, value: Any, error: Exception | None) -> None:
        if self.result.done():
            return
        if error is None:
            self.result.set_result(value)
        else:
            self.result.set_exception(error)


class HashQueue:
    """The lines of one process, and its threads.

    There is one for each core: more hashes at once would only make each slower.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, "password", _yield_to_the_event_loop)
        # The threads take from the lines, and the event loop adds and removes.
        self._lock = threading.Lock()
        self._lines: dict[Share, dict[_Job, None]] = {share: {} for share in Share}
        self._begun: dict[_Job, None] = {}
        """Further hashes of requests that were served once."""
        self._seconds = dict.fromkeys(Share, FIRST_ESTIMATE)
        self._order = deque(Share)

    def length(self, share: Share) -> int:
        return len(self._lines[share])

    def expected_wait(self, share: Share) -> float:
        """Seconds until a hash that is added to the line of `share` now begins."""
        ahead = len(self._lines[share])
        work = ahead * self._seconds[share]
        for other, line in self._lines.items():
            if other is not share:
                work += min(len(line), ahead + 1) * self._seconds[other]
        return work / self._threads

    def require_room(self, share: Share) -> None:
        """Raises `Overloaded`."""
        wait = self.expected_wait(share)
        if wait > get_settings().max_queue_seconds:
            # At random, or all clients that were refused together would return together.
            raise Overloaded(math.ceil(wait * random.uniform(1, 2)))  # noqa: S311

    async def run(self, job: _Job) -> Any:
        with self._lock:
            (self._begun if job.turn.has_begun else self._lines[job.turn.share])[job] = None
        self._executor.submit(self._compute_next)
        leaves = client_leaves.get()
        left = None if leaves is None else asyncio.ensure_future(leaves())
        events: set[asyncio.Future[Any]] = {job.result} if left is None else {job.result, left}
        try:
            limit = None if job.turn.has_begun else get_settings().max_queue_seconds
            done, _ = await asyncio.wait(events, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                if self._withdraw(job):
                    raise Overloaded(math.ceil(self.expected_wait(job.turn.share) + 1))
                await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
            if left is not None and left.done():
                left.result()
                raise ClientGone
            return job.result.result()
        finally:
            self._withdraw(job)
            job.result.cancel()
            if left is not None:
                left.cancel()

    def _withdraw(self, job: _Job) -> bool:
        """Whether the job still waited. It waits no longer."""
        with self._lock:
            line = self._begun if job in self._begun else self._lines[job.turn.share]
            return line.pop(job, job) is None

    def _compute_next(self) -> None:
        """In a thread, once for each job that was added: whichever is next by now."""
        job = self._take_next()
        # None if the client of a job went away.
        if job is not None:
            started = time.perf_counter()
            job.compute()
            share = job.turn.share
            self._seconds[share] += WEIGHT * (time.perf_counter() - started - self._seconds[share])

    def _take_next(self) -> _Job | None:
        with self._lock:
            line = self._begun
            share = None
            for _ in Share:
                if line:
                    break
                share = self._order[0]
                self._order.rotate(-1)
                line = self._lines[share]
            if not line:
                return None
            is_late = share is not None and self.expected_wait(share) > get_settings().max_queue_seconds / 2
            job = next(reversed(line)) if is_late else next(iter(line))
            del line[job]
            return job


def _yield_to_the_event_loop() -> None:
    """Lower the priority of this thread, or a burst of registrations delays requests that hash nothing."""
    if sys.platform == "linux":
        # Linux has a priority for each thread. Without privileges it can only be lowered.
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(10, os.getpriority(os.PRIO_PROCESS, thread)))


@cache
def hash_queue() -> HashQueue:
    """The queue of this process."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return HashQueue(cores or 1)


def _each(measure: Callable[[HashQueue, Share], float]) -> Callable[[], dict[str, float]]:
    return lambda: {share.value: measure(hash_queue(), share) for share in Share}


watch(
    Gauge(
        "gatehouse_hash_queue",
        "Password hashes that wait for a core, by what they are for.",
        "share",
        _each(HashQueue.length),
        "livesum",
    )
)
watch(
    Gauge(
        "gatehouse_hash_queue_wait_seconds",
        "How long a new password hash would wait, by what it is for.",
        "share",
        _each(HashQueue.expected_wait),
        "livemax",
    )
)
