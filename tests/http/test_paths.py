"""Paths: with a slash at the end, unknown, and asked for their methods."""

import logging

import asyncpg
import pytest
from graphql import build_schema

from tests.support import PASSWORD, ROOT, Api, issue_key, registration

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("slashes", ["/", "//"])
async def test_a_path_with_a_slash_at_its_end_is_answered_as_without_it(
    api_with_plans: Api, database: asyncpg.Connection, slashes: str
) -> None:
    """Never by a redirect, whose address would be built from the Host header."""
    http = api_with_plans.http
    key = await issue_key(database)

    valid = await http.get(f"/api/beta-keys/validate/{key}{slashes}")
    registered = await http.post(f"/api/auth/register{slashes}", json=(form := registration(key)))
    login = {"email": form["email"], "password": PASSWORD}
    signed_in = await http.post(f"/api/auth/login{slashes}", json=login, headers={"host": "evil.example.com"})

    assert valid.json()["valid"] is True
    assert registered.status_code == 201
    assert signed_in.json()["user"]["email"] == form["email"]
    for path in ("/graphql", "/healthz", "/readyz", "/graphql/schema.graphql"):
        plain, slashed = [
            await http.get(address, params={"query": "{ __typename }"}) for address in (path, path + slashes)
        ]
        assert (slashed.status_code, slashed.text) == (200, plain.text)
    for path in ("/unknown", "/api/auth"):
        assert (await http.get(path)).status_code == 404
        assert (await http.get(path + slashes, headers={"host": "evil.example.com"})).status_code == 404


async def test_the_root_is_unknown(api_with_plans: Api) -> None:
    assert (await api_with_plans.http.get("/")).status_code == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/graphql", "GET, OPTIONS, POST"),
        ("/api/auth/login", "OPTIONS, POST"),
        ("/api/beta-keys/validate/x", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options_lists_the_methods_of_a_path(api_with_plans: Api, path: str, allowed: str) -> None:
    response = await api_with_plans.http.options(path)

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["allow"] == allowed
    assert (await api_with_plans.http.put(path)).headers["allow"] == allowed


async def test_options_of_an_unknown_path_gets_404(api_with_plans: Api) -> None:
    assert (await api_with_plans.http.options("/unknown")).status_code == 404


async def test_the_log_names_an_unknown_path_and_method(
    api_with_plans: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="gatehouse")

    await api_with_plans.http.post("/graphq?token=secret", json={})
    await api_with_plans.http.get("/" + "x" * 500)

    records = [vars(record) for record in caplog.records if record.name == "gatehouse"]
    logged = [(record["method"], record["path"]) for record in records]
    assert logged == [("POST", "/graphq"), ("GET", "/" + "x" * 199)]


async def test_the_schema_is_served_in_its_definition_language(api_with_plans: Api) -> None:
    response = await api_with_plans.http.get("/graphql/schema.graphql")

    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == (ROOT / "schema.graphql").read_text()
    assert build_schema(response.text).query_type is not None
