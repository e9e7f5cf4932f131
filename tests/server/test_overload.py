"""More registrations and sign-ins than the server can hash passwords for, over real connections."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from tests.domain.test_races import half_done
from tests.support import LOGIN, PASSWORD, REGISTER, GatehouseProcess, issue_key, registration

pytestmark = pytest.mark.anyio

TOKEN = "t0ken-of-the-scraper"


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any
    ended: float
    seconds: float

    @property
    def outcome(self) -> str:
        """The type of the data, or the code of the error."""
        if "errors" in self.body:
            return self.body["errors"][0]["extensions"]["code"]
        return next(iter(self.body["data"].values()))["__typename"]


async def send(
    process: GatehouseProcess, path: str, body: dict[str, Any], language: str = "en"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    text = json.dumps(body)
    writer.write(
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\naccept-language: {language}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode()
    )
    await writer.drain()
    return reader, writer


async def ask(
    process: GatehouseProcess, body: dict[str, Any], path: str = "/graphql", language: str = "en"
) -> Response:
    started = time.monotonic()
    reader, writer = await send(process, path, body, language)
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        text = await reader.readexactly(int(headers["content-length"]))
    finally:
        writer.transport.abort()
    ended = time.monotonic()
    return Response(int(head[0].split()[1]), headers, json.loads(text), ended, ended - started)


async def forms(database: asyncpg.Connection, count: int) -> list[dict[str, Any]]:
    return [registration(await issue_key(database)) for _ in range(count)]


def register(form: dict[str, Any]) -> dict[str, Any]:
    return {"query": REGISTER, "variables": {"i": form}}


def login(email: str) -> dict[str, Any]:
    return {"query": LOGIN, "variables": {"i": {"email": email, "password": PASSWORD}}}


async def scrape(process: GatehouseProcess) -> dict[str, float]:
    """The series of the queue and of refused requests."""
    async with httpx.AsyncClient() as http:
        response = await http.get(f"{process.url}/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    lines = [line.rpartition(" ") for line in response.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines if "hash_queue" in name or "OVERLOADED" in name}


def start(process: GatehouseProcess, **environment: str) -> None:
    process.environment |= {"METRICS_TOKEN": TOKEN, "MAX_QUEUE_SECONDS": "3", **environment}
    # Forked from the tests, it would hash at the lowest cost.
    process.is_forked = False
    process.start()


@asynccontextmanager
async def flood(process: GatehouseProcess, bodies: list[dict[str, Any]]) -> AsyncIterator[list[Response]]:
    """Clients that send one request after the other, each from `bodies`, until the block ends.

    After a refusal each pauses, or they would keep the cores from hashing.
    """
    responses: list[Response] = []

    async def repeat() -> None:
        while bodies:
            responses.append(await ask(process, bodies.pop()))
            if responses[-1].outcome == "OVERLOADED":
                await asyncio.sleep(0.5)

    clients = [asyncio.create_task(repeat()) for _ in range(400)]
    try:
        yield responses
    finally:
        for one in clients:
            one.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


@pytest.mark.slow
async def test_registrations_of_clients_that_hung_up_delay_no_other_one(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """600 are sent and abandoned. They leave the queue, and the keys of those that waited stay free."""
    start(gatehouse)
    abandoned = await forms(database, 600)
    (honest,) = await forms(database, 1)
    alone = await ask(gatehouse, register((await forms(database, 1))[0]))
    connections = [await send(gatehouse, "/graphql", register(form)) for form in abandoned]
    for _, writer in connections:
        writer.transport.abort()

    response = await ask(gatehouse, register(honest))
    series = await scrape(gatehouse)

    assert response.outcome == "Registration"
    # 4 s on idle cores; those of the tests are busy.
    assert response.seconds < max(8, 60 * alone.seconds)
    assert series['gatehouse_hash_queue{share="registration"}'] == 0
    assert await database.fetchval('SELECT count(*) < 500 FROM beta_keys WHERE "isUsed"')
    assert await half_done(database) == {}


@pytest.mark.slow
async def test_a_flood_of_registrations_does_not_stop_a_sign_in(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    start(gatehouse)
    (known,) = await forms(database, 1)
    assert (await ask(gatehouse, register(known))).outcome == "Registration"

    async with flood(gatehouse, list(map(register, await forms(database, 3000)))) as registrations:
        async with asyncio.timeout(20):
            while sum(response.outcome == "OVERLOADED" for response in registrations) < 20:
                await asyncio.sleep(0.01)
        sign_ins = [await ask(gatehouse, login(known["email"])) for _ in range(10)]

    assert {response.outcome for response in sign_ins} == {"SignedIn"}
    # Registrations wait for up to 3 s.
    assert sorted(response.seconds for response in sign_ins)[5] < 1
    assert any(response.outcome == "Registration" for response in registrations)


@pytest.mark.slow
async def test_a_request_that_would_wait_too_long_is_refused_at_once(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """By GraphQL in `errors`, by REST with status 503; both say when to try again. The others succeed."""
    start(gatehouse, MAX_QUEUE_SECONDS="0.3")
    many = await forms(database, 120)
    bodies = list(map(register, many[:90]))

    rest = [ask(gatehouse, form, "/api/auth/register", "es") for form in many[90:]]
    responses = await asyncio.gather(*(ask(gatehouse, body) for body in bodies), *rest)
    graphql, rest = responses[:90], responses[90:]
    series = await scrape(gatehouse)

    assert set(Counter(response.outcome for response in graphql)) == {"Registration", "OVERLOADED"}
    for response in graphql:
        assert response.status == 200
        if response.outcome == "OVERLOADED":
            (error,) = response.body["errors"]
            assert error["extensions"]["retryAfterSeconds"] >= 1
            assert response.headers["retry-after"] == str(error["extensions"]["retryAfterSeconds"])
            assert response.body["data"] is None
        else:
            assert "retry-after" not in response.headers
    refused = [response for response in rest if response.status == 503]
    assert refused
    for response in refused:
        assert response.body["code"] == "OVERLOADED"
        assert response.body["message"].startswith("Hay muchas personas")
        assert int(response.headers["retry-after"]) >= 1
    registered = sum(response.outcome == "Registration" for response in graphql)
    admitted = registered + sum(response.status < 300 for response in rest)
    assert await database.fetchval("SELECT count(*) FROM tenants") == admitted
    assert series['gatehouse_requests_total{operation="register",outcome="OVERLOADED"}'] == sum(
        response.outcome == "OVERLOADED" for response in graphql
    )
    # They succeed when they are sent again.
    again = bodies[[response.outcome for response in graphql].index("OVERLOADED")]
    assert (await ask(gatehouse, again)).outcome == "Registration"
