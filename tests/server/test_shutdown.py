"""The end of a server by SIGTERM under load, and what tells clients and proxies to try again."""

import asyncio
import json
import subprocess
import time
from collections import Counter
from pathlib import Path

import asyncpg
import httpx
import pytest

from api.settings import Settings
from tests.domain.test_races import half_done
from tests.server.serving import VALIDATE, Start
from tests.support import GATEHOUSE, REGISTER, GatehouseProcess, issue_key, make_app, registration

pytestmark = pytest.mark.anyio


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
async def test_no_request_fails_behind_a_load_balancer_that_asks_whether_the_server_is_ready(
    gatehouse: GatehouseProcess, database: asyncpg.Connection, workers: str
) -> None:
    gatehouse.environment |= {"DRAIN_SECONDS": "2", "WORKERS": workers}
    gatehouse.start()
    forms = [registration(await issue_key(database)) for _ in range(500)]
    is_ready, outcomes = True, Counter[str]()

    async def send(http: httpx.AsyncClient, *, registers: bool) -> None:
        while is_ready:
            body = {"query": REGISTER, "variables": {"i": forms.pop()}} if registers else {"query": VALIDATE}
            try:
                response = await http.post("/graphql", json=body)
                outcomes[f"{response.status_code} {'errors' in response.json()}"] += 1
            except httpx.TransportError as error:
                outcomes[repr(error)] += 1

    async with httpx.AsyncClient(base_url=gatehouse.url, timeout=40) as http:
        clients = [asyncio.create_task(send(http, registers=number < 4)) for number in range(12)]
        await asyncio.sleep(0.5)
        terminated = time.monotonic()
        gatehouse.process.terminate()
        while (answer := await http.get("/readyz")).status_code == 200:
            assert time.monotonic() < terminated + 1.5
            await asyncio.sleep(0.02)
        # Until the next check, the load balancer still sends requests.
        await asyncio.sleep(0.2)
        is_ready = False
        await asyncio.gather(*clients)
    code = await asyncio.to_thread(gatehouse.process.wait, 40)

    assert answer.json() == {"status": "unavailable", "reason": "the server stops", "code": "STOPPING"}
    assert int(answer.headers["retry-after"]) > 0
    assert set(outcomes) == {"200 False"}
    assert code == 0
    assert time.monotonic() - terminated >= 2
    assert "Traceback" not in gatehouse.log.read_text()
    assert await half_done(database) == {}


@pytest.mark.slow
async def test_requests_that_wait_at_the_end_are_answered(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """Without a load balancer: those that connected get an answer, and none of them is a failure."""
    gatehouse.environment |= {"DRAIN_SECONDS": "0", "MAX_QUEUE_SECONDS": "3"}
    gatehouse.is_forked = False
    gatehouse.start()
    forms = [registration(await issue_key(database)) for _ in range(400)]
    limits = httpx.Limits(max_connections=400)
    async with httpx.AsyncClient(base_url=gatehouse.url, timeout=60, limits=limits) as http:
        posts = [http.post("/graphql", json={"query": REGISTER, "variables": {"i": form}}) for form in forms]
        sent = asyncio.gather(*posts)
        while not await database.fetchval("SELECT count(*) > 5 FROM tenants"):
            await asyncio.sleep(0.01)
        gatehouse.process.terminate()
        responses = await sent
    code = await asyncio.to_thread(gatehouse.process.wait, 40)

    answers = [response.json() for response in responses]
    refused = [one["errors"][0]["extensions"]["code"] for one in answers if "errors" in one]
    registered = [one["data"]["register"]["__typename"] for one in answers if "errors" not in one]
    assert {response.status_code for response in responses} == {200}
    assert set(refused) <= {"OVERLOADED"}
    assert set(registered) == {"Registration"}
    assert await database.fetchval("SELECT count(*) FROM tenants") == len(registered)
    assert code == 0
    assert "Traceback" not in gatehouse.log.read_text()


async def test_a_request_that_outlasts_the_listener_is_answered(gatehouse: GatehouseProcess) -> None:
    gatehouse.environment["DRAIN_SECONDS"] = "0"
    gatehouse.start()
    body = json.dumps({"query": VALIDATE}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gatehouse.port)
    head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: "
    writer.write(f"{head}{len(body)}\r\n\r\n".encode())
    await asyncio.sleep(0.3)
    gatehouse.process.terminate()
    while True:
        try:
            _, other = await asyncio.open_connection("127.0.0.1", gatehouse.port)
            other.close()
            await asyncio.sleep(0.02)
        except ConnectionRefusedError:
            break
    writer.write(body)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer
    assert await asyncio.to_thread(gatehouse.process.wait, 20) == 0


async def test_a_second_sigterm_ends_the_server_at_once(gatehouse: GatehouseProcess) -> None:
    gatehouse.environment["DRAIN_SECONDS"] = "60"
    gatehouse.start()
    gatehouse.process.terminate()
    async with httpx.AsyncClient() as http:
        while (await http.get(f"{gatehouse.url}/readyz")).status_code == 200:
            await asyncio.sleep(0.02)
    gatehouse.process.terminate()

    assert await asyncio.to_thread(gatehouse.process.wait, 20) == 0


async def test_an_idle_connection_ends_after_the_setting(gatehouse: GatehouseProcess) -> None:
    gatehouse.environment["KEEP_ALIVE_SECONDS"] = "1"
    gatehouse.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", gatehouse.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    started = time.monotonic()
    await asyncio.wait_for(reader.read(), 20)
    writer.close()

    assert time.monotonic() - started >= 0.9


def test_the_defaults_suit_proxies_and_load_balancers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRAIN_SECONDS")
    assert (Settings().drains_for, Settings().keeps_alive_for) == (5, 5)
    monkeypatch.setenv("TRUSTED_PROXIES", "none")
    assert Settings().keeps_alive_for == 5
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8")
    assert Settings().keeps_alive_for == 75
    monkeypatch.delenv("DATABASE_URL")
    assert Settings().drains_for == 0


@pytest.mark.slow
async def test_few_open_files_are_one_line_at_start(tmp_path: Path, gatehouse: GatehouseProcess) -> None:
    with (tmp_path / "limited.log").open("w") as log:
        command = ["sh", "-c", f"ulimit -n 300; exec {GATEHOUSE} serve"]
        process = subprocess.Popen(command, env=gatehouse.environment, stdout=log, stderr=log)  # noqa: ASYNC220
    gatehouse.process = process
    await asyncio.to_thread(gatehouse.wait_until_up)
    process.terminate()

    assert await asyncio.to_thread(process.wait, 20) == 0
    lines = (tmp_path / "limited.log").read_text().splitlines()
    (line,) = [line for line in lines if "ulimit -n" in line]
    assert line.endswith("limit=300")


async def test_each_503_and_429_says_when_to_try_again(
    start: Start, empty_database: str, database: asyncpg.Connection
) -> None:
    """Pending migrations, a database that is away, a limit, and a request that takes too long."""
    form = registration(await issue_key(database))
    pending = start(DATABASE_URL=empty_database)
    limited = start(RATE_LIMITS="on", RATE_LIMIT_VALIDATE="1/hour", RATE_LIMIT_REGISTER="1/hour")
    late = httpx.ASGITransport(make_app("plans", max_seconds=0.0001), raise_app_exceptions=False)
    async with (
        httpx.AsyncClient(base_url=pending.url) as of_pending,
        httpx.AsyncClient(base_url=limited.url) as of_limited,
        httpx.AsyncClient(base_url="http://gatehouse.test", transport=late) as of_late,
    ):
        await of_limited.get("/api/beta-keys/validate/x")
        await of_limited.post("/api/auth/register", json=form)
        responses = [
            await of_pending.get("/readyz"),
            await of_pending.get("/api/beta-keys/validate/x"),
            await of_limited.get("/api/beta-keys/validate/x"),
            await of_limited.post("/api/auth/register", json=form),
            await of_late.post("/graphql", json={"query": REGISTER, "variables": {"i": form}}),
            await of_late.post("/api/auth/register", json=form),
        ]

    assert [response.status_code for response in responses] == [503, 503, 429, 429, 503, 503]
    assert [int(response.headers["retry-after"]) > 0 for response in responses] == [True] * 6
