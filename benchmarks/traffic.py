"""What goes on in a database while it is migrated: each client does what the schema of the moment allows.

From the beginning on, applications that speak SQL sign users in, rename them, read them and add new ones, and
a report pages through users for two seconds of every four, in one transaction: what makes an ALTER TABLE
wait, and everybody else behind it. Look-ups of keys come through the API once `beta_keys` is as this version
knows it, registrations once /readyz says so.

It all runs in a process of its own, so that it never waits for whoever runs the migrations.
"""

import asyncio
import hashlib
import itertools
import multiprocessing
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from benchmarks.requests import IS_REGISTRATION, IS_VALID, make_keys, registrations, validations
from tables import BetaKey

APPLICATIONS, SQL_PACE = 16, 400
"""Connections of applications that speak SQL, and their requests a second, all together."""
LOOKERS, LOOK_UP_PACE = 4, 100
REGISTRARS, REGISTRATION_PACE = 8, 5
REPORT_EVERY, REPORT_SECONDS = 4.0, 2.0

KINDS = ("sign in", "rename", "read", "add", "report", "look up", "register")

PATIENCE = 60.0
"""Seconds that the clients may take to begin, and to end."""

IN_SCOPE = "SET LOCAL gatehouse.scope = 'platform'"
"""What an application says to see users in spite of row security, and may say before there is any."""


def fill(users: int) -> str:
    """SQL that makes these users, as long as real ones are; the clients tell their ids from their numbers."""
    return f"""
        INSERT INTO users (id, email, password, "firstName", "lastName")
        SELECT md5(n::text)::uuid, 'User-' || n || '@example.com', repeat('x', 97), 'María', 'Gómez'
          FROM generate_series(0, {users - 1}) n
    """


class Wrong(Exception):
    """An answer that is none: nobody found, nothing changed, or not what was written."""


@dataclass(frozen=True, slots=True)
class Request:
    kind: str
    due: float
    """When it was wanted, on the clock that all processes share (`time.perf_counter`)."""
    seconds: float
    """How long whoever wanted it had to wait."""
    failure: str | None


class Traffic:
    """Clients of the database `dsn`, which holds `users` users, and of the API at `port`."""

    def __init__(self, dsn: str, users: int, port: int) -> None:
        # Spawned, because a fork would carry along whatever the parent has open.
        context = multiprocessing.get_context("spawn")
        self._pipe, self._theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(self._theirs, dsn, users, port), daemon=True)

    def __enter__(self) -> "Traffic":
        self._process.start()
        # Held here as well, it would hide that the other process has ended.
        self._theirs.close()
        self._hear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()

    def stop(self) -> list[Request]:
        """All that was asked."""
        self._pipe.send("stop")
        return self._hear()

    def _hear(self) -> Any:
        if not self._pipe.poll(PATIENCE):
            raise RuntimeError(f"the clients said nothing for {PATIENCE:.0f} s")
        try:
            return self._pipe.recv()
        except EOFError:
            raise RuntimeError("the clients have ended; why is told above") from None


def _run(pipe: Connection, dsn: str, users: int, port: int) -> None:
    uvloop.run(_go(pipe, dsn, users, port))


async def _go(pipe: Connection, dsn: str, users: int, port: int) -> None:
    course = _Course(dsn, port)
    applications = [
        _Application(course, number, users, await course.connect()) for number in range(APPLICATIONS)
    ]
    async with asyncio.TaskGroup() as tasks:
        for application in applications:
            tasks.create_task(application.run())
        tasks.create_task(_report(course))
        tasks.create_task(_use_api(course))
        pipe.send("going")
        # Whatever comes, even the end of the one who asks, it is time to stop.
        await asyncio.to_thread(pipe.poll, None)
        course.stopped = True
    pipe.send(course.requests)


class _Course:
    """What the clients share."""

    def __init__(self, dsn: str, port: int) -> None:
        self.dsn = dsn
        self.port = port
        self.stopped = False
        self.requests: list[Request] = []

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.dsn)

    async def dues(self, interval: float) -> AsyncIterator[float]:
        """The moments at which a client's requests are due, one each `interval` seconds.

        A moment that passes while the last request is under way comes late, and is not left out: a person
        would have waited since then.
        """
        due = time.perf_counter() + random.random() * interval
        while True:
            await asyncio.sleep(due - time.perf_counter())
            if self.stopped:
                return
            yield due
            due += interval

    async def count(self, kind: str, due: float, request: Awaitable[None]) -> None:
        failure = None
        try:
            await request
        except (Wrong, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, EOFError) as error:
            failure = f"{type(error).__name__}: {error}"
        self.requests.append(Request(kind, due, time.perf_counter() - due, failure))


class _Application:
    """Signs a user in, renames it, reads it, adds a new one; and so on, on one connection.

    Its queries are prepared once and used for as long as the connection lives, whatever happens to the
    schema, as those of Gatehouse are. Like those they name their columns: what PostgreSQL would refuse is
    a prepared `SELECT *` that has got other columns, and inside a transaction asyncpg cannot mend that.
    """

    def __init__(self, course: _Course, number: int, users: int, connection: asyncpg.Connection) -> None:
        self._course = course
        self._number = number
        self._users = users
        self._connection = connection
        self._user = self._added = 0
        self._name = ""

    async def run(self) -> None:
        acts = itertools.cycle(
            (("sign in", self._sign_in), ("rename", self._rename), ("read", self._read), ("add", self._add))
        )
        async for due in self._course.dues(APPLICATIONS / SQL_PACE):
            kind, act = next(acts)
            await self._course.count(kind, due, act())
        await self._connection.close()

    async def _sign_in(self) -> None:
        # Each has users of its own, so that what it reads is what it wrote.
        self._user = random.randrange(self._users // APPLICATIONS) * APPLICATIONS + self._number
        found = await self._one(
            'SELECT id, password, role FROM users WHERE "emailLower" = lower($1) AND "isActive"',
            f"user-{self._user}@example.com",
        )
        if found["id"] != self._id:
            raise Wrong("another user signed in")

    async def _rename(self) -> None:
        self._name = f"Name {random.randrange(10**6)}"
        await self._one(
            'UPDATE users SET "firstName" = $2, "updatedAt" = now() WHERE id = $1 RETURNING id',
            self._id,
            self._name,
        )

    async def _read(self) -> None:
        found = await self._one('SELECT email, "firstName", "lastName" FROM users WHERE id = $1', self._id)
        if found["firstName"] != self._name:
            raise Wrong("a user has not the name that it was given")

    async def _add(self) -> None:
        self._added += 1
        await self._one(
            'INSERT INTO users (email, password, "firstName", "lastName")'
            " VALUES ($1, $2, $3, $4) RETURNING id",
            f"new-{self._number}-{self._added}@example.com",
            "x" * 97,
            "Nueva",
            "Usuaria",
        )

    @property
    def _id(self) -> UUID:
        return UUID(hashlib.md5(str(self._user).encode()).hexdigest())

    async def _one(self, query: str, *values: Any) -> asyncpg.Record:
        """The one row that `query` must find or touch, in a transaction of its own."""
        async with self._connection.transaction():
            await self._connection.execute(IN_SCOPE)
            rows = await self._connection.fetch(query, *values)
        if len(rows) != 1:
            raise Wrong(f"{len(rows)} rows: {query}")
        return rows[0]


async def _report(course: _Course) -> None:
    connection = await course.connect()
    while not course.stopped:
        async with connection.transaction():
            await connection.execute(IN_SCOPE)
            ends = time.perf_counter() + REPORT_SECONDS
            while (now := time.perf_counter()) < ends:
                await course.count("report", now, _turn_page(connection))
                await asyncio.sleep(0.05)
        await asyncio.sleep(REPORT_EVERY - REPORT_SECONDS)
    await connection.close()


async def _turn_page(connection: asyncpg.Connection) -> None:
    # Most ids are greater than one that begins with four zero bits, so there is a whole page of them.
    after = UUID(int=random.getrandbits(124))
    page = 'SELECT id, email, "createdAt" FROM users WHERE id > $1 ORDER BY id LIMIT 100'
    if len(await connection.fetch(page, after)) != 100:
        raise Wrong("a page of the report is not full")


async def _use_api(course: _Course) -> None:
    connection = await course.connect()
    while not await _stands(connection):
        if course.stopped:
            return
        await asyncio.sleep(0.02)
    keys = make_keys(2000, seed=3)
    await connection.copy_records_to_table("beta_keys", columns=["key"], records=[(key,) for key in keys])
    await connection.close()
    look_ups = itertools.cycle(validations(keys[:1000]))
    new = iter(registrations(keys[1000:], first=0))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(LOOKERS):
            tasks.create_task(_ask(course, "look up", look_ups, IS_VALID, LOOKERS / LOOK_UP_PACE))
        probe = await _Http.connect(course.port)
        while not await probe.is_ready():
            if course.stopped:
                return
            await asyncio.sleep(0.05)
        probe.close()
        for _ in range(REGISTRARS):
            tasks.create_task(_ask(course, "register", new, IS_REGISTRATION, REGISTRARS / REGISTRATION_PACE))


async def _stands(connection: asyncpg.Connection) -> bool:
    """Whether `beta_keys` has every column that this version knows; the table itself is not touched."""
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('beta_keys') AND NOT attisdropped"
    )
    return {row["attname"] for row in rows} >= {
        column._meta.db_column_name for column in BetaKey._meta.columns
    }


async def _ask(
    course: _Course, kind: str, requests: Iterator[bytes], expected: bytes, interval: float
) -> None:
    http = await _Http.connect(course.port)
    async for due in course.dues(interval):
        await course.count(kind, due, http.expect(next(requests), expected))
    http.close()


class _Http:
    """One connection to the API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> "_Http":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def close(self) -> None:
        self._writer.close()

    async def is_ready(self) -> bool:
        status, _ = await self._answer(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        return status == 200

    async def expect(self, request: bytes, expected: bytes) -> None:
        status, body = await self._answer(request)
        if status != 200 or expected not in body:
            raise Wrong(f"{status} {body[:1000].decode()}")

    async def _answer(self, request: bytes) -> tuple[int, bytes]:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)\r\n", head)
        if length is None:
            raise Wrong(f"an answer without a length: {head.decode()}")
        return int(head[9:12]), await self._reader.readexactly(int(length[1]))
