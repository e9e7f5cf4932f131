"""Starts and stops the servers that are measured, and reads their CPU time from Linux."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import orjson

from api.database.embedded import APPLICATION, SUPERUSER, EmbeddedServer
from api.domain.pagination import Position
from api.schema.pagination import write_cursor
from benchmarks.requests import VALIDATE

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent

TIMEOUT = 30.0
"""Seconds for the first response of a server, and for its shutdown."""


@contextmanager
def postgres() -> Iterator[EmbeddedServer]:
    """An empty embedded server, which is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-benchmarks-") as home:
        server = EmbeddedServer(Path(home))
        server.start()
        try:
            yield server
        finally:
            server.stop()


class Database:
    """A new database of the application's role on `server`: empty, or a copy of `template`.

    `folder` has the code that migrates it and serves it: the project, or a copy with other migrations.
    """

    def __init__(
        self, server: EmbeddedServer, name: str, template: str = "template1", folder: Path = ROOT
    ) -> None:
        self.server = server
        self.name = name
        self.folder = folder
        self.dsn = server.dsn(database=name)
        self._as_superuser(
            f'CREATE DATABASE "{name}" OWNER {APPLICATION} TEMPLATE "{template}" STRATEGY file_copy'
        )

    def drop(self) -> None:
        self._as_superuser(f'DROP DATABASE "{self.name}" WITH (FORCE)')

    def _as_superuser(self, statement: str) -> None:
        asyncio.run(_execute(self.server.dsn(user=SUPERUSER, database=SUPERUSER), statement))

    def migrate(self, *arguments: str) -> "Database":
        """Run `piccolo migrations forwards` with these arguments. Returns the database."""
        with self.start_migrating("forwards", *arguments) as process:
            output, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{process.args} failed: {output}")
        return self

    def start_migrating(self, *arguments: str) -> subprocess.Popen[str]:
        """`piccolo migrations …` as a process whose output can be read while it runs."""
        return subprocess.Popen(
            [PROGRAMS / "piccolo", "migrations", *arguments],
            cwd=self.folder,
            env=environment(self),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def execute(self, *statements: str) -> None:
        """Execute each statement in a transaction of its own."""
        asyncio.run(_execute(self.dsn, *statements))

    def flush(self) -> None:
        """Write everything to disk, so that this does not happen during a measurement."""
        self._as_superuser("CHECKPOINT")
        os.sync()

    def add_keys(self, keys: Iterable[str]) -> None:
        """Add these keys by COPY."""
        asyncio.run(_add_keys(self.dsn, keys))

    def add_tenants(self, tokens: Sequence[str], staff: int) -> str:
        """Add one tenant for each session token of its owner, with so many staff including the owner.

        Returns a cursor to the last hundred staff of the first tenant.
        """
        return asyncio.run(_add_tenants(self.dsn, tokens, staff))

    def add_operator(self, token: str) -> None:
        """Add an operator with the session token `token`."""
        asyncio.run(_add_operator(self.dsn, token))


async def _execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _add_keys(dsn: str, keys: Iterable[str]) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_records_to_table("beta_keys", columns=["key"], records=((key,) for key in keys))
        # Now, so that autovacuum does not do it during a measurement.
        await connection.execute("VACUUM (ANALYZE) beta_keys")
    finally:
        await connection.close()


_ADD_TENANTS = """
WITH tenant AS (
    INSERT INTO tenants ("businessName", nit, "businessType", address)
    SELECT 'Tienda ' || n, 'BENCH' || n, 'TIENDA', 'Calle 10' FROM generate_series(1, $1) n
    RETURNING id, nit
)
INSERT INTO users (email, password, "firstName", "lastName", role, "tenantId", "isOwner", "createdAt")
SELECT nit || '-' || p || '@example.com', '', 'Luz', 'Mora', CASE p WHEN 1 THEN 'ADMIN' ELSE 'CASHIER' END,
       tenant.id, p = 1, now() + p * interval '1 s'
  FROM tenant CROSS JOIN generate_series(1, $2) p
"""

_ADD_SESSIONS = """
INSERT INTO sessions ("userId", "tokenDigest", "expiresAt")
SELECT u.id, sha256(($1::text[])[row_number() OVER (ORDER BY u.id)]::bytea), now() + interval '1 day'
  FROM users u WHERE u."isOwner" AND u.email LIKE 'BENCH%'
"""


async def _add_tenants(dsn: str, tokens: Sequence[str], staff: int) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET gatehouse.scope = 'platform'")
        await connection.execute(_ADD_TENANTS, len(tokens), staff)
        await connection.execute(_ADD_SESSIONS, tokens)
        for table in ("tenants", "users", "sessions"):
            await connection.execute(f"VACUUM (ANALYZE) {table}")
        row = await connection.fetchrow(
            """SELECT "createdAt", id FROM users WHERE email LIKE 'BENCH1-%'
                ORDER BY "createdAt" OFFSET $1 LIMIT 1""",
            max(0, staff - 100),
        )
    finally:
        await connection.close()
    if row is None:
        raise RuntimeError("no tenants were added")
    return write_cursor(Position(row["createdAt"], row["id"]))


async def _add_operator(dsn: str, token: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET gatehouse.scope = 'platform'")
        await connection.execute(
            """
            WITH operator AS (
                INSERT INTO users (email, password, "firstName", "lastName", role)
                VALUES ('operator@example.com', '', 'Eva', 'Paz', 'SUPER_ADMIN') RETURNING id
            )
            INSERT INTO sessions ("userId", "tokenDigest", "expiresAt")
            SELECT id, sha256($1::text::bytea), now() + interval '1 day' FROM operator
            """,
            token,
        )
    finally:
        await connection.close()


@dataclass(frozen=True)
class Server:
    port: int
    pid: int


@contextmanager
def gatehouse(database: Database, **settings: str) -> Iterator[Server]:
    """`gatehouse serve` as it is deployed, without rate limits, because all requests have one address."""
    port = free_port()
    # The mails are written to files of a temporary folder.
    with tempfile.TemporaryDirectory(prefix="gatehouse-benchmarks-") as home:
        ours = {"HOST": "127.0.0.1", "PORT": str(port), "GATEHOUSE_HOME": home, "RATE_LIMITS": "off"}
        command = [PROGRAMS / "gatehouse", "serve"]
        with _serving(command, port, environment(database) | ours | settings, database.folder) as server:
            yield server


@contextmanager
def baseline(application: str, database: Database) -> Iterator[Server]:
    """An application of `benchmarks.baselines`, with the uvicorn options of `gatehouse serve`."""
    port = free_port()
    command = [
        sys.executable, "-m", "uvicorn", f"benchmarks.baselines:{application}", "--port", str(port),
        "--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning",
    ]  # fmt: skip
    with _serving(command, port, environment(database) | {"RATE_LIMITS": "off"}) as server:
        yield server


def environment(database: Database) -> dict[str, str]:
    """The environment variables of a process that uses `database`."""
    # Without the settings of the developer's shell, so that all runs are comparable.
    removed = {"GATEHOUSE_HOME", "DB_SYNC", "DB_POOL_SIZE", "WORKERS", "TAX_ID_COUNTRY", "PHONE_REGION"}
    removed_prefixes = ("RATE_LIMIT", "METRICS", "OTEL", "LOG")
    names = (name for name in os.environ if name not in removed and not name.startswith(removed_prefixes))
    ours = {"DATABASE_URL": database.dsn, "PYTHONPATH": str(database.folder)}
    return {name: os.environ[name] for name in names} | ours


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def _serving(
    command: Sequence[str | Path], port: int, environment: dict[str, str], folder: Path = ROOT
) -> Iterator[Server]:
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            _wait_for_response(process, port)
            yield Server(port, process.pid)
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read()[-10_000:])
            raise
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for_response(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=orjson.dumps({"query": VALIDATE, "variables": {"key": "none"}}),
        headers={"content-type": "application/json"},
    )
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                return
        except urllib.error.HTTPError:
            # A server whose database is not migrated yet responds, too.
            return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{process.args} does not respond")


@dataclass(frozen=True)
class Cpu:
    """Seconds of CPU: of a server's first thread, the event loop, of its others, and of PostgreSQL."""

    loop: float
    threads: float
    postgres: float

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.loop - other.loop, self.threads - other.threads, self.postgres - other.postgres)


def cpu_time(server: Server, database: Database) -> Cpu:
    """The CPU time since the start of the processes. Linux only."""
    postmaster = int((database.server.home / "pg" / "postmaster.pid").read_text().split("\n", 1)[0])
    tasks = _thread_times(server.pid)
    return Cpu(
        loop=tasks.pop(server.pid, 0.0),
        threads=sum(tasks.values()),
        postgres=sum(sum(_thread_times(pid).values()) for pid in (postmaster, *_children(postmaster))),
    )


def _thread_times(pid: int) -> dict[int, float]:
    """Seconds of CPU of each thread of a process, by thread id."""
    spent: dict[int, float] = {}
    for task in Path(f"/proc/{pid}/task").glob("*"):
        # A thread may end between the listing and the read.
        with suppress(OSError):
            spent[int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return spent


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            found = re.match(r"(\d+) \(.*\) \S (\d+) ", stat.read_text(), re.DOTALL)
            if found and int(found[2]) == pid:
                children.append(int(found[1]))
    return children
