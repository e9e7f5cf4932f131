"""Clients that use a database while it is migrated, each as far as the present schema allows.

From the start, SQL applications sign users in, rename them, read them and add new ones. A report pages
through users for two seconds of every four, in one transaction; an ALTER TABLE waits for it, and all other
clients wait for the ALTER TABLE. Key look-ups use the API as soon as `beta_keys` has all columns of this
version, registrations as soon as /readyz says that it is ready.

All clients run in a process of their own, so that they never wait for the one that runs the migrations.
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
"""Connections of SQL applications, and the requests a second of all of them together."""
LOOK_UP_CLIENTS, LOOK_UP_PACE = 4, 100
REGISTRATION_CLIENTS, REGISTRATION_PACE = 8, 5
REPORT_INTERVAL, REPORT_SECONDS = 4.0, 2.0

KEYS = 10_000
"""Enough for half an hour of registrations."""

KINDS = ("sign in", "rename", "read", "add", "report", "look up", "register")

TIMEOUT = 60.0
"""Seconds for the start and for the end of the clients."""

IN_SCOPE = "SET LOCAL gatehouse.scope = 'platform'"
"""Row security shows users in this scope. The statement is valid before row security exists, too."""


def fill(users: int, **columns: str) -> str:
    """SQL that adds users with rows of realistic size. Their ids are derived from their numbers, `n`.

    `columns` have SQL expressions for further columns.
    """
    names, values = "".join(f", {name}" for name in columns), "".join(f", {one}" for one in columns.values())
    return f"""
        INSERT INTO users (id, email, password, "firstName", "lastName"{names})
        SELECT md5(n::text)::uuid, 'User-' || n || '@example.com', repeat('x', 97), 'María', 'Gómez'{values}
          FROM generate_series(0, {users - 1}) n
    """


class WrongResponse(Exception):
    """A response that is not the expected one: no row, another row, or another value."""


@dataclass(frozen=True, slots=True)
class Request:
    kind: str
    due: float
    """When it was due, in `time.perf_counter`, which all processes share."""
    seconds: float
    """From `due` to the response."""
    failure: str | None


class Traffic:
    """Runs the clients of the database `dsn`, which has `users` users, and of the API at `port`.

    SQL applications write and read the name of a user in `column`.
    """

    def __init__(self, dsn: str, users: int, port: int, column: str = "firstName") -> None:
        # Spawned, because a forked process inherits the open connections of its parent.
        context = multiprocessing.get_context("spawn")
        self._pipe, self._child_pipe = context.Pipe()
        self._process = context.Process(
            target=_run, args=(self._child_pipe, dsn, users, port, column), daemon=True
        )

    def __enter__(self) -> "Traffic":
        self._process.start()
        # With this end open in the parent, too, the end of the child would go unnoticed.
        self._child_pipe.close()
        self._receive()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()

    def stop(self) -> tuple[list[Request], int]:
        """Stop the clients. Returns all their requests, and how many transactions were repeated."""
        self._pipe.send("stop")
        return self._receive()

    def _receive(self) -> Any:
        if not self._pipe.poll(TIMEOUT):
            raise RuntimeError(f"the clients sent no message for {TIMEOUT:.0f} s")
        try:
            return self._pipe.recv()
        except EOFError:
            raise RuntimeError("the clients have ended; the reason is above") from None


def _run(pipe: Connection, dsn: str, users: int, port: int, column: str) -> None:
    uvloop.run(_run_clients(pipe, dsn, users, port, column))


async def _run_clients(pipe: Connection, dsn: str, users: int, port: int, column: str) -> None:
    session = _Session(dsn, port)
    applications = [
        _Application(session, number, users, column, await session.connect())
        for number in range(APPLICATIONS)
    ]
    async with asyncio.TaskGroup() as tasks:
        for application in applications:
            tasks.create_task(application.run())
        tasks.create_task(_report(session))
        tasks.create_task(_use_api(session))
        pipe.send("started")
        # A message means stop, and so does the end of the parent.
        await asyncio.to_thread(pipe.poll, None)
        session.stopped = True
    pipe.send((session.requests, session.repeated))


class _Session:
    """The state that the clients share."""

    def __init__(self, dsn: str, port: int) -> None:
        self.dsn = dsn
        self.port = port
        self.number = random.randrange(99_999)
        """Part of what the clients add: other clients may have used the database before."""
        self.stopped = False
        self.repeated = 0
        """How many transactions PostgreSQL rejected because the type of a column had changed."""
        self.requests: list[Request] = []

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.dsn)

    async def due_times(self, interval: float) -> AsyncIterator[float]:
        """The times at which a client's requests are due, every `interval` seconds.

        A time that passes during the previous request is late, but not left out: a user would have waited
        since then (coordinated omission).
        """
        due = time.perf_counter() + random.random() * interval
        while True:
            await asyncio.sleep(due - time.perf_counter())
            if self.stopped:
                return
            yield due
            due += interval

    async def record(self, kind: str, due: float, request: Awaitable[None]) -> None:
        failure = None
        try:
            await request
        except (WrongResponse, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, EOFError) as error:
            failure = f"{type(error).__name__}: {error}"
        self.requests.append(Request(kind, due, time.perf_counter() - due, failure))


class _Application:
    """Signs a user in, renames it, reads it, adds a new one, and repeats this, on one connection.

    Its statements are prepared once and used during all changes of the schema, like those of Gatehouse. Like
    those they name their columns: PostgreSQL rejects a prepared `SELECT *` whose columns have changed, and
    asyncpg cannot prepare it again inside a transaction. A column whose type has changed does the same to a
    statement that names it: the transaction is repeated once, and counted.
    """

    def __init__(
        self, session: _Session, number: int, users: int, column: str, connection: asyncpg.Connection
    ) -> None:
        self._session = session
        self._number = number
        self._users = users
        self._column = column
        self._connection = connection
        self._user = self._added = 0
        self._name = ""

    async def run(self) -> None:
        steps = itertools.cycle(
            (("sign in", self._sign_in), ("rename", self._rename), ("read", self._read), ("add", self._add))
        )
        async for due in self._session.due_times(APPLICATIONS / SQL_PACE):
            kind, step = next(steps)
            await self._session.record(kind, due, step())
        await self._connection.close()

    async def _sign_in(self) -> None:
        # Each application has users of its own, so that no other one changes what it reads.
        self._user = random.randrange(self._users // APPLICATIONS) * APPLICATIONS + self._number
        found = await self._one(
            'SELECT id, password, role FROM users WHERE "emailLower" = lower($1) AND "isActive"',
            f"user-{self._user}@example.com",
        )
        if found["id"] != self._id:
            raise WrongResponse("another user signed in")

    async def _rename(self) -> None:
        self._name = f"Name {random.randrange(10**6)}"
        await self._one(
            f'UPDATE users SET "{self._column}" = $2, "updatedAt" = now() WHERE id = $1 RETURNING id',
            self._id,
            self._name,
        )

    async def _read(self) -> None:
        found = await self._one(f'SELECT email, "{self._column}" AS name FROM users WHERE id = $1', self._id)
        if found["name"] != self._name:
            raise WrongResponse("a user does not have its new name")

    async def _add(self) -> None:
        self._added += 1
        await self._one(
            'INSERT INTO users (email, password, "firstName", "lastName")'
            " VALUES ($1, $2, $3, $4) RETURNING id",
            f"new-{self._session.number}-{self._number}-{self._added}@example.com",
            "x" * 97,
            "Nueva",
            "Usuaria",
        )

    @property
    def _id(self) -> UUID:
        return UUID(hashlib.md5(str(self._user).encode()).hexdigest())

    async def _one(self, query: str, *values: Any) -> asyncpg.Record:
        """The one row that `query` must return, in a transaction of its own."""
        try:
            rows = await self._fetch(query, *values)
        except asyncpg.InvalidCachedStatementError:
            self._session.repeated += 1
            rows = await self._fetch(query, *values)
        if len(rows) != 1:
            raise WrongResponse(f"{len(rows)} rows: {query}")
        return rows[0]

    async def _fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        async with self._connection.transaction():
            await self._connection.execute(IN_SCOPE)
            return await self._connection.fetch(query, *values)


async def _report(session: _Session) -> None:
    connection = await session.connect()
    while not session.stopped:
        async with connection.transaction():
            await connection.execute(IN_SCOPE)
            end = time.perf_counter() + REPORT_SECONDS
            while (now := time.perf_counter()) < end:
                await session.record("report", now, _read_page(connection))
                await asyncio.sleep(0.05)
        await asyncio.sleep(REPORT_INTERVAL - REPORT_SECONDS)
    await connection.close()


async def _read_page(connection: asyncpg.Connection) -> None:
    # At least 15 of 16 ids are greater than one that begins with four zero bits, so the page is full.
    after = UUID(int=random.getrandbits(124))
    page = 'SELECT id, email, "createdAt" FROM users WHERE id > $1 ORDER BY id LIMIT 100'
    if len(await connection.fetch(page, after)) != 100:
        raise WrongResponse("a page of the report is not full")


async def _use_api(session: _Session) -> None:
    connection = await session.connect()
    while not await _has_all_columns(connection):
        if session.stopped:
            return
        await asyncio.sleep(0.02)
    keys = make_keys(KEYS, seed=session.number)
    await connection.copy_records_to_table("beta_keys", columns=["key"], records=[(key,) for key in keys])
    await connection.close()
    look_ups = itertools.cycle(validations(keys[:1000]))
    new = iter(registrations(keys[1000:], first=session.number * KEYS))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(LOOK_UP_CLIENTS):
            tasks.create_task(
                _send_requests(session, "look up", look_ups, IS_VALID, LOOK_UP_CLIENTS / LOOK_UP_PACE)
            )
        probe = await _Http.connect(session.port)
        while not await probe.is_ready():
            if session.stopped:
                return
            await asyncio.sleep(0.05)
        probe.close()
        for _ in range(REGISTRATION_CLIENTS):
            tasks.create_task(
                _send_requests(
                    session, "register", new, IS_REGISTRATION, REGISTRATION_CLIENTS / REGISTRATION_PACE
                )
            )


async def _has_all_columns(connection: asyncpg.Connection) -> bool:
    """Whether `beta_keys` has all columns of this version. Reads the catalog only and locks no table."""
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('beta_keys') AND NOT attisdropped"
    )
    return {row["attname"] for row in rows} >= {
        column._meta.db_column_name for column in BetaKey._meta.columns
    }


async def _send_requests(
    session: _Session, kind: str, requests: Iterator[bytes], expected: bytes, interval: float
) -> None:
    http = await _Http.connect(session.port)
    async for due in session.due_times(interval):
        await session.record(kind, due, http.expect(next(requests), expected))
    http.close()


class _Http:
    """One HTTP connection to the API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> "_Http":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def close(self) -> None:
        self._writer.close()

    async def is_ready(self) -> bool:
        status, _ = await self._send(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        return status == 200

    async def expect(self, request: bytes, expected: bytes) -> None:
        status, body = await self._send(request)
        if status != 200 or expected not in body:
            raise WrongResponse(f"{status} {body[:1000].decode()}")

    async def _send(self, request: bytes) -> tuple[int, bytes]:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)\r\n", head)
        if length is None:
            raise WrongResponse(f"no Content-Length: {head.decode()}")
        return int(head[9:12]), await self._reader.readexactly(int(length[1]))
