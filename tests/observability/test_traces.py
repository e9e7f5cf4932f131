"""Traces of requests, resolvers and SQL, as a collector receives them from a server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from tests.observability.collector import Collector, Span
from tests.support import PASSWORD, Api, GatehouseProcess, hire, issue_key, registration

pytestmark = pytest.mark.anyio

SERVER, CLIENT = 2, 3
"""Kinds of spans, as OTLP numbers them."""


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    collector = Collector()
    await collector.start()
    yield collector
    await collector.stop()


@pytest.fixture
async def traced(gatehouse: GatehouseProcess, collector: Collector) -> AsyncIterator[Api]:
    """A server that sends its spans every tenth of a second."""
    gatehouse.environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    async with running(gatehouse) as api:
        yield api


@asynccontextmanager
async def running(process: GatehouseProcess) -> AsyncIterator[Api]:
    # In a thread, because the collector runs in this one.
    await asyncio.to_thread(process.start)
    async with httpx.AsyncClient(base_url=process.url, timeout=20) as http:
        yield Api(http)


async def until(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not seen():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def request_span(collector: Collector, request_id: str) -> Span:
    """The span of a request, when it and all spans below it have arrived: it is the last to end."""
    await until(lambda: any(s.attributes.get("gatehouse.request_id") == request_id for s in collector.spans))
    # The spans of statements are created after their ends, perhaps in the next batch.
    await asyncio.sleep(0.3)
    (span,) = [s for s in collector.spans if s.attributes.get("gatehouse.request_id") == request_id]
    return span


def beneath(collector: Collector, span: Span) -> list[Span]:
    return [each for each in collector.spans if each.parent == span.id and each.trace == span.trace]


async def post(api: Api, query: str, request_id: str, **headers: str) -> httpx.Response:
    return await api.http.post(
        "/graphql", json={"query": query}, headers={"x-request-id": request_id, **headers}
    )


async def test_a_request_is_a_trace_of_resolvers_and_statements(
    traced: Api, collector: Collector, database: asyncpg.Connection
) -> None:
    person = await hire(database, None, "SUPER_ADMIN")
    # On a new connection the driver queries types first.
    await traced.viewer(person.token)
    await post(traced, "query Who { viewer { id } }", "one", authorization=f"Bearer {person.token}")

    request = await request_span(collector, "one")

    assert collector.paths == {"/v1/traces"}
    assert (request.name, request.kind, request.parent) == ("POST /graphql", SERVER, "")
    assert request.service == "gatehouse"
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/graphql",
        "http.response.status_code": 200,
        "gatehouse.request_id": "one",
        "gatehouse.outcome": "ok",
        "graphql.operation.name": "viewer",
    }
    (resolver,) = beneath(collector, request)
    assert resolver.name == "Query.viewer"
    (look_up,) = beneath(collector, resolver)
    (statement,) = beneath(collector, look_up)
    assert (statement.name, statement.kind) == ("SELECT", CLIENT)
    assert statement.attributes["db.system.name"] == "postgresql"
    assert "FROM sessions" in statement.attributes["db.query.text"]
    assert not any(span.failed for span in (request, resolver, look_up, statement))


async def test_resolvers_below_the_root_have_spans_and_attributes_have_none(
    traced: Api, collector: Collector, database: asyncpg.Connection
) -> None:
    answer = await traced.register(registration(await issue_key(database)))
    query = "{ viewer { email tenant { businessName seats { used } } } }"
    await post(traced, query, "two", authorization=f"Bearer {answer['accessToken']}")

    request = await request_span(collector, "two")

    resolvers = {span.name for span in collector.spans if span.trace == request.trace and "." in span.name}
    assert resolvers == {"Query.viewer", "Tenant.seats"}


async def test_the_trace_of_the_client_is_continued(traced: Api, collector: Collector) -> None:
    """By W3C's traceparent; a malformed one is ignored."""
    theirs = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await post(traced, "{ viewer { id } }", "three", traceparent=theirs)
    await post(traced, "{ viewer { id } }", "four", traceparent="00-nonsense")
    await post(traced, "{ viewer { id } }", "five", traceparent=theirs.removesuffix("01") + "00")
    await post(traced, "{ viewer { id } }", "six")

    request, fourth, _ = await asyncio.gather(
        *(request_span(collector, number) for number in ("three", "four", "six"))
    )
    assert (request.trace, request.parent) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert fourth.parent == ""
    # The client does not sample this trace.
    assert not [s for s in collector.spans if s.attributes.get("gatehouse.request_id") == "five"]


async def test_a_rest_span_is_named_by_its_route_because_the_path_may_contain_a_key(
    traced: Api, collector: Collector, database: asyncpg.Connection
) -> None:
    key = await issue_key(database)
    await traced.http.get(f"/api/beta-keys/validate/{key}?k={key}", headers={"x-request-id": "seven"})

    request = await request_span(collector, "seven")

    assert request.name == "GET /api/beta-keys/validate/{key:path}"
    assert request.attributes["http.response.status_code"] == 200
    assert key.encode() not in collector.received


async def test_a_failed_span_is_marked_without_the_message(
    traced: Api, collector: Collector, database: asyncpg.Connection
) -> None:
    """PostgreSQL's error repeats the row; no span contains it, nor a password, token or key."""
    key = await issue_key(database)
    form = registration(key)
    await database.execute("ALTER TABLE users ADD CONSTRAINT unforeseen CHECK (email = '') NOT VALID")
    try:
        body = {"query": REGISTER, "variables": {"i": form}}
        await traced.http.post("/graphql", json=body, headers={"x-request-id": "eight"})
    finally:
        await database.execute("ALTER TABLE users DROP CONSTRAINT unforeseen")
    answer = await traced.register(form)
    await traced.login(form["email"], "Wr0ng!password")
    await traced.viewer(answer["accessToken"])

    request = await request_span(collector, "eight")

    assert request.failed
    assert request.attributes["gatehouse.outcome"] == "INTERNAL"
    assert request.attributes["error.type"] == "INTERNAL"
    failed = {s.name: s.attributes["error.type"] for s in collector.spans if s.failed and s.id != request.id}
    assert failed == {"Mutation.register": "CheckViolationError", "WITH": "23514"}
    assert not [span for span in collector.spans if span.events]
    await until(lambda: sum(span.name == "Query.viewer" for span in collector.spans) == 1)
    secrets = [PASSWORD, "Wr0ng!password", key, answer["accessToken"], "$argon2", form["email"]]
    assert [secret for secret in secrets if secret.encode() in collector.received] == []


REGISTER = "mutation($i: RegisterInput!) { register(input: $i) { __typename } }"


async def test_a_query_that_answers_several_requests_is_linked_to_each(
    traced: Api, collector: Collector, database: asyncpg.Connection
) -> None:
    """The query is a child of one of them."""
    key = await issue_key(database)
    async with database.transaction():
        # The first look-up sends its query; those that arrive meanwhile share the next one.
        await database.execute("LOCK TABLE beta_keys")
        asking = [asyncio.create_task(validate(traced, key, f"many-{number}")) for number in range(4)]
        await asyncio.sleep(0.5)
    await asyncio.gather(*asking)

    await asyncio.gather(*(request_span(collector, f"many-{number}") for number in range(4)))
    look_ups = [span for span in collector.spans if span.name == "shared look-up"]
    assert sum(1 + len(span.links) for span in look_ups) == 4
    assert len(look_ups) < 4
    resolvers = {span.id for span in collector.spans if span.name == "Query.validateBetaKey"}
    assert {asked for span in look_ups for asked in (span.parent, *span.links)} == resolvers


async def validate(api: Api, key: str, request_id: str) -> None:
    await post(api, f'{{ validateBetaKey(key: "{key}") {{ valid }} }}', request_id)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["away", "refuses", "hangs"])
async def test_a_collector_that_refuses_spans_delays_no_request(
    gatehouse: GatehouseProcess, collector: Collector, how: str
) -> None:
    """Requests succeed, the log reports it once, and the server can stop."""
    gatehouse.environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    if how == "away":
        await collector.stop()
    collector.status, collector.hangs = (503 if how == "refuses" else 200), how == "hangs"
    async with running(gatehouse) as api:
        reports = 0
        deadline = time.monotonic() + 30
        while not reports or (how != "away" and collector.requests < 3):
            assert time.monotonic() < deadline, gatehouse.log.read_text()
            assert (await api.validate("x"))["valid"] is False
            reports = gatehouse.log.read_text().count("traces cannot be sent")
            await asyncio.sleep(0.1)
        for _ in range(20):
            await api.validate("x")
            await asyncio.sleep(0.1)

    assert await asyncio.to_thread(gatehouse.interrupt) == 0
    lines = gatehouse.log.read_text().splitlines()
    assert len([line for line in lines if "traces cannot be sent" in line]) == 1
    usual = ("serving", "stopped", "traces", "not set: ", "OPERATOR_SECOND_FACTOR")
    assert [line for line in lines if not any(word in line for word in usual)] == []


async def test_a_collector_gets_spans_again_after_an_outage(
    gatehouse: GatehouseProcess, collector: Collector
) -> None:
    collector.status = 400
    gatehouse.environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    async with running(gatehouse) as api:
        await api.validate("x")
        await until(lambda: "traces cannot be sent" in gatehouse.log.read_text())
        collector.status = 200
        await api.validate("x")
        await until(lambda: "traces are sent again" in gatehouse.log.read_text())

    assert collector.spans


async def test_remaining_spans_are_sent_when_the_server_ends(
    gatehouse: GatehouseProcess, collector: Collector
) -> None:
    gatehouse.environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        "OTEL_SERVICE_NAME": "the-door",
    }
    async with running(gatehouse) as api:
        await api.validate("x")
        assert collector.spans == []

    assert await asyncio.to_thread(gatehouse.interrupt) == 0
    assert "POST /graphql" in [span.name for span in collector.spans]
    assert {span.service for span in collector.spans} == {"the-door"}
