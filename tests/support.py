"""Requests to Gatehouse and their responses, and other helpers of many tests."""

import asyncio
import fcntl
import itertools
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Literal

import asyncpg
import httpx
import pytest
from starlette.types import ASGIApp

from api.settings import get_settings
from tests.commands import ROOT, Command, run_command

GATEHOUSE = str(Path(sys.executable).parent / "gatehouse")
"""The command `gatehouse` in the environment of the tests."""

REGISTER = """
mutation($i: RegisterInput!) { register(input: $i) { __typename
  ... on Registration { accessToken expiresAt tenant { id businessName nit } user { id email role isOwner } }
  ... on Error { code message } ... on BetaKeyRejected { reason }
  ... on InvalidInput { fields { field code message } } } }
"""

LOGIN = """
mutation($i: LoginInput!) { login(input: $i) { __typename
  ... on SignedIn { accessToken user { email tenant { businessName } } }
  ... on Error { code message } ... on TenantSuspended { reason } } }
"""

VIEWER = "{ viewer { id email role isOwner tenant { id businessName nit } } }"

SESSIONS = "{ sessions { id createdAt lastSeenAt expiresAt userAgent ipAddress isCurrent } }"

PASSWORD = "Sup3r!secret"

Settings = Callable[..., None]
"""The fixture `settings`."""


def copy_project(to: Path) -> None:
    """Copy what runs, so that a test can change it; `PYTHONPATH` then makes `to` the one that is imported."""
    for folder in ("api", "tables", "migrations"):
        # With what is compiled, which each process that runs the copy would compile again.
        shutil.copytree(ROOT / folder, to / folder)
    for file in ("piccolo_conf.py", "predeploy.sh", "pyproject.toml"):
        shutil.copy(ROOT / file, to)


def migrate(dsn: str, *arguments: str, **environment: str) -> str:
    """Run `piccolo migrations …` from the root, by default `forwards all`; returns its output."""
    arguments = ("migrations", *(arguments or ("forwards", "all")))
    ended = run_command("piccolo", *arguments, DATABASE_URL=dsn, **environment)
    if ended.returncode != 0:
        raise subprocess.CalledProcessError(ended.returncode, arguments, ended.stdout, ended.stderr)
    return ended.stdout


_numbers = itertools.count(1)


def registration(beta_key: str, **changes: Any) -> dict[str, Any]:
    """A registration form with unique values, except for `changes`."""
    number = next(_numbers)
    return {
        "betaKey": beta_key,
        "businessName": f"El Ahorro {number}",
        "nit": f"{900_000_000 + number}",
        "businessType": "TIENDA",
        "address": "Calle 123 # 45-67, Bogotá",
        "firstName": "Ana",
        "lastName": "Ríos",
        "email": f"ana{number}@example.com",
        "password": PASSWORD,
        **changes,
    }


Execution = Literal["plans", "interpreter"]
"""How documents are run: by plans, from the first request on, or by graphql-core's interpreter."""


def make_app(execution: Execution, **options: Any) -> ASGIApp:
    """The application with one way of execution; `options` are those of `create_app`."""
    from api.app import create_app

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXECUTION_PLANS", "on" if execution == "plans" else "off")
        get_settings.cache_clear()
        app = create_app(plan_first_request=True, **options)
    get_settings.cache_clear()
    return app


class Api:
    """A GraphQL client over HTTP: it sends documents and returns responses."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    def at(self, address: str) -> "Api":
        """The same application, as a client at another address sees it."""
        transport = self.http._transport
        assert isinstance(transport, httpx.ASGITransport)
        elsewhere = httpx.ASGITransport(transport.app, raise_app_exceptions=False, client=(address, 4711))
        return Api(httpx.AsyncClient(transport=elsewhere, base_url=self.http.base_url))

    async def post(
        self, query: str, token: str | None = None, language: str | None = None, **variables: Any
    ) -> Any:
        """The whole JSON of the response."""
        headers = {}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if language is not None:
            headers["accept-language"] = language
        response = await self.http.post(
            "/graphql", json={"query": query, "variables": variables}, headers=headers
        )
        return response.json()

    async def data(
        self, query: str, token: str | None = None, language: str | None = None, **variables: Any
    ) -> Any:
        """The data of a response without errors."""
        answer = await self.post(query, token, language, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    async def register(self, form: dict[str, Any]) -> Any:
        return (await self.data(REGISTER, i=form))["register"]

    async def login(self, email: str, password: str = PASSWORD) -> Any:
        return (await self.data(LOGIN, i={"email": email, "password": password}))["login"]

    async def viewer(self, token: str) -> Any:
        return (await self.data(VIEWER, token))["viewer"]

    async def validate(self, key: str) -> Any:
        query = "query($k: String!) { validateBetaKey(key: $k) { valid reason message } }"
        return (await self.data(query, k=key))["validateBetaKey"]


async def issue_key(database: asyncpg.Connection, **columns: Any) -> str:
    """Insert a key; `columns` have their names in the database."""
    from api.domain.beta_keys.issue import generate_keys

    values = {"key": next(iter(generate_keys(1))), **columns}
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await database.execute(f"INSERT INTO beta_keys ({names}) VALUES ({places})", *values.values())
    return values["key"]


@dataclass(frozen=True)
class Person:
    """A signed-in user."""

    id: str
    email: str
    token: str


async def hire(database: asyncpg.Connection, tenant_id: str | None, role: str, **columns: Any) -> Person:
    """Insert a user and a session; `columns` have their names in the database."""
    from api.domain.viewer import token_digest

    number, token = next(_numbers), secrets.token_urlsafe(32)
    values = {
        "email": f"staff{number}@example.com",
        "password": "",
        "firstName": "Luz",
        "lastName": f"Mora {number}",
        "role": role,
        "tenantId": tenant_id,
        **columns,
    }
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    insert = f"INSERT INTO users ({names}) VALUES ({places}) RETURNING id"
    user_id = await database.fetchval(insert, *values.values())
    await database.execute(
        """INSERT INTO sessions ("userId", "tokenDigest", "expiresAt")
        VALUES ($1, $2, now() + interval '1 day')""",
        user_id,
        token_digest(token),
    )
    return Person(str(user_id), values["email"], token)


def everything(records: Iterable[logging.LogRecord]) -> str:
    """All content of log records before masking: messages, values and exceptions."""
    usual = vars(logging.makeLogRecord({})).keys() - {"args"}
    texts: list[str] = []
    for record in records:
        values = {name: value for name, value in vars(record).items() if name not in usual}
        raised = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        texts.append(f"{record.getMessage()} {values} {raised}")
    return "\n".join(texts)


async def one_row(database: asyncpg.Connection, sql: str) -> asyncpg.Record:
    """The only row of a query."""
    (row,) = await database.fetch(sql)
    return row


async def until_waiting(database: asyncpg.Connection, how_many: int = 1) -> None:
    """Wait until `how_many` statements wait for a lock."""
    async with asyncio.timeout(10):
        while len(await database.fetch("SELECT FROM pg_locks WHERE NOT granted")) < how_many:
            await asyncio.sleep(0.01)


def run_gatehouse(dsn: str, *arguments: str, cwd: Path = ROOT, **environment: str) -> tuple[int, str]:
    """The exit code and the output of `gatehouse …`, run to its end on the database of `dsn`."""
    ended = run_command("gatehouse", *arguments, cwd=cwd, DATABASE_URL=dsn, **environment)
    return ended.returncode, ended.stdout + ended.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class GatehouseProcess:
    """`gatehouse serve` in a process of its own, in a group of its own as a shell would start it."""

    is_forked = True
    """Whether `start` forks a process that has imported the server, which takes a third of the time."""

    folder = ROOT
    """The project, or a copy of it."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self.environment = {**os.environ, "PORT": str(self.port), **environment}

    def start(self, *, wait: bool = True) -> None:
        environment = {name: value for name, value in self.environment.items() if value}
        with self.log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            if self.is_forked:
                self.process = Command(["gatehouse", "serve"], environment, (nothing, log, log), self.folder)
            else:
                self.process = subprocess.Popen(
                    [GATEHOUSE, "serve"],
                    cwd=ROOT,
                    env=environment,
                    stdin=nothing,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        if wait:
            self.wait_until_up()

    def wait_until_up(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.log.read_text()}")
            if self._is_up():
                return
            time.sleep(0.05)
        raise AssertionError(f"the server did not come up: {self.log.read_text()}")

    def _is_up(self) -> bool:
        # Each httpx.get takes 30 ms of processor time to read the certificates of authorities.
        connection = HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def interrupt(self) -> int:
        """Ctrl-C: SIGINT to the whole group. Returns the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(20)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


def is_running(home: Path) -> bool:
    """Whether any process of the embedded server of `home` lives."""
    with (home / "postgres.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def postgres_processes(home: Path) -> list[int]:
    """The postmaster of the embedded server of `home`, then its children."""
    postmaster = int((home / "pg" / "postmaster.pid").read_text().split()[0])
    # Without /proc the children are not listed; they end after their parent was killed.
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children")
    return [postmaster, *map(int, children.read_text().split() if children.exists() else ())]


def kill_postgres(home: Path) -> None:
    for pid in postgres_processes(home):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while is_running(home):
        assert time.monotonic() < deadline
        time.sleep(0.01)
