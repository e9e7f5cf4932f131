"""The load client: prebuilt HTTP/1.1 requests over raw connections, every answer looked at.

It shares the cores with what it measures, so it does as little as it can; and it runs in a process of its
own (see `Clients`), so that it never waits for another thread of Python.
"""

import asyncio
import itertools
import math
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import cast

import uvloop

PATIENCE = 30.0
"""Seconds that the last answers may take before the run counts as failed."""


class LoadFailed(Exception):
    """An answer was wrong or did not come, so the rate of this run would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent, in order, to a server on this machine.

    Each connection sends its next request when it has the answer to the last one; with `pace`, in requests
    a second of all connections together, not before its turn either. Answers count once `warm_up` seconds
    have passed, for `seconds`; each must have status 200 and hold `expected`.
    """

    port: int
    requests: Sequence[bytes]
    expected: bytes
    connections: int = 32
    pace: float | None = None
    warm_up: float = 0.5
    seconds: float = 2.5
    once: bool = False
    """Whether no request may be sent twice; then there have to be enough of them."""


@dataclass(frozen=True)
class Outcome:
    """`rate` in answers a second and `p99` in seconds are of the time that counts; `answers` are all."""

    rate: float
    p99: float
    begun: float
    """When counting began, on the clock that all processes share; likewise `ended`."""
    ended: float
    answers: int
    cpu: float
    """Seconds of CPU that this client took for all answers."""


class Clients:
    """Processes that put load on a server, two at most at the same time."""

    def __init__(self) -> None:
        # Spawned, because a fork would carry along whatever the parent has open.
        self._processes = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
        # Both are brought up now: on busy cores one that starts late would miss the other's load.
        wait([self._processes.submit(time.sleep, 0.5) for _ in range(2)])

    def __enter__(self) -> "Clients":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.shutdown(cancel_futures=True)

    def start(self, load: Load) -> Future[Outcome]:
        return self._processes.submit(run, load)

    def run(self, load: Load) -> Outcome:
        return self.start(load).result()


def run(load: Load) -> Outcome:
    """Raises `LoadFailed`."""
    return uvloop.run(_measure(load))


async def _measure(load: Load) -> Outcome:
    loop = asyncio.get_running_loop()
    course = _Course(load, loop.create_future())
    connections: list[_Connection] = []
    try:
        for _ in range(load.connections):
            _, connection = await loop.create_connection(lambda: _Connection(course), "127.0.0.1", load.port)
            connections.append(connection)
        used = time.process_time()
        course.begin()
        for turn, connection in enumerate(connections):
            connection.begin(turn)
        await asyncio.wait_for(course.finished, load.warm_up + load.seconds + PATIENCE)
        used = time.process_time() - used
    except TimeoutError:
        raise LoadFailed(f"port {load.port}: no answer for {PATIENCE:.0f} s") from None
    finally:
        for connection in connections:
            connection.close()
    latencies = sorted(course.latencies)
    if not latencies:
        raise LoadFailed(f"port {load.port}: no answer in the time that counts")
    return Outcome(
        rate=len(latencies) / load.seconds,
        p99=latencies[math.ceil(0.99 * len(latencies)) - 1],
        begun=course.counts_from,
        ended=course.ends,
        answers=course.answers,
        cpu=used,
    )


class _Course:
    """What the connections of one run share."""

    def __init__(self, load: Load, finished: asyncio.Future[None]) -> None:
        self.load = load
        self.finished = finished
        self.requests = iter(load.requests) if load.once else itertools.cycle(load.requests)
        self.interval = load.connections / load.pace if load.pace else 0.0
        self.latencies: list[float] = []
        self.answers = 0
        self.begun = self.counts_from = self.ends = 0.0
        self._working = load.connections

    def begin(self) -> None:
        self.begun = time.perf_counter()
        self.counts_from = self.begun + self.load.warm_up
        self.ends = self.counts_from + self.load.seconds

    def done(self) -> None:
        """A connection has its last answer. Nothing may be under way when the next run begins."""
        self._working -= 1
        if not self._working and not self.finished.done():
            self.finished.set_result(None)

    def fail(self, why: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(LoadFailed(f"port {self.load.port}: {why}"))


class _Connection(asyncio.Protocol):
    def __init__(self, course: _Course) -> None:
        self._course = course
        self._received = b""
        self._asked_at = self._due = 0.0
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self._course.fail(f"the server closed a connection ({exc or 'without an error'})")

    def close(self) -> None:
        self._closing = True
        self._transport.close()

    def begin(self, turn: int) -> None:
        # Paced connections take turns: each has its own place in the interval.
        self._due = self._course.begun + self._course.interval * turn / self._course.load.connections
        self._proceed(self._course.begun)

    def _proceed(self, now: float) -> None:
        course = self._course
        if now >= course.ends:
            course.done()
        elif not course.interval:
            self._send(now)
        else:
            due, self._due = self._due, self._due + course.interval
            if due <= now:
                # Its turn came while the last answer was out: a person would have waited since then.
                self._send(due)
            else:
                asyncio.get_running_loop().call_later(due - now, self._send_now)

    def _send_now(self) -> None:
        self._send(time.perf_counter())

    def _send(self, asked_at: float) -> None:
        request = next(self._course.requests, None)
        if request is None:
            self._course.fail("there were too few requests to send")
            return
        self._asked_at = asked_at
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        answer = self._received + data if self._received else data
        if not _is_complete(answer):
            self._received = answer
            return
        self._received = b""
        course = self._course
        if not answer.startswith(b"HTTP/1.1 200 ") or course.load.expected not in answer:
            course.fail(f"not the answer that was expected: {answer[:1000]!r}")
            return
        course.answers += 1
        if course.counts_from <= now < course.ends:
            course.latencies.append(now - self._asked_at)
        self._proceed(now)


def _is_complete(answer: bytes) -> bool:
    head = answer.find(b"\r\n\r\n")
    length = answer.find(b"content-length: ", 0, head)
    return (
        head > 0
        and length > 0
        and len(answer) - head - 4 >= int(answer[length + 16 : answer.find(b"\r", length)])
    )
