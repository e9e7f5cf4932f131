"""Errors: a clear message for the client, all details in the log, and a server that continues."""

import logging
import re
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support import REGISTER, Api, everything, issue_key, registration

pytestmark = pytest.mark.anyio

INTERNALS = re.compile(
    r"/[a-z]+/|\.py\b|beta_keys|users\b|tenants\b|sessions|asyncpg|Traceback|SELECT|postgres", re.I
)


def graphql(**body: Any) -> dict[str, Any]:
    return {"json": body}


REQUESTS: dict[str, tuple[dict[str, Any], int]] = {
    "not JSON": ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
    "not UTF-8": ({"content": b'{"query": "\xff"}', "headers": {"content-type": "application/json"}}, 400),
    "not an object": ({"json": [{"query": "{ viewer { id } }"}]}, 400),
    "no content type": ({"content": b"{}"}, 415),
    "a simple cross-site form": ({"data": {"query": "{ viewer { id } }"}}, 415),
    "no query": (graphql(), 400),
    "a query that is no text": (graphql(query=3), 400),
    "a megabyte": (graphql(query="#" * 1_000_000), 413),
    "does not parse": (graphql(query="{ viewer { id "), 400),
    "an unknown field": (graphql(query="{ viewer { passwordHash } }"), 400),
    "an unknown operation": (graphql(query="query a { viewer { id } }", operationName="b"), 400),
    "a variable that is missing": (
        graphql(query="query($k: String!) { validateBetaKey(key: $k) { valid } }"),
        400,
    ),
    "a variable of another type": (
        graphql(query="query($k: String!) { validateBetaKey(key: $k) { valid } }", variables={"k": 3}),
        400,
    ),
    "an unknown business type": (
        graphql(query=REGISTER, variables={"i": registration("x", businessType="BANK")}),
        400,
    ),
    "a lone surrogate in the document": (graphql(query=r'{ validateBetaKey(key: "\ud800") { valid } }'), 400),
    "a subscription": (graphql(query="subscription { viewer { id } }"), 400),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_bad_request_is_logged_in_one_line(
    api: Api, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A clear response with its status and no internal details, one log line, and a server that continues."""
    request, status = REQUESTS[name]
    headers = {"accept": "application/graphql-response+json", **request.get("headers", {})}
    caplog.set_level(logging.INFO, logger="gatehouse")

    response = await api.http.post("/graphql", **{**request, "headers": headers})

    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"errors"}
    assert all(error["message"] for error in body["errors"])
    assert not INTERNALS.search(response.text), response.text
    assert len([record for record in caplog.records if record.name == "gatehouse"]) == 1
    assert (await api.validate("BETA-TEST-12345"))["valid"] is False


async def test_a_key_of_ten_thousand_characters_is_not_found(api: Api) -> None:
    assert (await api.validate("B" * 10_000))["reason"] == "NOT_FOUND"


@pytest.mark.parametrize("path", ["/graphql", "/api/auth/register"])
async def test_an_unexpected_failure_is_masked_and_logged_with_its_id(
    api: Api, database: asyncpg.Connection, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    key = await issue_key(database)
    form = registration(key)
    body = {"query": REGISTER, "variables": {"i": form}} if path == "/graphql" else form
    await database.execute("REVOKE INSERT ON audit_events FROM application")
    try:
        response = await api.http.post(path, json=body, headers={"x-request-id": "night-7"})
    finally:
        await database.execute("GRANT INSERT ON audit_events TO application")

    answer = response.json()
    error = answer["errors"][0] if path == "/graphql" else answer
    code = error["extensions"]["code"] if path == "/graphql" else error["code"]
    assert code == "INTERNAL"
    assert response.status_code == (200 if path == "/graphql" else 500)
    assert response.headers["x-request-id"] == "night-7"
    assert not INTERNALS.search(response.text)
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "audit_events" in everything([record])
    assert form["password"] not in everything(caplog.records)
    assert key not in everything(caplog.records)
    assert await database.fetchval("SELECT count(*) FROM tenants") == 0
    assert (await api.validate(key))["valid"]


async def test_the_failures_of_one_request_are_one_line(
    api: Api, database: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await database.execute("REVOKE SELECT ON sessions FROM application")
    try:
        answer = await api.post("{ a: viewer { id } b: viewer { id } c: viewer { id } }", "x" * 43)
    finally:
        await database.execute("GRANT SELECT ON sessions TO application")

    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INTERNAL"] * 3
    (record,) = [record for record in caplog.records if record.name == "gatehouse"]
    assert "'more': 2" in everything([record])


@pytest.mark.parametrize(
    ("given", "taken"),
    [("order-7.a_b:c", True), ("x" * 65, False), ("a b", False), ("", False), ("é", False)],
)
async def test_a_valid_request_id_of_the_client_is_used(api: Api, given: str, taken: bool) -> None:
    response = await api.http.get("/healthz", headers=[(b"x-request-id", given.encode())])

    answered = response.headers["x-request-id"]
    assert (answered == given) is taken
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", answered)


async def test_values_of_variables_are_not_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """graphql-core repeats a wrong value in its message, and that value may be a password."""
    caplog.set_level(logging.INFO)
    form = registration("x", password=["S3cret!value"])

    await api.post(REGISTER, i=form)

    assert "S3cret" not in everything(caplog.records)


async def test_readyz_answers_ready_with_a_database(api: Api) -> None:
    ready: httpx.Response = await api.http.get("/readyz")

    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    assert (await api.http.get("/healthz")).text == "ok"
