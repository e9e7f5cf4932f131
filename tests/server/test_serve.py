"""`gatehouse serve` in processes of its own: starts, ends, kills, and a database that comes and goes."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from api.database.embedded import EmbeddedServer
from api.deploy.migrations.pending import migration_ids
from tests.conftest import migrate
from tests.support import (
    GATEHOUSE,
    PASSWORD,
    REGISTER,
    VIEWER,
    Api,
    GatehouseProcess,
    free_port,
    is_running,
    issue_key,
    kill_postgres,
    postgres_processes,
    registration,
)

pytestmark = pytest.mark.anyio

VALIDATE = '{ validateBetaKey(key: "BETA-TEST-12345") { valid reason } }'

Start = Callable[..., GatehouseProcess]


class Registered(NamedTuple):
    """The home of an embedded server whose first start has registered a business."""

    home: Path
    output: str
    key: str
    answer: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": "", "GATEHOUSE_HOME": str(self.home)}

    @property
    def token(self) -> str:
        return self.answer["accessToken"]


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registered]:
    """A first start on an empty home; the key it prints registers a business. Shared, as it takes long."""
    folder = tmp_path_factory.mktemp("serve")
    home = folder / "home"
    process = GatehouseProcess(folder / "first.log", DATABASE_URL="", GATEHOUSE_HOME=str(home))
    process.start()
    try:
        (key,) = re.findall(r"BETA-\S+", process.log.read_text())
        body = {"query": REGISTER, "variables": {"i": registration(key)}}
        answer = httpx.post(f"{process.url}/graphql", json=body).json()["data"]["register"]
    finally:
        process.stop()
    yield Registered(home, process.log.read_text(), key, answer)
    if is_running(home):
        kill_postgres(home)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `gatehouse serve`; those that still run are killed after the test."""
    processes: list[GatehouseProcess] = []

    def begin(*, wait: bool = True, **environment: str) -> GatehouseProcess:
        process = GatehouseProcess(tmp_path / f"gatehouse-{len(processes)}.log", **environment)
        processes.append(process)
        process.start(wait=wait)
        return process

    yield begin
    for process in processes:
        if process.process.poll() is None:
            process.kill()


@asynccontextmanager
async def client(process: GatehouseProcess) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=process.url, timeout=20) as http:
        yield Api(http)


def refusal(process: GatehouseProcess) -> str:
    """What a start that fails prints; it is one line, and the exit code is 1."""
    assert process.process.wait(20) == 1
    (line,) = process.log.read_text().splitlines()
    return line


async def ready_status(api: Api) -> int:
    return (await api.http.get("/readyz")).status_code


async def until_ready(api: Api, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while await ready_status(api) != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


# Starting and ending, on the embedded server


def test_the_first_start_prints_the_address_and_one_key_set_apart(registered: Registered) -> None:
    addresses = re.findall(
        r"\n\nGatehouse is ready:  http://127\.0\.0\.1:\d+/graphql\n"
        r"A beta key to try:   BETA-\S+\n\n",
        registered.output,
    )
    keys = re.findall(r"BETA-[2-9A-Z]{5}-[2-9A-Z]{5}", registered.output)

    assert len(addresses) == 1
    assert keys == [registered.key]


def test_the_key_of_the_first_start_registers_a_business(registered: Registered) -> None:
    assert registered.answer["__typename"] == "Registration"
    assert registered.answer["user"]["isOwner"]


@pytest.mark.parametrize(("by", "workers"), [("Ctrl-C", "1"), ("SIGTERM", "1"), ("Ctrl-C", "2")])
async def test_a_later_start_has_lost_nothing_and_ends_quietly(
    registered: Registered, start: Start, by: str, workers: str
) -> None:
    """It prints no key, serves what was there, and ends with exit code 0 and PostgreSQL with it."""
    process = start(**registered.environment, WORKERS=workers)
    async with client(process) as api:
        viewer = await api.viewer(registered.token)

    if by == "Ctrl-C":
        code = process.interrupt()
    else:
        process.process.terminate()
        code = process.process.wait(20)

    assert viewer["tenant"] == registered.answer["tenant"]
    assert code == 0
    assert not is_running(registered.home)
    told = [line for line in process.log.read_text().splitlines() if not line.endswith("[-] stopped")]
    assert told == ["", f"Gatehouse is ready:  {process.url}/graphql", ""]


async def test_a_second_server_on_the_same_port_leaves_the_first_at_work(
    registered: Registered, start: Start
) -> None:
    """It fails with one line that names the port; the first one and its database do not notice."""
    first = start(**registered.environment)

    second = start(**{**registered.environment, "PORT": str(first.port)}, wait=False)

    assert str(first.port) in refusal(second)
    async with client(first) as api:
        assert (await api.viewer(registered.token))["tenant"] == registered.answer["tenant"]


async def test_a_server_that_was_killed_starts_again_with_its_data(
    registered: Registered, start: Start
) -> None:
    """SIGKILL to the whole group leaves PostgreSQL behind; the next server takes it over, and ends it."""
    start(**registered.environment).kill()

    again = start(**registered.environment)
    async with client(again) as api:
        viewer = await api.viewer(registered.token)

    assert viewer["tenant"] == registered.answer["tenant"]
    assert again.interrupt() == 0
    assert not is_running(registered.home)


# Starts that are refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "x"),
        ("DATABASE_URL", "mysql://gatehouse:hunter2@db.internal/gatehouse"),
        # A password that was not percent-encoded: here the port would be "hunter2".
        ("DATABASE_URL", "postgresql://gatehouse:hunter2#@db.internal:5432/gatehouse"),
        ("TAX_ID_COUNTRY", "XX"),
    ],
    ids=["PORT", "another database", "a broken address", "TAX_ID_COUNTRY"],
)
def test_a_wrong_setting_stops_the_start_with_one_line(start: Start, name: str, value: str) -> None:
    line = refusal(start(**{name: value}, wait=False))

    assert line.startswith(f"gatehouse: {name}: ")
    assert "hunter2" not in line
    assert "db.internal" not in line


def test_a_home_that_cannot_be_used_stops_the_start_with_one_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "home").touch()

    line = refusal(start(DATABASE_URL="", GATEHOUSE_HOME=str(tmp_path / "home"), wait=False))

    assert "set GATEHOUSE_HOME to a folder" in line


def test_a_role_that_bypasses_row_security_is_refused(server: EmbeddedServer, start: Start) -> None:
    line = refusal(start(DATABASE_URL=server.dsn(user="postgres"), wait=False))

    assert "the role postgres of DATABASE_URL bypasses row security" in line
    assert "CREATE ROLE gatehouse LOGIN" in line


# Migrations that are pending


async def test_pending_migrations_are_named_until_they_are_applied(empty_database: str, start: Start) -> None:
    """The log says what to run, /readyz is 503 and names them, and is 200 without a restart afterwards."""
    process = start(DATABASE_URL=empty_database)
    async with client(process) as api:
        refused = await api.http.get("/readyz")
        assert refused.status_code == 503
        pending = refused.json()["pending"]
        assert pending[0] == "2026-11-24T00:00:11:402318"
        assert (await api.http.get("/healthz")).status_code == 200

        (warning, *_) = process.log.read_text().splitlines()
        assert "run: piccolo migrations forwards all" in warning
        assert all(one in warning for one in pending)

        answer = await api.http.post(
            "/graphql", json={"query": VALIDATE}, headers={"x-request-id": "early-1"}
        )
        assert answer.headers["x-request-id"] == "early-1"
        assert_masked(answer, "INTERNAL")
        assert len(lines_of(process, "early-1")) == 1

        migrate(empty_database)
        assert await ready_status(api) == 200
        assert (await api.validate("BETA-TEST-12345"))["reason"] == "NOT_FOUND"


async def test_db_sync_applies_what_is_pending_and_warns(empty_database: str, start: Start) -> None:
    process = start(DATABASE_URL=empty_database, DB_SYNC="true")

    async with client(process) as api:
        assert await ready_status(api) == 200
    (warning, *_) = process.log.read_text().splitlines()
    assert "WARNING" in warning
    assert "DB_SYNC is on" in warning
    assert "switch it off" in warning


def test_db_sync_without_a_database_ends_the_start(start: Start) -> None:
    """Nobody would apply anything once it is back; whoever starts the process tries again."""
    process = start(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{free_port()}/x", DB_SYNC="true", wait=False)

    assert process.process.wait(30) == 1
    log = process.log.read_text()
    assert "DB_SYNC is on" in log
    assert "the database cannot be reached" in log.splitlines()[-1]
    assert "Traceback" not in log


async def test_db_sync_of_what_cannot_be_applied_ends_the_start_in_one_line(
    empty_database: str, start: Start
) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute("CREATE TABLE users (id uuid PRIMARY KEY, email text)")
    process = start(DATABASE_URL=empty_database, DB_SYNC="true", wait=False)

    assert await asyncio.to_thread(process.process.wait, 30) == 1
    assert "the schema differs from the migrations" in process.log.read_text().splitlines()[-1]
    await connection.execute("DROP TABLE users")
    await connection.execute("ALTER TABLE migration ADD CHECK (name < '2026-11-24T00:05')")
    process = start(DATABASE_URL=empty_database, DB_SYNC="true", wait=False)
    assert await asyncio.to_thread(process.process.wait, 30) == 1
    assert "Traceback" not in process.log.read_text()
    await connection.close()


async def test_of_several_instances_with_db_sync_one_migrates(empty_database: str, start: Start) -> None:
    """However many start at once; each of them warns."""
    processes = [start(DATABASE_URL=empty_database, DB_SYNC="true", wait=False) for _ in range(3)]
    for process in processes:
        process.wait_until_up()
        async with client(process) as api:
            assert await ready_status(api) == 200

    logs = [process.log.read_text() for process in processes]
    assert [log.count("DB_SYNC is on") for log in logs] == [1, 1, 1]
    assert sum(log.count("applied the migrations") for log in logs) == 1
    connection = await asyncpg.connect(empty_database)
    assert await connection.fetchval("SELECT count(*) FROM migration") == len(migration_ids())
    await connection.close()


# A database that is away, comes back, or hangs


@pytest.fixture(scope="module")
def forlorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatehouseProcess]:
    """A server whose database has not been there since the start."""
    process = GatehouseProcess(
        tmp_path_factory.mktemp("forlorn") / "gatehouse.log",
        DATABASE_URL=f"postgresql://gatehouse:hunter2@127.0.0.1:{free_port()}/gatehouse",
    )
    process.start()
    yield process
    process.kill()


async def test_without_a_database_the_process_is_healthy_and_not_ready(forlorn: GatehouseProcess) -> None:
    async with client(forlorn) as api:
        ready = await api.http.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "UNAVAILABLE")
        assert (await api.http.get("/healthz")).status_code == 200
    assert_tells_nothing(ready.text)


@pytest.mark.parametrize("query", [VALIDATE, VIEWER], ids=["validateBetaKey", "viewer"])
async def test_without_a_database_graphql_answers_a_masked_error(
    forlorn: GatehouseProcess, query: str
) -> None:
    async with client(forlorn) as api:
        response = await api.http.post(
            "/graphql", json={"query": query}, headers={"authorization": f"Bearer {'x' * 43}"}
        )
    assert_masked(response, "UNAVAILABLE")


async def test_a_failing_request_is_one_log_line_with_its_id(forlorn: GatehouseProcess) -> None:
    """X-Request-ID is taken from the request and echoed; one is made up for a request without it."""
    async with client(forlorn) as api:
        given = await api.http.post("/graphql", json={"query": VALIDATE}, headers={"x-request-id": "abc-123"})
        made_up = await api.http.post("/graphql", json={"query": VALIDATE})

    assert given.headers["x-request-id"] == "abc-123"
    assert len(made_up.headers["x-request-id"]) == 32
    for response in (given, made_up):
        (line,) = lines_of(forlorn, response.headers["x-request-id"])
        assert "the database is not available" in line
    assert "hunter2" not in forlorn.log.read_text()


async def test_a_database_that_goes_away_and_comes_back_needs_no_restart(
    registered: Registered, start: Start
) -> None:
    """While it is away every answer is a masked error, at once; then all works as before."""
    database = EmbeddedServer(registered.home)
    database.start()
    try:
        async with client(start(DATABASE_URL=database.dsn())) as api:
            for crash in (False, True):
                await fill_pool(api, registered.token)

                if crash:
                    kill_postgres(registered.home)
                database.stop()

                for query in (VALIDATE, VIEWER):
                    began = time.monotonic()
                    assert_masked(await ask(api, query, registered.token), "UNAVAILABLE")
                    assert time.monotonic() - began < 1
                assert await ready_status(api) == 503

                database.start()
                await until_ready(api)
                assert (await api.viewer(registered.token))["isOwner"]
                assert (await api.validate(registered.key))["reason"] == "USED"
    finally:
        database.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the processes of the server are found in /proc")
async def test_a_database_that_hangs_delays_no_request_beyond_five_seconds(
    registered: Registered, start: Start
) -> None:
    """Whatever is asked, alone or at once, is answered; and all works when the database wakes up."""
    database = EmbeddedServer(registered.home)
    database.start()
    form = registration(registered.key)

    async def timed(request: Any) -> tuple[float, httpx.Response]:
        began = time.monotonic()
        response = await request
        return time.monotonic() - began, response

    try:
        async with client(start(DATABASE_URL=database.dsn())) as api:
            await fill_pool(api, registered.token)
            with hanging(registered.home):
                # The first round meets connections of the pool, the second one also has to make some.
                for viewers in (2, 30):
                    answers = await asyncio.gather(
                        timed(ask(api, REGISTER, i=form)),
                        timed(api.http.get("/readyz")),
                        *(timed(ask(api, VALIDATE)) for _ in range(30)),
                        *(timed(ask(api, VIEWER, registered.token)) for _ in range(viewers)),
                    )
                    assert max(seconds for seconds, _ in answers) < 5
                    for _, response in answers:
                        if response.url.path == "/readyz":
                            assert response.status_code == 503
                        else:
                            assert_masked(response, "UNAVAILABLE")
            await until_ready(api)
            assert (await api.viewer(registered.token))["isOwner"]
            assert (await api.validate(registered.key))["reason"] == "USED"
            assert (await api.register(form))["reason"] == "USED"
    finally:
        database.stop()


async def fill_pool(api: Api, token: str) -> None:
    """Use as many connections at once as the pool may hold."""
    viewers = await asyncio.gather(*(api.viewer(token) for _ in range(20)))
    assert all(viewer["isOwner"] for viewer in viewers)


@contextmanager
def hanging(home: Path) -> Iterator[None]:
    """PostgreSQL answers nobody, and closes nothing."""
    stopped: set[int] = set()
    try:
        # Twice, for those that were forked before the first process was stopped.
        for _ in range(2):
            for pid in postgres_processes(home):
                os.kill(pid, signal.SIGSTOP)
                stopped.add(pid)
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


# What the log holds


async def test_no_password_token_or_whole_key_gets_into_the_log(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """However a request ends: well, refused, malformed, or in a failure of ours."""
    gatehouse.start()
    key, other = await issue_key(database), await issue_key(database)
    form = registration(key)
    wrong = "Wr0ng!password"
    async with client(gatehouse) as api:
        tokens = [(await api.register(form))["accessToken"], (await api.login(form["email"]))["accessToken"]]
        await api.login(form["email"], wrong)
        await api.validate(key)
        await api.viewer(tokens[0])
        await api.register({**form, "betaKey": other, "nit": "x"})
        await api.register({**form, "betaKey": other})
        await api.post(REGISTER, i={**form, "password": [PASSWORD, {}], "betaKey": {"key": key}})
        await api.post(REGISTER.replace("$i:", f'$i: "{PASSWORD}" {key}'), i=form)
        await api.http.post("/api/auth/login", json={"email": form["email"], "password": wrong})
        await api.http.get(f"/api/beta-keys/validate/{key}")
        # A constraint that nobody foresaw: PostgreSQL's answer repeats the row.
        await database.execute("ALTER TABLE users ADD CONSTRAINT unforeseen CHECK (email = '') NOT VALID")
        try:
            failed = await ask(api, REGISTER, i=registration(other))
        finally:
            await database.execute("ALTER TABLE users DROP CONSTRAINT unforeseen")
        assert_masked(failed, "INTERNAL")
        assert (await api.login(form["email"]))["__typename"] == "SignedIn"

    log = gatehouse.log.read_text()
    assert len(lines_of(gatehouse, failed.headers["x-request-id"])) == 1
    assert [secret for secret in (PASSWORD, wrong, *tokens, key, other, "$argon2") if secret in log] == []


async def ask(api: Api, query: str, token: str | None = None, **variables: Any) -> httpx.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return await api.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


def assert_masked(response: httpx.Response, code: str) -> None:
    """The answer is one GraphQL error of that code, and tells nothing of what is behind it."""
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": code}
    assert_tells_nothing(response.text)


def assert_tells_nothing(text: str) -> None:
    inside = [
        "127.0.0.1",
        "hunter2",
        "beta_keys",
        "users",
        "sessions",
        ".py",
        "/",
        "Error:",
        "asyncpg",
        "Errno",
    ]
    assert [word for word in inside if word in text] == []


def lines_of(process: GatehouseProcess, request_id: str) -> list[str]:
    return [line for line in process.log.read_text().splitlines() if f"[{request_id}]" in line]


def test_of_two_first_starts_at_once_both_serve_and_one_makes_the_key(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    servers = [
        GatehouseProcess(tmp_path / f"{number}.log", DATABASE_URL="", GATEHOUSE_HOME=home)
        for number in range(2)
    ]
    try:
        for server in servers:
            server.start(wait=False)
        for server in servers:
            server.wait_until_up()
            assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready"}
        printed = "".join(server.log.read_text() for server in servers)
        assert printed.count("A beta key to try") == 1
        assert "Traceback" not in printed
    finally:
        for server in servers:
            server.stop()


def test_when_the_parent_of_several_is_killed_its_workers_end(tmp_path: Path) -> None:
    """Left behind, they would answer on and keep the port from the next start."""
    server = GatehouseProcess(tmp_path / "gatehouse.log", WORKERS="2")
    server.start()
    try:
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(20)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{server.url}/healthz", timeout=1)
            except httpx.TransportError:
                break
            time.sleep(0.05)
        server.start()
        assert httpx.get(f"{server.url}/healthz").text == "ok"
        assert "cannot listen" not in server.log.read_text()
    finally:
        server.stop()


def smoke(url: str) -> tuple[int, str]:
    done = subprocess.run([GATEHOUSE, "smoke", url], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_server_that_runs_passes_the_smoke_checks(start: Start) -> None:
    assert smoke(f"{start().url}/") == (0, "all is well\n")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://x", "nowhere"])
def test_what_is_no_server_fails_the_smoke_checks(url: str) -> None:
    code, told = smoke(url)

    assert code == 1
    assert "Traceback" not in told
    assert "/readyz" in told or "is not an HTTP URL" in told


async def test_a_client_does_not_choose_its_address_by_a_header(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    await asyncio.to_thread(gatehouse.start)
    body = {"query": REGISTER, "variables": {"i": registration(await issue_key(database))}}
    headers = {"x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.7"}

    async with httpx.AsyncClient() as http:
        await http.post(f"{gatehouse.url}/graphql", json=body, headers=headers)

    assert await database.fetchval('SELECT "ipAddress" FROM sessions') == "127.0.0.1"
