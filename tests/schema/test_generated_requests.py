"""Thousands of requests of an operator, which schemathesis generates from the schema.

Each is answered, none as an internal error, and the server logs nothing that needs a person.
"""

import re
from collections import Counter
from typing import Any

import asyncpg
import httpx
import pytest
from graphql import get_introspection_query, graphql_sync
from hypothesis import HealthCheck, Phase, Verbosity, given, settings

from api.domain.accounts.passwords import hash_password
from api.schema.schema import schema
from tests.schema.root_fields import root_fields
from tests.support import PASSWORD, GatehouseProcess, hire

pytestmark = pytest.mark.anyio

CASES = 2_000

ENDING = {"logout", "signOutEverywhere"}
"""They end the session of their request; the later cases of the field are those of a stranger."""


def _generated() -> Any:
    """The schema as schemathesis reads it from a server."""
    # Takes seconds, which only this test needs.
    import schemathesis

    answer = graphql_sync(schema._schema, get_introspection_query())
    assert answer.data is not None
    return schemathesis.graphql.from_dict(answer.data)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:::schemathesis", "ignore:::jsonschema_rs")
async def test_requests_that_schemathesis_generates_are_answered(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    # Without it, passkeys are refused with a warning.
    gatehouse.environment |= {"PUBLIC_URL": "https://beta.example.com"}
    gatehouse.start()
    operations = [result.ok() for result in _generated().get_all_operations()]
    names = [operation.label.partition(".")[2] for operation in operations]
    assert sorted(names) == sorted(root_fields())
    hashed = await hash_password(PASSWORD)
    tokens = {name: (await hire(database, None, "SUPER_ADMIN", password=hashed)).token for name in names}
    before = gatehouse.log.read_text()
    tally: Counter[str] = Counter()
    with httpx.Client(base_url=gatehouse.url, timeout=30) as http:
        for name, operation in zip(names, operations, strict=True):
            _send_cases(http, operation, tokens[name], tally)
            viewer = _post(http, {"query": "{ viewer { role } }"}, tokens[name]).json()["data"]["viewer"]
            assert (viewer is None) == (name in ENDING), f"{name} ended the session of its operator"

    assert tally["cases"] >= CASES
    # Most documents must be valid, and some acts must succeed.
    assert tally["refused documents"] < tally["cases"] / 2, tally
    assert tally["data"] > tally["cases"] / 10, tally
    log = gatehouse.log.read_text().removeprefix(before)
    assert [line for line in log.splitlines() if not re.match(r"\S+ INFO ", line)] == []


def _send_cases(http: httpx.Client, operation: Any, token: str, tally: Counter[str]) -> None:
    @settings(
        # A few fields have fewer different cases.
        max_examples=CASES // len(root_fields()) + 2,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        deadline=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        body = case.as_transport_kwargs(base_url=str(http.base_url))["json"]
        response = _post(http, body, token)
        shown = f"{body!r}\n{response.status_code} {response.text[:2_000]}"
        assert response.status_code in (200, 400), shown
        answer = response.json()
        errors = answer.get("errors", [])
        codes = {error.get("extensions", {}).get("code") for error in errors}
        assert not codes & {"INTERNAL", "UNAVAILABLE", "TIMEOUT"}, shown
        assert errors or answer["data"], shown
        tally["cases"] += 1
        tally["data"] += "data" in answer and not errors
        tally["refused documents"] += "data" not in answer

    send()


def _post(http: httpx.Client, body: dict[str, Any], token: str) -> httpx.Response:
    return http.post("/graphql", json=body, headers={"authorization": f"Bearer {token}"})
