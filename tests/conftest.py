"""Every test runs against real PostgreSQL: the embedded server, migrated by the real migrations."""

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from graphql import GraphQLError

from api.database.embedded import EmbeddedServer
from api.execution.documents import Document, DocumentCache
from api.http import graphql_view
from api.settings import Settings, get_settings
from tests.support import Api, GatehouseProcess, hire, migrate

_SERVER = pytest.StashKey[EmbeddedServer]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the server before any test module is imported: importing `piccolo_conf` settles the engine.

    Each process that runs tests has a server of its own; the one that only hands them out needs none.
    """
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    # This one may be chosen: the tests pass either way.
    for name in Settings.model_fields.keys() - {"execution_plans"}:
        os.environ.pop(name.upper(), None)
    # Tests of other things ask more often than any client may, and all from one address.
    os.environ["RATE_LIMITS"] = "off"
    # Tests of other things read the log as people do.
    os.environ["LOG_FORMAT"] = "text"
    # Tests of other things leave the mails where they are queued.
    os.environ["WORKER"] = "off"
    home = tempfile.TemporaryDirectory(prefix="gatehouse-tests-")
    config.add_cleanup(home.cleanup)
    server = EmbeddedServer(Path(home.name))
    server.start()
    config.add_cleanup(server.stop)
    config.stash[_SERVER] = server
    os.environ["DATABASE_URL"] = server.dsn()
    migrate(server.dsn())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m graphql` chooses the tests that run documents in this process."""
    for item in items:
        if "api" in getattr(item, "fixturenames", ()):
            item.add_marker("graphql")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI nothing may be skipped: there, a test that misses its tool has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> EmbeddedServer:
    """The PostgreSQL server of the tests."""
    return request.config.stash[_SERVER]


@pytest.fixture
async def empty_database(server: EmbeddedServer) -> AsyncIterator[str]:
    """The address of a new database without tables, for the application's role."""
    async with _new_database(server, template="template1") as dsn:
        yield dsn


@pytest.fixture
async def connection(empty_database: str) -> AsyncIterator[asyncpg.Connection]:
    """SQL in the empty database, as the application's role."""
    connection = await asyncpg.connect(empty_database)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def migrated_database(server: EmbeddedServer, _template: str) -> AsyncIterator[str]:
    """The address of a new database that has seen every migration, for the application's role."""
    async with _new_database(server, template=_template) as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def _template(anyio_backend: str, server: EmbeddedServer) -> str:
    """The name of a database that has seen every migration; nobody else uses it, so that it can be copied."""
    name = "migrated"
    connection = await asyncpg.connect(server.dsn(user="postgres", database="postgres"))
    await connection.execute(f"CREATE DATABASE {name} OWNER gatehouse")
    await connection.close()
    migrate(server.dsn(database=name))
    return name


@asynccontextmanager
async def _new_database(server: EmbeddedServer, *, template: str) -> AsyncIterator[str]:
    name = f"test_{os.urandom(4).hex()}"
    connection = await asyncpg.connect(server.dsn(user="postgres", database="postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {name} OWNER gatehouse TEMPLATE {template}")
        yield server.dsn(database=name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def database(server: EmbeddedServer) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees every row, as a superuser's does; the tables are emptied after the test."""
    connection = await asyncpg.connect(server.dsn(user="postgres"))
    try:
        yield connection
        # The record resists being emptied, like everybody else's.
        await connection.execute(
            "SET session_replication_role = replica;"
            " TRUNCATE users, tenants, beta_keys, sessions, audit_events, mails, one_time_codes CASCADE"
        )
    finally:
        await connection.close()


class _FromTheFirstRequest(DocumentCache):
    """Makes plans as soon as it sees a document, so that tests which send one once run its plan."""

    def get(self, text: str) -> Document | list[GraphQLError]:
        super().get(text)
        return super().get(text)


graphql_view.DocumentCache = _FromTheFirstRequest


@pytest.fixture(scope="session")
async def _application(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    from api.app import create_app, lifespan

    app = create_app()
    async with (
        lifespan(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://gatehouse.test"
        ) as client,
    ):
        yield client


@pytest.fixture
async def api(_application: httpx.AsyncClient, database: asyncpg.Connection) -> Api:
    """The application in this process, on a database that is empty but for what the test puts there."""
    return Api(_application)


@pytest.fixture
async def operator(database: asyncpg.Connection) -> str:
    """The token of an operator."""
    return (await hire(database, None, "SUPER_ADMIN")).token


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`settings(RATE_LIMITS="on")` changes settings of the application in this process, for one test."""
    from api.domain import rate_limits
    from api.http import client

    def forget() -> None:
        for cached in (get_settings, rate_limits._counter, rate_limits._rate, client._is_trusted):
            cached.cache_clear()

    def change(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        forget()

    yield change
    forget()


@pytest.fixture
def gatehouse(tmp_path: Path, database: asyncpg.Connection) -> Iterator[GatehouseProcess]:
    """`gatehouse serve` in a process of its own, on the database of the tests; not started yet."""
    process = GatehouseProcess(tmp_path / "gatehouse.log")
    yield process
    if hasattr(process, "process"):
        process.stop()
