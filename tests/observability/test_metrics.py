"""/metrics: its series, and the access to it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import httpx
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.support import (
    PASSWORD,
    ROOT,
    Api,
    GatehouseProcess,
    free_port,
    issue_key,
    kill_postgres,
    registration,
)

pytestmark = pytest.mark.anyio

TOKEN = "t0ken-of-the-scraper"

Start = Callable[..., GatehouseProcess]


@pytest.fixture
def start(tmp_path: Path, database: asyncpg.Connection) -> Iterator[Start]:
    processes: list[GatehouseProcess] = []

    def begin(**environment: str) -> GatehouseProcess:
        process = GatehouseProcess(tmp_path / f"gatehouse-{len(processes)}.log", **environment)
        processes.append(process)
        process.start()
        return process

    yield begin
    for process in processes:
        process.stop()


@asynccontextmanager
async def client(process: GatehouseProcess) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=process.url, timeout=20) as http:
        yield Api(http)


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(url: str, **headers: str) -> Samples:
    async with httpx.AsyncClient(timeout=20) as http:
        response = await http.get(f"{url}/metrics", headers={"authorization": f"Bearer {TOKEN}", **headers})
    assert response.status_code == 200, response.text
    read = parse_openmetrics if "openmetrics" in response.headers["content-type"] else parse
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read(response.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"gatehouse_{name}", frozenset(labels.items())), 0)


def operations(samples: Samples) -> set[str]:
    return {dict(labels)["operation"] for name, labels in samples if name == "gatehouse_requests_total"}


async def test_requests_are_counted_by_operation_and_outcome(
    start: Start, database: asyncpg.Connection
) -> None:
    """By GraphQL and REST; operation names of clients create no series."""
    process = start(METRICS_TOKEN=TOKEN)
    form = registration(await issue_key(database))
    async with client(process) as api:
        for number in range(3):
            await api.post(f'query Guess{number} {{ validateBetaKey(key: "x") {{ valid }} }}')
        await api.post('{ a: validateBetaKey(key: "x") { valid } viewer { id } }')
        assert (await api.register(form))["__typename"] == "Registration"
        assert (await api.register({**form, "email": "nobody"}))["__typename"] == "InvalidInput"
        await api.login(form["email"], "not it")
        await api.post("{ sessions { id } }")
        await api.post("{ nothing }")
        await api.http.post("/graphql", content=b"{")
        await api.http.post("/api/auth/login", json={"email": form["email"], "password": PASSWORD})
        await api.http.post("/api/auth/login", json={"email": form["email"], "password": "not it"})
        await api.http.get("/api/beta-keys/validate/x")
        await database.execute("ALTER TABLE sessions RENAME TO sessions_away")
        try:
            await api.post("{ viewer { id } }", "x" * 43)
        finally:
            await database.execute("ALTER TABLE sessions_away RENAME TO sessions")
        await database.execute("REVOKE SELECT ON sessions FROM application")
        try:
            await api.post("{ viewer { id } }", "x" * 43)
        finally:
            await database.execute("GRANT SELECT ON sessions TO application")

    samples = await scrape(process.url)

    counted = {
        (dict(labels)["operation"], dict(labels)["outcome"]): number
        for (name, labels), number in samples.items()
        if name == "gatehouse_requests_total"
    }
    assert value(samples, "wrong_guesses_total", of="passwords") == 2
    assert counted == {
        ("validateBetaKey", "ok"): 3,
        ("several", "ok"): 1,
        ("register", "ok"): 1,
        ("register", "INVALID_INPUT"): 1,
        ("login", "WRONG_CREDENTIALS"): 1,
        ("sessions", "UNAUTHENTICATED"): 1,
        ("viewer", "UNAVAILABLE"): 1,
        ("viewer", "INTERNAL"): 1,
        ("none", "INVALID_REQUEST"): 2,
        ("REST login", "ok"): 1,
        ("REST login", "WRONG_CREDENTIALS"): 1,
        ("REST validate_beta_key", "ok"): 1,
    }


async def test_latencies_are_a_histogram_in_seconds(start: Start, database: asyncpg.Connection) -> None:
    """A registration hashes a password, which takes between a millisecond and 30 seconds."""
    process = start(METRICS_TOKEN=TOKEN)
    async with client(process) as api:
        await api.register(registration(await issue_key(database)))

    samples = await scrape(process.url)

    name = "request_duration_seconds"
    assert value(samples, f"{name}_count", operation="register") == 1
    assert value(samples, f"{name}_bucket", operation="register", le="0.001") == 0
    assert value(samples, f"{name}_bucket", operation="register", le="30.0") == 1
    assert 0.001 < value(samples, f"{name}_sum", operation="register") < 30


async def test_keys_mails_and_pool_are_measured(start: Start, database: asyncpg.Connection) -> None:
    process = start(METRICS_TOKEN=TOKEN, DB_POOL_SIZE="7")
    used = await issue_key(database)
    await issue_key(database)
    await issue_key(database)
    await database.execute(
        """INSERT INTO beta_keys (key, "revokedAt", "expiresAt") VALUES
           ('REVOKED', now(), NULL), ('EXPIRED', NULL, now() - interval '1 s')"""
    )
    async with client(process) as api:
        await api.register(registration(used))
    await database.execute(
        """INSERT INTO mails (template, recipient, language, "values", "failedAt")
           VALUES ('welcome', 'a@example.com', 'en', '{}', now()),
                  ('welcome', 'b@example.com', 'en', '{}', now())"""
    )

    samples = await scrape(process.url)

    statuses = {status: value(samples, "beta_keys", status=status) for status in ("available", "used")}
    assert statuses == {"available": 2, "used": 1}
    assert [value(samples, "beta_keys", status=status) for status in ("revoked", "expired")] == [1, 1]
    assert value(samples, "mails", state="waiting") == 1
    assert value(samples, "mails", state="failed") == 2
    assert value(samples, "pool_max_connections") == 7
    assert value(samples, "pool_connections", state="idle") >= 1
    assert value(samples, "pool_connections", state="busy") == 0
    assert value(samples, "pool_waiting") == 0
    assert value(samples, "database_up") == 1


async def test_requests_that_wait_for_a_connection_are_counted(
    start: Start, database: asyncpg.Connection
) -> None:
    process = start(METRICS_TOKEN=TOKEN, DB_POOL_SIZE="2")
    async with client(process) as api:
        assert await api.post("{ viewer { id } }", "x" * 43)
        await scrape(process.url)
        async with database.transaction():
            await database.execute("LOCK TABLE one_time_codes, users")
            asking = [
                asyncio.create_task(api.post(VERIFY, e=f"a{number}@example.com")) for number in range(5)
            ]
            # The values from the database are cached, so this scrape takes no connection.
            samples = await until(process, lambda samples: value(samples, "pool_waiting") == 3)
        await asyncio.gather(*asking)

    assert value(samples, "pool_connections", state="busy") == 2
    assert value(samples, "pool_connections", state="idle") == 0


VERIFY = "mutation($e: String!) { requestEmailVerification(email: $e) { __typename } }"


async def until(process: GatehouseProcess, seen: Callable[[Samples], bool]) -> Samples:
    deadline = time.monotonic() + 20
    while not seen(samples := await scrape(process.url)):
        assert time.monotonic() < deadline, samples
        await asyncio.sleep(0.02)
    return samples


@pytest.mark.slow
async def test_one_scrape_counts_all_processes(start: Start, database: asyncpg.Connection) -> None:
    """Also the requests of a killed process; its connections are no longer counted."""
    process = start(METRICS_TOKEN=TOKEN, WORKERS="2", DB_POOL_SIZE="3")
    one, other = children(process)
    for asked, idle in ((3, one), (4, other)):
        # A stopped process accepts no connections: the other one answers.
        os.kill(idle, signal.SIGSTOP)
        try:
            for _ in range(asked):
                async with client(process) as api:
                    await api.validate("x")
        finally:
            os.kill(idle, signal.SIGCONT)

    before = await until(process, lambda samples: value(samples, "pool_max_connections") == 6)
    os.kill(one, signal.SIGKILL)
    after = await until(
        process,
        lambda samples: one not in children(process) and value(samples, "pool_max_connections") == 6,
    )

    for samples in (before, after):
        assert value(samples, "requests_total", operation="validateBetaKey", outcome="ok") == 7
        assert value(samples, "request_duration_seconds_count", operation="validateBetaKey") == 7


def children(process: GatehouseProcess) -> list[int]:
    """The server processes."""
    parent = f"PPid:\t{process.process.pid}\n"
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        # A process may end between the listing and the reading.
        with suppress(OSError):
            if (
                b"spawn_main" in (folder / "cmdline").read_bytes()
                and parent in (folder / "status").read_text()
            ):
                found.append(int(folder.name))
    return sorted(found)


async def test_a_port_of_its_own_serves_metrics_and_nothing_else(start: Start) -> None:
    port = free_port()
    process = start(METRICS_PORT=str(port))
    own = f"http://127.0.0.1:{port}"
    async with client(process) as api:
        await api.validate("x")
        assert (await api.http.get("/metrics")).status_code == 404
        for path in ("/graphql", "/healthz", "/api/beta-keys/validate/x", "/"):
            # A Host header with another port changes nothing.
            headers = {"host": f"127.0.0.1:{process.port}"}
            assert (await api.http.get(f"{own}{path}", headers=headers)).status_code == 404, path
        assert (await api.http.get("/metrics", headers={"host": f"127.0.0.1:{port}"})).status_code == 404

    samples = await scrape(own)
    assert value(samples, "requests_total", operation="validateBetaKey", outcome="ok") == 1


async def test_a_token_is_required_on_either_port(start: Start) -> None:
    port = free_port()
    for process, url in [
        ((beside := start(METRICS_TOKEN=TOKEN)), beside.url),
        (start(METRICS_TOKEN=TOKEN, METRICS_PORT=str(port)), f"http://127.0.0.1:{port}"),
    ]:
        async with client(process) as api:
            for authorization in ("", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}"):
                refused = await api.http.get(f"{url}/metrics", headers={"authorization": authorization})
                assert (refused.status_code, "gatehouse_" in refused.text) == (401, False)
                assert refused.headers["www-authenticate"] == "Bearer"
        assert value(await scrape(url), "database_up") == 1


async def test_without_a_setting_metrics_are_not_found(api: Api) -> None:
    assert (await api.http.get("/metrics")).status_code == 404


@pytest.mark.slow
def test_without_a_setting_no_library_for_metrics_or_traces_is_loaded() -> None:
    """Without metrics and traces, their libraries cost no time and no memory."""
    command = (
        "import sys; from api.app import create_app; create_app();"
        "unwanted = {'prometheus_client', 'opentelemetry.sdk.trace', 'google.protobuf'};"
        "sys.exit(bool(unwanted & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=False).returncode == 0


async def test_a_metrics_port_that_is_taken_stops_the_start_in_one_line(
    tmp_path: Path, database: asyncpg.Connection
) -> None:
    process = GatehouseProcess(tmp_path / "gatehouse.log")
    process.environment["METRICS_PORT"] = str(taken := free_port())
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", taken)
    async with listener:
        process.start(wait=False)
        assert await asyncio.to_thread(process.process.wait, 20) == 1

    (line,) = process.log.read_text().splitlines()
    assert f"127.0.0.1:{taken}" in line
    assert "set METRICS_PORT" in line


async def test_openmetrics_is_served_on_request(start: Start) -> None:
    process = start(METRICS_TOKEN=TOKEN)
    async with client(process) as api:
        await api.validate("x")

    samples = await scrape(process.url, accept="application/openmetrics-text; version=1.0.0")

    assert value(samples, "requests_total", operation="validateBetaKey", outcome="ok") == 1


@pytest.mark.slow
async def test_a_scrape_reports_an_unavailable_database(
    start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The series from the database are missing; those of the process are present."""
    home = tmp_path_factory.mktemp("watched")
    process = start(METRICS_TOKEN=TOKEN, DATABASE_URL="", GATEHOUSE_HOME=str(home))
    async with client(process) as api:
        await api.validate("x")
        kill_postgres(home)
        await api.post('{ validateBetaKey(key: "x") { valid } }')

    samples = await scrape(process.url)

    assert value(samples, "database_up") == 0
    assert not [name for name, _ in samples if name in ("gatehouse_beta_keys", "gatehouse_mails")]
    assert value(samples, "requests_total", operation="validateBetaKey", outcome="ok") == 1
    assert value(samples, "requests_total", operation="validateBetaKey", outcome="UNAVAILABLE") == 1
    assert "Traceback" not in process.log.read_text()
