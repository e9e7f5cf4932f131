"""The load client: sends prebuilt HTTP/1.1 requests over raw connections, and checks every response.

It shares the cores with the server that it measures, so it does as little as possible. It runs in a process
of its own (see `Clients`), so that it never waits for another Python thread.
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

TIMEOUT = 30.0
"""Seconds for the last responses after the end of the measurement."""


class LoadFailed(Exception):
    """A response was wrong or missing, so the rate of this run would be meaningless."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """The requests for a server on this machine, in their order.

    Each connection sends its next request when it has the response to the last one. `pace` limits the
    requests a second of all connections together. Responses count for `seconds`, after `warm_up` seconds.
    Each must have status 200 and contain `expected`.
    """

    port: int
    requests: Sequence[bytes]
    expected: bytes
    connections: int = 32
    pace: float | None = None
    warm_up: float = 0.5
    seconds: float = 2.5
    once: bool = False
    """Send no request twice. Running out of requests is then a `LoadFailed`."""


@dataclass(frozen=True)
class Outcome:
    """`rate` (responses a second) and `p99` (seconds) are without the warm-up; `answers` includes it."""

    rate: float
    p99: float
    started: float
    """When the measurement began, in `time.perf_counter`, which all processes share; likewise `ended`."""
    ended: float
    answers: int
    cpu: float
    """Seconds of CPU that this client took for all `answers`."""


class Clients:
    """Two processes that run loads."""

    def __init__(self) -> None:
        # Spawned, because a forked process inherits the open connections of its parent.
        self._processes = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
        # Both start now: on busy cores a process that starts late would miss the load of the other.
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
    session = _Session(load, loop.create_future())
    connections: list[_Connection] = []
    try:
        for _ in range(load.connections):
            _, connection = await loop.create_connection(lambda: _Connection(session), "127.0.0.1", load.port)
            connections.append(connection)
        cpu_before = time.process_time()
        session.begin()
        for turn, connection in enumerate(connections):
            connection.begin(turn)
        await asyncio.wait_for(session.finished, load.warm_up + load.seconds + TIMEOUT)
        cpu = time.process_time() - cpu_before
    except TimeoutError:
        raise LoadFailed(f"port {load.port}: no response for {TIMEOUT:.0f} s") from None
    finally:
        for connection in connections:
            connection.close()
    latencies = sorted(session.latencies)
    if not latencies:
        raise LoadFailed(f"port {load.port}: no response during the measurement")
    return Outcome(
        rate=len(latencies) / load.seconds,
        p99=latencies[math.ceil(0.99 * len(latencies)) - 1],
        started=session.counts_from,
        ended=session.ends,
        answers=session.answers,
        cpu=cpu,
    )


class _Session:
    """The state that the connections of one run share."""

    def __init__(self, load: Load, finished: asyncio.Future[None]) -> None:
        self.load = load
        self.finished = finished
        self.requests = iter(load.requests) if load.once else itertools.cycle(load.requests)
        self.interval = load.connections / load.pace if load.pace else 0.0
        self.latencies: list[float] = []
        self.answers = 0
        self.started = self.counts_from = self.ends = 0.0
        self._working = load.connections

    def begin(self) -> None:
        self.started = time.perf_counter()
        self.counts_from = self.started + self.load.warm_up
        self.ends = self.counts_from + self.load.seconds

    def done(self) -> None:
        """A connection has its last response. The run ends when all have theirs."""
        self._working -= 1
        if not self._working and not self.finished.done():
            self.finished.set_result(None)

    def fail(self, reason: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(LoadFailed(f"port {self.load.port}: {reason}"))


class _Connection(asyncio.Protocol):
    def __init__(self, session: _Session) -> None:
        self._session = session
        self._received = b""
        self._requested_at = self._due = 0.0
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self._session.fail(f"the server closed a connection ({exc or 'without an error'})")

    def close(self) -> None:
        self._closing = True
        self._transport.close()

    def begin(self, turn: int) -> None:
        # Paced connections start at evenly spaced moments of the interval.
        self._due = self._session.started + self._session.interval * turn / self._session.load.connections
        self._proceed(self._session.started)

    def _proceed(self, now: float) -> None:
        session = self._session
        if now >= session.ends:
            session.done()
        elif not session.interval:
            self._send(now)
        else:
            due, self._due = self._due, self._due + session.interval
            if due <= now:
                # It was due while the last response was outstanding. Its latency counts from then, because a
                # user would have waited since then (coordinated omission).
                self._send(due)
            else:
                asyncio.get_running_loop().call_later(due - now, self._send_now)

    def _send_now(self) -> None:
        self._send(time.perf_counter())

    def _send(self, requested_at: float) -> None:
        request = next(self._session.requests, None)
        if request is None:
            self._session.fail("there were too few requests")
            return
        self._requested_at = requested_at
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        answer = self._received + data if self._received else data
        if not _is_complete(answer):
            self._received = answer
            return
        self._received = b""
        session = self._session
        if not answer.startswith(b"HTTP/1.1 200 ") or session.load.expected not in answer:
            session.fail(f"unexpected response: {answer[:1000]!r}")
            return
        session.answers += 1
        if session.counts_from <= now < session.ends:
            session.latencies.append(now - self._requested_at)
        self._proceed(now)


def _is_complete(answer: bytes) -> bool:
    head = answer.find(b"\r\n\r\n")
    length = answer.find(b"content-length: ", 0, head)
    return (
        head > 0
        and length > 0
        and len(answer) - head - 4 >= int(answer[length + 16 : answer.find(b"\r", length)])
    )
