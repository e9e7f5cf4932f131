"""Limits of requests: seconds, bytes, content types and origins."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support import REGISTER, Api, Execution, issue_key, make_app, registration

pytestmark = pytest.mark.anyio


@pytest.fixture
async def hurried(api: Api, execution: Execution) -> AsyncIterator[Api]:
    """The application with half a second for each request."""
    transport = httpx.ASGITransport(make_app(execution, max_seconds=0.5), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatehouse.test") as client:
        yield Api(client)


def _posts(path: str, form: dict[str, Any]) -> dict[str, Any]:
    return {"query": REGISTER, "variables": {"i": form}} if path == "/graphql" else form


@pytest.mark.parametrize("path", ["/graphql", "/api/auth/register"])
async def test_a_late_request_is_cancelled_and_rolled_back(
    hurried: Api, database: asyncpg.Connection, path: str
) -> None:
    """The registration waits in its transaction, after the inserts of its tenant and owner."""
    # The first registration of a process imports what it needs, which may take half a second by itself.
    await hurried.register(registration(await issue_key(database)))
    tenants = await database.fetchval("SELECT count(*) FROM tenants")
    key = await issue_key(database)
    form = registration(key, nit="900.765.432-1", email="late@example.com")
    lock = database.transaction()
    await lock.start()
    await database.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
    try:
        posted = hurried.http.post(path, json=_posts(path, form), headers={"accept-language": "es"})
        request = asyncio.create_task(posted)
        waiting = False
        while not (waiting or request.done()):
            await asyncio.sleep(0.02)
            waiting = await _registering(database)
        response = await request
    finally:
        await lock.rollback()

    answer = response.json()
    error = answer["errors"][0] if path == "/graphql" else answer
    assert response.status_code == 503
    assert (error["extensions"] if path == "/graphql" else error)["code"] == "TIMEOUT"
    assert error["message"] == "La solicitud tardó más de 0.5 s y se canceló."
    assert waiting, "the registration was not held up where it should have been"
    while await _registering(database):
        await asyncio.sleep(0.02)
    assert await database.fetchval("SELECT count(*) FROM tenants") == tenants
    assert await database.fetchval("SELECT count(*) FROM users WHERE email = 'late@example.com'") == 0
    assert (await hurried.validate(key))["valid"]


async def _registering(database: asyncpg.Connection) -> bool:
    """Whether PostgreSQL runs the statement that inserts a tenant, its owner and a session."""
    # Within a transaction, PostgreSQL shows the activity of its first look.
    await database.execute("SELECT pg_stat_clear_snapshot()")
    found = await database.fetchval(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state <> 'idle' AND query LIKE '%INSERT INTO tenants%')"
    )
    return bool(found)


@pytest.mark.parametrize("path", ["/graphql", "/api/auth/login"])
async def test_a_body_that_arrives_too_slowly_times_out(hurried: Api, path: str) -> None:
    async def dribble() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    response = await hurried.http.post(path, content=dribble(), headers={"content-type": "application/json"})

    assert response.status_code == 408
    assert "0.5 s" in response.text


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("path", ["/graphql", "/api/auth/register", "/api/auth/login"])
async def test_requests_that_a_foreign_page_can_post_are_refused(
    api: Api, path: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}

    response = await api.http.post(
        path, content=b'{"query": "{ __typename }", "email": "a@b.co", "password": "x"}', headers=headers
    )

    assert response.status_code == 415
    assert "application/json" in response.text


@pytest.mark.parametrize("path", ["/graphql", "/api/auth/register", "/api/auth/login"])
async def test_a_body_over_64_kib_is_refused_with_its_limit(api: Api, path: str) -> None:
    body = b'{"query": "{ __typename }", "email": "a@b.co", "password": "x"}'
    json = {"content-type": "application/json"}

    exact = await api.http.post(path, content=body.ljust(65_536), headers=json)
    over = await api.http.post(path, content=body.ljust(65_537), headers=json)

    assert exact.status_code not in (413, 415)
    assert over.status_code == 413
    assert "65536 bytes" in over.text


async def test_graphql_is_found_below_the_root_path_of_a_proxy() -> None:
    """The direct route matches the plain path only; below a root path Starlette's router finds GraphQL."""
    transport = httpx.ASGITransport(make_app("plans"), root_path="/beta")
    async with httpx.AsyncClient(transport=transport, base_url="http://gatehouse.test") as client:
        answer = await client.post("/beta/graphql", json={"query": "{ __typename }"})

    assert answer.json() == {"data": {"__typename": "Query"}}


# Origins

SHOP = "https://shop.example.com"

PREFLIGHT = {
    "origin": SHOP,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


@pytest.fixture
async def cross_origin(api: Api, settings: Callable[..., None]) -> AsyncIterator[httpx.AsyncClient]:
    settings(CORS_ORIGINS=f"{SHOP}, http://localhost:3000")
    transport = httpx.ASGITransport(make_app("plans"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatehouse.test") as client:
        yield client


async def test_pages_of_configured_origins_may_call(cross_origin: httpx.AsyncClient) -> None:
    preflight = await cross_origin.options("/graphql", headers=PREFLIGHT)
    answer = await cross_origin.post(
        "/graphql", json={"query": "{ __typename }"}, headers={"origin": "http://localhost:3000"}
    )

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == SHOP
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in preflight.headers
    assert answer.json() == {"data": {"__typename": "Query"}}
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "retry-after" in answer.headers["access-control-expose-headers"].lower()
    assert answer.headers["vary"].lower() == "origin"


async def test_pages_of_other_origins_may_not_call(cross_origin: httpx.AsyncClient) -> None:
    headers = PREFLIGHT | {"origin": "https://evil.example.com"}

    preflight = await cross_origin.options("/graphql", headers=headers)
    answer = await cross_origin.post("/graphql", json={"query": "{ __typename }"}, headers=headers)

    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in answer.headers


async def test_without_configured_origins_no_foreign_page_may_call(api: Api) -> None:
    preflight = await api.http.options("/graphql", headers=PREFLIGHT)
    answer = await api.http.post("/graphql", json={"query": "{ __typename }"}, headers={"origin": SHOP})

    assert preflight.status_code == 204
    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        "traceparent, tracestate, baggage, sentry-trace",
        "Apollographql-Client-Name, apollographql-client-version, Apollo-Require-Preflight",
        "x-requested-with, GraphQL-Preflight, content-type, authorization",
        "x-request-id, accept-language, accept",
    ],
)
async def test_pages_may_send_the_headers_of_tracing_and_of_clients(
    cross_origin: httpx.AsyncClient, headers: str
) -> None:
    asked = PREFLIGHT | {"access-control-request-headers": headers}

    for path in ("/graphql", "/graphql/", "/api/auth/login", "/graphql/schema.graphql"):
        assert (await cross_origin.options(path, headers=asked)).status_code == 200


async def test_an_operator_may_allow_further_headers(
    api: Api, settings: Callable[..., None], cross_origin: httpx.AsyncClient
) -> None:
    asked = PREFLIGHT | {"access-control-request-headers": "x-shop,content-type"}
    assert (await cross_origin.options("/graphql", headers=asked)).status_code == 400

    settings(CORS_ORIGINS=SHOP, CORS_HEADERS="X-Till, X-Shop")
    transport = httpx.ASGITransport(make_app("plans"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatehouse.test") as client:
        assert (await client.options("/graphql", headers=asked)).status_code == 200
