"""`gatehouse serve` in processes of its own: starts, stops and kills."""

import asyncio
import os
import re
import signal
import time
from pathlib import Path

import asyncpg
import httpx
import pytest

from api.database.embedded import EmbeddedServer
from api.deploy.migrations.pending import migration_ids
from tests.server.serving import (
    VALIDATE,
    Registered,
    Start,
    ask,
    assert_masked,
    client,
    lines_of,
    ready_status,
    refusal,
)
from tests.support import (
    PASSWORD,
    REGISTER,
    GatehouseProcess,
    free_port,
    is_running,
    issue_key,
    migrate,
    registration,
)

pytestmark = pytest.mark.anyio


# Starting and ending, on the embedded server


def test_the_first_start_prints_the_address_and_one_key_set_apart(registered: Registered) -> None:
    addresses = re.findall(
        r"\n\nGatehouse is ready:  http://127\.0\.0\.1:\d+/graphql\n"
        r"For its clients:     introspection on, GraphiQL on\n"
        r"A beta key to try:   BETA-\S+\n\n",
        registered.output,
    )
    keys = re.findall(r"BETA-[2-9A-Z]{5}-[2-9A-Z]{5}", registered.output)

    assert len(addresses) == 1
    assert keys == [registered.key]


def test_the_key_of_the_first_start_registers_a_business(registered: Registered) -> None:
    assert registered.answer["__typename"] == "Registration"
    assert registered.answer["user"]["isOwner"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("by", "workers"),
    [("Ctrl-C", "1"), ("SIGTERM", "1"), pytest.param("Ctrl-C", "2", marks=pytest.mark.slow)],
)
async def test_a_later_start_serves_the_same_data_and_ends_quietly(
    registered: Registered, start: Start, by: str, workers: str
) -> None:
    """It prints no key, serves the old data, and ends with exit code 0 together with PostgreSQL.

    These servers are new programs, which end as they do for an operator.
    """
    process = start(is_forked=False, **registered.environment, WORKERS=workers)
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
    lines = [line for line in process.log.read_text().splitlines() if not line.endswith("[-] stopped")]
    clients = "For its clients:     introspection on, GraphiQL on"
    assert lines == ["", f"Gatehouse is ready:  {process.url}/graphql", clients, ""]


@pytest.mark.parametrize(
    ("introspection", "graphiql", "expected"),
    [("", "", "introspection=operators graphiql=False"), ("off", "on", "introspection=off graphiql=True")],
)
async def test_a_deployed_server_says_what_it_shows_to_clients(
    gatehouse: GatehouseProcess, introspection: str, graphiql: str, expected: str
) -> None:
    gatehouse.environment |= {"INTROSPECTION": introspection, "GRAPHIQL": graphiql}

    gatehouse.start()

    assert f"serving url={gatehouse.url} {expected}" in gatehouse.log.read_text()


async def test_a_second_server_on_the_same_port_does_not_disturb_the_first(
    registered: Registered, start: Start
) -> None:
    """It fails with one line that names the port; the first one continues to serve."""
    first = start(**registered.environment)

    second = start(**{**registered.environment, "PORT": str(first.port)}, wait=False)

    assert str(first.port) in refusal(second)
    async with client(first) as api:
        assert (await api.viewer(registered.token))["tenant"] == registered.answer["tenant"]


async def test_a_killed_server_starts_again_with_its_data(registered: Registered, start: Start) -> None:
    """SIGKILL to the group leaves PostgreSQL running; the next server uses it, and stops it at its end."""
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
        ("DATABASE_URL", "postgresql://gatehouse:hunter2@db.internal:54x2/gatehouse"),
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


# Pending migrations


async def test_pending_migrations_are_named_until_they_are_applied(empty_database: str, start: Start) -> None:
    """The log has the command, and /readyz answers 503 with the ids, then 200 without a restart."""
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
        assert_masked(answer, "UNAVAILABLE")
        assert len(lines_of(process, "early-1")) == 1

        migrate(empty_database)
        assert await ready_status(api) == 200
        assert (await api.validate("BETA-TEST-12345"))["reason"] == "NOT_FOUND"


async def test_db_sync_applies_pending_migrations_and_warns(empty_database: str, start: Start) -> None:
    process = start(DATABASE_URL=empty_database, DB_SYNC="true")

    async with client(process) as api:
        assert await ready_status(api) == 200
    (warning, *_) = process.log.read_text().splitlines()
    assert "WARNING" in warning
    assert "DB_SYNC is on" in warning
    assert "unset it after the deploy" in warning


def test_db_sync_without_a_database_ends_the_start(start: Start) -> None:
    """The migrations would stay pending when the database is back; a supervisor starts the process again."""
    process = start(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{free_port()}/x", DB_SYNC="true", wait=False)

    assert process.process.wait(30) == 1
    log = process.log.read_text()
    assert "DB_SYNC is on" in log
    assert "the database cannot be reached" in log.splitlines()[-1]
    assert "Traceback" not in log


@pytest.mark.slow
async def test_a_failed_migration_of_db_sync_ends_the_start_with_one_line(
    empty_database: str, start: Start
) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute("CREATE TABLE users (id uuid PRIMARY KEY, email text)")
    process = start(DATABASE_URL=empty_database, DB_SYNC="true", wait=False)

    assert await asyncio.to_thread(process.process.wait, 30) == 1
    assert "the schema differs from the migrations" in process.log.read_text().splitlines()[-1]
    await connection.execute("DROP TABLE users")
    process = start(DATABASE_URL=empty_database, DB_SYNC="true")
    process.stop()
    await connection.execute("DELETE FROM migration")
    await connection.execute("ALTER TABLE migration ADD CHECK (name < '2026-11-24T00:05')")
    process = start(DATABASE_URL=empty_database, DB_SYNC="true", wait=False)
    assert await asyncio.to_thread(process.process.wait, 30) == 1
    assert "Traceback" not in process.log.read_text()
    await connection.close()


async def test_of_several_instances_with_db_sync_one_migrates(empty_database: str, start: Start) -> None:
    """All start concurrently, and each of them warns."""
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


# The log


async def test_the_log_contains_no_password_token_or_whole_key(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """For successful, refused, malformed and failing requests."""
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
        # An unexpected constraint: PostgreSQL's error repeats the row.
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


def test_of_two_concurrent_first_starts_both_serve_and_one_issues_the_key(tmp_path: Path) -> None:
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


@pytest.mark.slow
def test_server_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """If they stayed, they would occupy the port."""
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


async def test_a_client_does_not_choose_its_address_by_a_header(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    body = {"query": REGISTER, "variables": {"i": registration(await issue_key(database))}}
    headers = {"x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.7"}

    async with httpx.AsyncClient() as http:
        await http.post(f"{serving.url}/graphql", json=body, headers=headers)

    assert await database.fetchval('SELECT "ipAddress" FROM sessions') == "127.0.0.1"
