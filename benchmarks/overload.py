"""`make bench-overload`: registrations at 2, 5 and 10 times the rate that the server can make.

Prints how many were made and how long they took, and what a flood does to other requests; draws
docs/overload.svg. The client sends each request when it is due, whether or not earlier ones were answered: a
flood does not wait.
"""

import asyncio
import math
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple, cast

import uvloop

from benchmarks.load import Clients, Load
from benchmarks.overload_picture import draw
from benchmarks.requests import IS_REGISTRATION, IS_VALID, make_keys, registrations, validations
from benchmarks.servers import ROOT, Database, gatehouse, postgres

FACTORS = (2, 5, 10)
FLOOD_SECONDS, PAUSE_SECONDS, QUIET_SECONDS = 12.0, 8.0, 8.0
PROBES_A_SECOND = 20
IS_OVERLOADED = b'"code":"OVERLOADED"'
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Sent(NamedTuple):
    """A request: its kind, when it was due, when it was answered, and the outcome."""

    kind: str
    due: float
    ended: float
    outcome: str

    @property
    def seconds(self) -> float:
        return self.ended - self.due


class Schedule(NamedTuple):
    kind: str
    requests: Sequence[bytes]
    start: float
    rate: float
    """Requests a second; `requests` are repeated."""
    seconds: float


def main() -> None:
    with postgres() as server, Clients() as clients:
        database = Database(server, "overload").migrate("all")
        with gatehouse(database, KEEP_ALIVE_SECONDS="75") as ours:
            keys = make_keys(4000, seed=1)
            database.add_keys(keys)
            forms = registrations(keys, first=0)
            # Enough to keep the cores busy, and so few that none is refused.
            load = Load(
                port=ours.port,
                requests=forms,
                expected=IS_REGISTRATION,
                connections=24,
                once=True,
                warm_up=2,
                seconds=8,
            )
            capacity = clients.run(load).rate
            print(f"capacity: {capacity:.1f} registrations/s at 24 connections", flush=True)
            schedules = _schedules(database, capacity)
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                sent = process.submit(run, ours.port, schedules).result()
    _report(sent, schedules, capacity)
    floods = [(one.start, one.rate, one.seconds) for one in schedules if one.kind == "flood"]
    series = {kind: _each_second(sent, kind) for kind in ("made", "refused")}
    (ROOT / "docs" / "overload.svg").write_text(draw(series, floods, capacity))


def _schedules(database: Database, capacity: float) -> list[Schedule]:
    """A quiet time; then a flood and a pause for each factor. Probes are sent all the time."""
    schedules: list[Schedule] = []
    number, start = 1_000_000, QUIET_SECONDS
    for factor in FACTORS:
        keys = make_keys(int(factor * capacity * FLOOD_SECONDS) + 10, seed=factor)
        database.add_keys(keys)
        flood = registrations(keys, first=number)
        schedules.append(Schedule("flood", flood, start, factor * capacity, FLOOD_SECONDS))
        start += FLOOD_SECONDS
        keys = make_keys(int(2 * PAUSE_SECONDS) + 10, seed=100 + factor)
        database.add_keys(keys)
        single = registrations(keys, first=number + 500_000)
        schedules.append(Schedule("afterwards", single, start, 2, PAUSE_SECONDS))
        start += PAUSE_SECONDS
        number += 1_000_000
    keys = make_keys(1000, seed=200)
    database.add_keys(keys)
    probes = [("healthz", [HEALTH]), ("validateBetaKey", validations(keys))]
    return [*schedules, *(Schedule(kind, those, 0, PROBES_A_SECOND, start) for kind, those in probes)]


def run(port: int, schedules: Sequence[Schedule]) -> list[Sent]:
    return uvloop.run(_send_all(port, schedules))


async def _send_all(port: int, schedules: Sequence[Schedule]) -> list[Sent]:
    loop = asyncio.get_running_loop()
    began = loop.time() + 0.5
    sent: list[Sent] = []
    pending: set[asyncio.Task[None]] = set()
    idle: list[_Connection] = []

    async def ask(kind: str, request: bytes, due: float) -> None:
        if idle:
            connection = idle.pop()
        else:
            _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
        outcome = _outcome(await connection.ask(request))
        sent.append(Sent(kind, due - began, loop.time() - began, outcome))
        idle.append(connection)

    async def follow(one: Schedule) -> None:
        for number in range(int(one.rate * one.seconds)):
            due = began + one.start + number / one.rate
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(ask(one.kind, one.requests[number % len(one.requests)], due))
            pending.add(task)
            task.add_done_callback(pending.discard)

    await asyncio.gather(*map(follow, schedules))
    await asyncio.gather(*pending)
    return sent


def _outcome(answer: bytes) -> str:
    if IS_REGISTRATION in answer:
        return "made"
    if IS_OVERLOADED in answer:
        return "refused"
    is_probe = IS_VALID in answer or answer.endswith(b"\r\n\r\nok")
    return "ok" if is_probe else f"unexpected: {answer[-200:]!r}"


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._answer: asyncio.Future[bytes] | None = None
        self._received = b""

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        self._answer = asyncio.get_running_loop().create_future()
        self._received = b""
        if self._transport.is_closing():
            self._answer.set_result(b"closed")
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        length = self._received.find(b"content-length: ")
        if head < 0 or self._answer is None or self._answer.done():
            return
        end = self._received.find(b"\r", length)
        if len(self._received) - head - 4 >= int(self._received[length + 16 : end]):
            self._answer.set_result(self._received)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(b"closed")


def _each_second(sent: Sequence[Sent], outcome: str) -> list[int]:
    """How many registrations had this outcome, in each second."""
    counts = Counter(int(one.ended) for one in sent if one.outcome == outcome)
    return [counts[second] for second in range(max(counts, default=0) + 1)]


def _report(sent: Sequence[Sent], schedules: Sequence[Schedule], capacity: float) -> None:
    print(f"\n{'flood':>10}{'made/s':>9}{'share':>8}{'p99, s':>8}{'recovery, s':>13}  unexpected")
    for one in schedules:
        if one.kind == "flood":
            # Without its first second, in which the queue fills, and with what was admitted before its end.
            begin, end = one.start + 1, one.start + one.seconds
            made = [it for it in sent if it.outcome == "made" and begin <= it.ended < end]
            p99 = _p99([it.seconds for it in sent if it.outcome == "made" and one.start <= it.due < end])
            rate = len(made) / (end - begin)
            strange = [it.outcome for it in sent if it.outcome not in ("made", "refused", "ok")]
            print(
                f"{one.rate / capacity:>9.0f}x{rate:>9.1f}{rate / capacity:>8.2f}{p99:>8.2f}"
                f"{_recovery(sent, end):>13.1f}  {len(strange)} {strange[:1]}"
            )
    print(f"\n{'p99, ms':>20}{'quiet':>9}{'floods':>9}{'ratio':>8}")
    for kind in ("healthz", "validateBetaKey"):
        quiet = _p99_of(sent, kind, lambda due: due < QUIET_SECONDS)
        flooded = _p99_of(sent, kind, lambda due: due >= QUIET_SECONDS)
        print(f"{kind:>20}{1000 * quiet:>9.1f}{1000 * flooded:>9.1f}{flooded / quiet:>8.1f}")


def _recovery(sent: Sequence[Sent], end: float) -> float:
    """Seconds from the end of a flood until single registrations are made within a second again."""
    late = [
        it.due - end
        for it in sent
        if it.kind == "afterwards"
        and end <= it.due < end + PAUSE_SECONDS
        and (it.outcome != "made" or it.seconds > 1)
    ]
    return max(late, default=-0.5) + 0.5


def _p99_of(sent: Sequence[Sent], kind: str, is_counted: Callable[[float], bool]) -> float:
    return _p99([one.seconds for one in sent if one.kind == kind and is_counted(one.due)])


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1] if seconds else math.nan


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\ndone after {time.monotonic() - started:.0f} s")
