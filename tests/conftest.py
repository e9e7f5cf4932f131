"""Every test runs against real PostgreSQL: the embedded server, migrated by the real migrations."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import get_args

import asyncpg
import httpx
import pytest

from api.database.embedded import EmbeddedServer
from api.settings import Settings, get_settings
from tests.password_hashes import use_lowest_cost, use_real_cost
from tests.postgres_servers import PostgresServer
from tests.support import Api, Execution, GatehouseProcess, hire, make_app, migrate

_SERVER = pytest.StashKey[EmbeddedServer | PostgresServer]()

APPLICATION_ROLE = "application"
"""Reads and writes the rows of the database of the tests, whose tables belong to the role `gatehouse`."""

TEMPLATE = "migrated"
"""A database with all migrations, as a template; nothing connects to it."""


BOTH_WAYS = ("execution/", "schema/", "database/test_isolation.py", "domain/test_registration.py")
"""Where `--both-ways` runs tests twice: the execution of documents, the schema, every root field, a journey.

Other tests are about rules, which do not depend on the way of execution: `tests/execution` compares the calls
of resolvers and the answers both ways for thousands of documents, also with Gatehouse's resolvers and rows.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--both-ways",
        action="store_true",
        help=f"run tests in {', '.join(BOTH_WAYS)} twice: by plans, and by graphql-core's interpreter",
    )
    parser.addoption(
        "--all",
        action="store_true",
        help="also run the tests that are marked slow, and others over all of their cases, as .ci/run does",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start the server before any test module is imported: importing `piccolo_conf` creates the engine.

    Each process that runs tests has a server of its own; the process that distributes them has none.
    """
    memory = _folder_in_memory()
    if memory is not None:
        # `tmp_path`, where tests start embedded servers.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", memory)
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    # Hundreds of tests start Python, which would compile the project again in each of them.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # Most tests send more requests than a client may, all from one address.
    os.environ["RATE_LIMITS"] = "off"
    # On a busy machine a hash may take a second, because its thread has a low priority.
    os.environ["MAX_QUEUE_SECONDS"] = "25"
    # Most tests stop a server that no load balancer watches.
    os.environ["DRAIN_SECONDS"] = "0"
    # Most tests read the log as text.
    os.environ["LOG_FORMAT"] = "text"
    # Most tests read mails in the queue.
    os.environ["WORKER"] = "off"
    # Many tests read the schema, and some a page of GraphiQL.
    os.environ["INTROSPECTION"] = "on"
    os.environ["GRAPHIQL"] = "on"
    home = tempfile.TemporaryDirectory(prefix="gatehouse-tests-", dir=memory)
    config.add_cleanup(home.cleanup)
    version = os.environ.get("POSTGRES_VERSION")
    server = PostgresServer(Path(home.name), version) if version else EmbeddedServer(Path(home.name))
    server.start()
    config.add_cleanup(server.stop)
    config.stash[_SERVER] = server
    # The application in the process of the tests owns no table, so that no act of it can need to.
    os.environ["DATABASE_URL"] = server.dsn(user=APPLICATION_ROLE)
    asyncio.run(_prepare(server))
    use_lowest_cost()


def _folder_in_memory() -> str | None:
    """Where a database is copied in a fifth of the processor time that a disk takes, mostly in the kernel."""
    folder = "/dev/shm"
    has_room = os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 4 * 2**30
    return folder if has_room else None


async def _prepare(server: EmbeddedServer | PostgresServer) -> None:
    connection = await asyncpg.connect(server.dsn(user="postgres", database="postgres"))
    # Test data need not survive a crash of the machine. synchronous_commit stays on: without it VACUUM marks
    # no page of a recent commit as all-visible, and PostgreSQL plans no index-only scan.
    for setting in ("fsync = off", "full_page_writes = off", "max_wal_size = '128MB'"):
        await connection.execute(f"ALTER SYSTEM SET {setting}")
    await connection.execute("SELECT pg_reload_conf()")
    migrate(server.dsn())
    await create_database(connection, TEMPLATE, "gatehouse")
    # After the template, whose databases have no other role, as those of most deployments.
    await connection.execute(f"CREATE ROLE {APPLICATION_ROLE} LOGIN")
    migrate(server.dsn(user=APPLICATION_ROLE), MIGRATION_DATABASE_URL=server.dsn())
    await connection.close()


async def create_database(connection: asyncpg.Connection, name: str, template: str) -> None:
    """Copy `template`. Copying its files takes a fifth of the processor time of writing it to the log."""
    strategy = "STRATEGY file_copy" if connection.get_server_version() >= (15,) else ""
    await connection.execute(f"CREATE DATABASE {name} OWNER gatehouse TEMPLATE {template} {strategy}")


SLOWEST = (
    "deploy/",
    "server/",
    "cli/",
    "execution/test_plan_",
    "observability/",
    "database/",
    "domain/audit_events/",
    "domain/test_races",
    "project/",
)
"""The slowest files come first: at the end, one process would wait for the other to finish such a file."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # A file or a test that is named on the command line runs as a whole.
    if not config.getoption("--all") and not any(".py" in argument for argument in config.args):
        config.hook.pytest_deselected(items=[item for item in items if _is_slow(item)])
        items[:] = [item for item in items if not _is_slow(item)]

    def rank(item: pytest.Item) -> int:
        path = _path_in_tests(item.path)
        return next((place for place, start in enumerate(SLOWEST) if path.startswith(start)), len(SLOWEST))

    items.sort(key=rank)


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def _path_in_tests(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).as_posix()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_twice = _path_in_tests(metafunc.definition.path).startswith(BOTH_WAYS)
    if is_twice and "execution" in metafunc.fixturenames and metafunc.config.getoption("--both-ways"):
        metafunc.parametrize("execution", ["plans", "interpreter"], indirect=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI no test may be skipped: a test without its tool has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def is_thorough(request: pytest.FixtureRequest) -> bool:
    """Whether a test takes all of its cases, and not every tenth."""
    return bool(request.config.getoption("--all"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> EmbeddedServer | PostgresServer:
    """The PostgreSQL server of the tests."""
    return request.config.stash[_SERVER]


@pytest.fixture
async def empty_database(server: EmbeddedServer) -> AsyncIterator[str]:
    """The address of a new database without tables, for the application's role."""
    async with _new_database(server, template="template1") as dsn:
        yield dsn


@pytest.fixture
def _database_of_the_test(request: pytest.FixtureRequest) -> str:
    is_migrated = "migrated_database" in request.fixturenames
    return request.getfixturevalue("migrated_database" if is_migrated else "empty_database")


@pytest.fixture
async def connection(_database_of_the_test: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the test's own database, with the application's role."""
    connection = await asyncpg.connect(_database_of_the_test)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def migrated_database(server: EmbeddedServer) -> AsyncIterator[str]:
    """The address of a new database with all migrations, for the application's role."""
    async with _new_database(server, template=TEMPLATE) as dsn:
        yield dsn


@asynccontextmanager
async def _new_database(server: EmbeddedServer | PostgresServer, *, template: str) -> AsyncIterator[str]:
    name = f"test_{os.urandom(4).hex()}"
    connection = await asyncpg.connect(server.dsn(user="postgres", database="postgres"))
    try:
        await create_database(connection, name, template)
        yield server.dsn(database=name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def _superuser(anyio_backend: str) -> AsyncIterator[list[asyncpg.Connection]]:
    """The open connection of `database`, if there is one.

    Tests share it, because a new session of PostgreSQL first reads what it needs to know of each table.
    """
    connections: list[asyncpg.Connection] = []
    yield connections
    for connection in connections:
        await connection.close()


@pytest.fixture
async def database(
    server: EmbeddedServer, _superuser: list[asyncpg.Connection]
) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, which sees every row; the tables are emptied after the test."""
    # A test may have ended the session, or stopped its server.
    if not _superuser or _superuser[0].is_closed():
        _superuser[:] = [await asyncpg.connect(server.dsn(user="postgres"))]
    connection = _superuser[0]
    yield connection
    if connection.is_closed():
        connection = await asyncpg.connect(server.dsn(user="postgres"))
        _superuser[:] = [connection]
    await connection.reset()
    # What RESET ALL leaves.
    await connection.execute("RESET SESSION AUTHORIZATION; DISCARD TEMP")
    await _empty_tables(connection)


EMPTIED = (
    "users",
    "staff_invitations",
    "tenants",
    "beta_keys",
    "sessions",
    "audit_events",
    "mails",
    "mail_delays",
    "one_time_codes",
    "known_devices",
    "authenticator_apps",
    "recovery_codes",
    "wrong_passwords",
    "passkeys",
    "beta_key_words",
    "tenant_words",
)


async def _empty_tables(connection: asyncpg.Connection) -> None:
    """DELETE takes a hundredth of TRUNCATE's 30 ms, but leaves dead rows that slow down later tests."""
    sizes = ", ".join(
        f"CASE WHEN EXISTS (SELECT FROM {table}) THEN pg_relation_size('{table}') END AS {table}"
        for table in EMPTIED
    )
    row = await connection.fetchrow(f"SELECT {sizes}")
    assert row is not None
    statements = [
        f"TRUNCATE {table} CASCADE" if size > 500_000 else f"DELETE FROM {table}"
        for table, size in row.items()
        if size is not None
    ]
    if statements:
        # The triggers on audit_events refuse both.
        setting = "SET LOCAL session_replication_role = replica"
        await connection.execute("; ".join([setting, *statements]))


@pytest.fixture
def execution(request: pytest.FixtureRequest) -> Execution:
    """How the application in this process runs documents."""
    return getattr(request, "param", "plans")


@pytest.fixture(scope="session")
async def _applications(anyio_backend: str) -> AsyncIterator[dict[Execution, httpx.AsyncClient]]:
    """The application once for each way of execution, on one pool of connections."""
    from api.app import lifespan
    from api.deploy.migrations import server_processes

    async with AsyncExitStack() as stack:
        # A heartbeat would register this process again in the middle of a test that counts processes.
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(server_processes, "HEARTBEAT_INTERVAL", 3600)
        await stack.enter_async_context(lifespan(None))
        clients: dict[Execution, httpx.AsyncClient] = {}
        for execution in get_args(Execution):
            transport = httpx.ASGITransport(make_app(execution), raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://gatehouse.test")
            clients[execution] = await stack.enter_async_context(client)
        yield clients


@pytest.fixture
async def api(
    _applications: dict[Execution, httpx.AsyncClient], execution: Execution, database: asyncpg.Connection
) -> Api:
    """The application in this process, on a database that is empty at the start of the test."""
    return Api(_applications[execution])


@pytest.fixture
def pool(_applications: dict[Execution, httpx.AsyncClient], database: asyncpg.Connection) -> None:
    """The connection pool of this process, for tests that call `api/` and send no document.

    `--both-ways` runs them once everywhere, as the way of execution makes no difference.
    """


@pytest.fixture
def api_with_plans(_applications: dict[Execution, httpx.AsyncClient], pool: None) -> Api:
    """`api` for documents that only make the rows of a test: `--both-ways` runs it once."""
    return Api(_applications["plans"])


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application in this process hashes passwords at the cost of production, for one test."""
    use_real_cost(monkeypatch)


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
        for cached in (get_settings, rate_limits._counter, rate_limits._rate, client.is_trusted):
            cached.cache_clear()

    def change(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        forget()

    yield change
    forget()


@pytest.fixture(scope="module")
def _serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatehouseProcess]:
    process = GatehouseProcess(tmp_path_factory.mktemp("serving") / "gatehouse.log")
    process.start()
    yield process
    process.stop()


@pytest.fixture
def serving(_serving: GatehouseProcess, database: asyncpg.Connection) -> GatehouseProcess:
    """`gatehouse serve` on the database of the tests, shared by tests of a module that only send requests."""
    return _serving


@pytest.fixture
def gatehouse(tmp_path: Path, database: asyncpg.Connection) -> Iterator[GatehouseProcess]:
    """`gatehouse serve` in a process of its own, on the database of the tests; not started yet."""
    process = GatehouseProcess(tmp_path / "gatehouse.log")
    yield process
    if hasattr(process, "process"):
        process.stop()
