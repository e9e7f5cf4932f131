"""Who may read the schema: INTROSPECTION, and the caches that all clients share."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import asyncpg
import httpx
import pytest
from graphql import get_introspection_query

from tests.support import Api, hire, make_app

pytestmark = pytest.mark.anyio

WHOLE = get_introspection_query()

TYPE = '{ viewer { id } query { __type(name: "Query") { name } } }'

REFUSED = [
    {
        "message": "This server does not show its schema to this client.",
        "extensions": {"code": "INTROSPECTION_DISABLED"},
    }
]


@asynccontextmanager
async def serving(settings: Callable[..., None], **values: str) -> AsyncIterator[Api]:
    settings(**values)
    transport = httpx.ASGITransport(make_app("plans"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatehouse.test") as client:
        yield Api(client)


async def read(api: Api, token: str | None) -> dict[str, Any]:
    """How each way to the schema is answered."""
    query_hash = sha256(WHOLE.encode()).hexdigest()
    persisted = {"persistedQuery": {"version": 1, "sha256Hash": query_hash}}
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answers = {
        "whole": await api.post(WHOLE, token),
        "again": await api.post(WHOLE, token),
        "type": await api.post(TYPE, token),
        "hash": (
            await api.http.post(
                "/graphql", json={"query": WHOLE, "extensions": {**persisted}}, headers=headers
            )
        ).json(),
        "hash alone": (
            await api.http.post("/graphql", json={"extensions": {**persisted}}, headers=headers)
        ).json(),
        "GET": (await api.http.get("/graphql", params={"query": WHOLE}, headers=headers)).json(),
    }
    text = await api.http.get("/graphql/schema.graphql", headers=headers)
    return {**answers, "text": text.status_code}


def may_read(answers: dict[str, Any]) -> bool:
    """Checks that all ways agree."""
    refusals = [answers.pop("text") == 404, *(answer.get("errors") == REFUSED for answer in answers.values())]
    assert len(set(refusals)) == 1, answers
    return not refusals[0]


@pytest.mark.parametrize(
    ("setting", "readers"),
    [("on", {"signed out", "owner", "operator"}), ("operators", {"operator"}), ("off", set[str]())],
)
async def test_the_setting_says_who_reads_the_schema(
    setting: str, readers: set[str], settings: Callable[..., None], database: asyncpg.Connection, pool: None
) -> None:
    tenant = await database.fetchval(
        """INSERT INTO tenants ("businessName", nit, "businessType", address)
           VALUES ('El Ahorro', '900', 'TIENDA', 'Calle 1') RETURNING id"""
    )
    tokens = {
        "signed out": None,
        "owner": (await hire(database, tenant, "ADMIN", isOwner=True)).token,
        "operator": (await hire(database, None, "SUPER_ADMIN")).token,
        # After the operator, whose answers are in the caches by now.
        "signed out again": None,
    }
    async with serving(settings, INTROSPECTION=setting) as api:
        found = {name for name, token in tokens.items() if may_read(await read(api, token))}

    assert found - {"signed out again"} == readers
    assert ("signed out again" in found) == ("signed out" in found)


@pytest.mark.parametrize("setting", ["on", "operators", "off"])
async def test_every_client_may_ask_for_the_names_of_types(
    setting: str, settings: Callable[..., None], pool: None
) -> None:
    async with serving(settings, INTROSPECTION=setting) as api:
        data = await api.data('{ __typename validateBetaKey(key: "BETA-TEST-12345") { __typename valid } }')

    assert data == {
        "__typename": "Query",
        "validateBetaKey": {"__typename": "BetaKeyValidation", "valid": False},
    }


@pytest.mark.parametrize(("setting", "suggests"), [("on", True), ("operators", False), ("off", False)])
async def test_errors_suggest_no_names_of_a_schema_that_is_not_shown(
    setting: str, suggests: bool, settings: Callable[..., None], pool: None
) -> None:
    async with serving(settings, INTROSPECTION=setting) as api:
        documents = [
            "{ viewr { id } }",
            "{ viewer { emial } }",
            "{ viewer { ... on Tenat { id } } }",
            "{ betaKeys(frist: 1) { totalCount } }",
            "query($f: BetaKeyFiltr) { betaKeys(filter: $f) { totalCount } }",
            "{ betaKeys(filter: { statsu: USED }) { totalCount } }",
            "{ betaKeys(filter: { status: USD }) { totalCount } }",
            "mutation { logot { message } }",
            'mutation { login(input: { email: "a", password: "b" }) { ... on Sesion { user { id } } } }',
            'mutation { login(input: { email: "a", password: "b", emial: "a" }) { __typename } }',
            "query($key: Strin!) { validateBetaKey(key: $key) { valid } }",
            "fragment tenant on Tenat { id } { viewer { tenant { ...tenant } } }",
            "{ __schema { directive } }",
            "{ __typename @include(if: true, iff: true) }",
        ]
        messages = [error["message"] for text in documents for error in (await api.post(text))["errors"]]
        variable = await api.post(
            "query($f: BetaKeyFilter) { betaKeys(filter: $f) { totalCount } }", f={"statsu": "USED"}
        )

    messages += [error["message"] for error in variable["errors"]]
    assert [("Did you mean" in message) for message in messages] == [suggests] * len(messages)


async def test_a_session_that_has_ended_does_not_read_the_schema(
    settings: Callable[..., None], database: asyncpg.Connection, pool: None
) -> None:
    token = (await hire(database, None, "SUPER_ADMIN")).token
    async with serving(settings, INTROSPECTION="operators") as api:
        assert may_read(await read(api, token))
        await api.data("mutation { logout { message } }", token)

        assert not may_read(await read(api, token))


async def test_an_operator_without_a_required_second_factor_does_not_read_the_schema(
    settings: Callable[..., None], database: asyncpg.Connection, pool: None
) -> None:
    token = (await hire(database, None, "SUPER_ADMIN")).token
    async with serving(settings, INTROSPECTION="operators", OPERATOR_SECOND_FACTOR="required") as api:
        assert not may_read(await read(api, token))


@pytest.mark.parametrize(("setting", "is_served"), [("on", True), ("off", False)])
async def test_browsers_get_graphiql_where_it_is_on(
    setting: str, is_served: bool, settings: Callable[..., None], pool: None
) -> None:
    async with serving(settings, GRAPHIQL=setting) as api:
        page = await api.http.get("/graphql", headers={"accept": "text/html,application/json;q=0.9"})

    assert ("graphiql" in page.text.lower()) == is_served
    assert page.status_code == (200 if is_served else 400)
