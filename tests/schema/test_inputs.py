"""No value that a client sends is a failure of the server, and no answer to one shows Python."""

import logging
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import asyncpg
import httpx
import pytest

from api.schema.schema import schema
from tests.schema.input_values import JSON, LITERALS, NINES, places
from tests.support import Api, everything, issue_key, make_app, registration

pytestmark = pytest.mark.anyio

PYTHON = re.compile(
    r"None\b|True\b|False\b|\bnan\b|\binf\b|[a-z]Error\b|Traceback|\w\(\)|[\[{]'|b'|isoformat|Exceeds|pydantic"
    r"|Input should|encountered|object at|Python"
)
"""What graphql-core, pydantic and exceptions write, and no message of ours."""


def documents() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The name of a place, a document, and its variables."""
    seen: set[str] = set()
    for place in places(schema._schema):
        is_new = str(place.type) not in seen
        seen.add(str(place.type))
        # Every place gets one value of each kind; the first place of a type all of them, which takes longer.
        count = None if is_new else 1
        for literals in parts(LITERALS, count, place.at_once):
            yield place.name, place.with_literals(literals), {}
            if is_new:
                yield place.name, place.with_defaults(literals), {}
        for values in parts(JSON, count, place.at_once):
            yield place.name, *place.with_variables(values)


def parts(values: Mapping[str, list[Any]], count: int | None, at_once: int) -> Iterator[list[Any]]:
    """The first `count` values of each kind, at most so many at once."""
    for chosen in (kind[:count] for kind in values.values()):
        yield from (chosen[start : start + at_once] for start in range(0, len(chosen), at_once))


@pytest.fixture
def refusals(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log of Gatehouse alone."""
    caplog.set_level(logging.WARNING)
    caplog.set_level(logging.INFO, logger="gatehouse")
    return caplog


async def assert_client_errors(
    api: Api,
    log: pytest.LogCaptureFixture,
    place: str,
    document: str,
    variables: dict[str, Any],
    token: str | None,
) -> list[str]:
    """Check the answer and the log; returns the codes of the errors."""
    log.clear()
    answer = await api.post(document, token, **variables)

    errors = answer.get("errors", [])
    shown = f"{place}: {document[:300]} {errors}"
    assert not [error for error in errors if PYTHON.search(error["message"])], shown
    assert all(record.levelno < logging.WARNING for record in log.records), everything(log.records)
    field = place.partition(".")[0]
    for record in log.records:
        for logged in getattr(record, "errors", ()):
            # A name that is too long belongs to the whole document.
            places_in_log = (field, "$v", "no place")
            assert not logged.startswith("invalid") or any(name in logged for name in places_in_log), logged
    codes = [error.get("extensions", {}).get("code", "INVALID_REQUEST") for error in errors]
    # Only names are too long here. Any other limit would hide the answer to the values.
    assert all(error["extensions"]["limit"] == "name" for error in errors if "LIMIT_EXCEEDED" in codes), shown
    return codes


async def test_signed_out_no_value_is_a_failure(
    api_with_plans: Api, refusals: pytest.LogCaptureFixture, is_thorough: bool
) -> None:
    codes: set[str] = set()
    for place, document, variables in islice(documents(), 0, None, 1 if is_thorough else 10):
        codes.update(await assert_client_errors(api_with_plans, refusals, place, document, variables, None))

    assert codes == {"INVALID_REQUEST", "LIMIT_EXCEEDED", "UNAUTHENTICATED"}


async def test_signed_in_no_value_is_a_failure(
    api_with_plans: Api,
    database: asyncpg.Connection,
    operator: str,
    refusals: pytest.LogCaptureFixture,
    is_thorough: bool,
) -> None:
    """The values that fit their type reach the domain and the database, as an operator and as an owner."""
    registered = await api_with_plans.register(registration(await issue_key(database)))
    # The operator of the fixture has no hash, which is worth a warning at changePassword.
    await database.execute("UPDATE users SET password = (SELECT max(password) FROM users)")
    for token in (operator, registered["accessToken"]):
        for place in islice(places(schema._schema), 0, None, 1 if is_thorough else 10):
            for kind in ("null", "Int", "text", "time"):
                for values in parts({kind: JSON[kind]}, None, place.at_once):
                    document, variables = place.with_variables(values)
                    await assert_client_errors(
                        api_with_plans, refusals, place.name, document, variables, token
                    )


DOCUMENTS = [
    pytest.param('{ auditEvents(filter: {since: "2026-W48"}) { edges { cursor } } }', id="week"),
    pytest.param(f"{{ betaKeys(first: {NINES}) {{ totalCount }} }}", id="long number"),
    pytest.param(
        f"{{ betaKeys(filter: {{a{NINES}: 1, b: 1}}) {{ totalCount }} "
        f"betaKeys(filter: {{b: 1, a{NINES}: 1}}) {{ totalCount }} }}",
        id="long names that are compared",
    ),
    pytest.param(f"{{ a{NINES} viewer {{ a{NINES} }} }}", id="long name of a field"),
    pytest.param(
        f"query($a{NINES}: Int) {{ betaKeys(first: $b{NINES}) {{ totalCount }} }}", id="long variable"
    ),
    pytest.param(f"query a{NINES} {{ ...a{NINES} }}", id="long fragment"),
    pytest.param(f"query($v: a{NINES}) {{ betaKeys(first: $v) {{ totalCount }} }}", id="long type"),
    pytest.param(f"{{ viewer {{ id @a{NINES}(a{NINES}: {NINES}) }} }}", id="long directive"),
    pytest.param("query($v: [Int!]! = [null]) { betaKeys(first: $v) { totalCount } }", id="list"),
    pytest.param("query($v: Query) { betaKeys(first: $v) { totalCount } }", id="output type as an input"),
    pytest.param("query($v: Int, $v: Int) { betaKeys(first: $v) { totalCount } }", id="two variables"),
    pytest.param("{ betaKeys(first: 1, first: 2) { totalCount } }", id="two arguments"),
    pytest.param("{ betaKeys(filter: {batch: null, batch: 1}) { totalCount } }", id="two input fields"),
    pytest.param("subscription { viewer { id } }", id="subscription"),
    pytest.param("type Query { a: Int }", id="type definition"),
    pytest.param("fragment F on Query { viewer { id } }", id="fragment alone"),
    pytest.param("{ viewer @defer { id } ... @defer { viewer { id } } }", id="defer"),
    pytest.param("\ufeff{ viewer }", id="byte order mark"),
    pytest.param("{ viewer { id } } 🏊", id="emoji"),
]


@pytest.mark.parametrize("document", DOCUMENTS)
async def test_an_invalid_document_is_the_clients_error(
    api_with_plans: Api, refusals: pytest.LogCaptureFixture, document: str
) -> None:
    codes = await assert_client_errors(api_with_plans, refusals, "", document, {}, None)

    assert codes == ["LIMIT_EXCEEDED" if f"a{NINES}" in document else "INVALID_REQUEST"] * len(codes)


async def test_introspection_says_which_types_are_one_of(pool: None) -> None:
    # Strawberry replaces this resolver in the whole process, when a test makes a schema of its own. A new
    # application reads introspection again.
    schema._extend_introspection()
    transport = httpx.ASGITransport(make_app("plans"))
    api = Api(httpx.AsyncClient(transport=transport, base_url="http://gatehouse.test"))

    query = await api.data(
        """{ __type(name: "Query") { isOneOf fields { type { isOneOf ofType { isOneOf } } } } }"""
    )
    login_input = await api.data("""{ __type(name: "LoginInput") { isOneOf } }""")

    assert query["__type"]["isOneOf"] is None
    assert {field["type"]["isOneOf"] for field in query["__type"]["fields"]} == {None}
    assert login_input["__type"]["isOneOf"] is False
