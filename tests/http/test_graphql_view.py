"""GraphQL over HTTP: requests, and the status, headers and body of their responses."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import orjson
import pytest
import strawberry
from graphql import GraphQLError
from strawberry.directive import DirectiveLocation
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig

from api.execution.documents import DocumentCache
from api.http.graphql_view import GraphQLView
from tests.http.served import GRAPHQL_RESPONSE, PLAIN, WORLD, Context, Query, Served, assert_refused, fail

pytestmark = pytest.mark.anyio


# Execution


async def test_a_posted_query_is_executed_with_its_variables(served: Served) -> None:
    response = await served.post("query($n: String!) { hello(name: $n) }", variables={"n": "Ana"})

    assert response.status_code == 200
    assert response.json() == {"data": {"hello": "Hello, Ana!"}}
    assert served.shown == []


async def test_a_query_is_executed_from_the_parameters_of_a_get(served: Served) -> None:
    response = await served.get(
        query="query A($n: String!) { hello(name: $n) } query B { __typename }",
        operationName="A",
        variables='{"n": "Río 🏊"}',
        extensions="{}",
    )

    assert response.status_code == 200
    assert response.json() == {"data": {"hello": "Hello, Río 🏊!"}}


async def test_an_empty_operation_name_in_a_get_is_the_same_as_none(served: Served) -> None:
    response = await served.get(query="query A { hello }", operationName="")

    assert response.json() == WORLD


async def test_resolvers_find_the_context_and_the_extensions_of_the_request(served: Served) -> None:
    response = await served.post("{ path extensions }", extensions={"trace": 7})

    assert response.json() == {"data": {"path": "/graphql", "extensions": {"trace": 7}}}


async def test_the_fields_of_a_query_are_resolved_concurrently(served: Served) -> None:
    response = await served.post("{ waits rings }")

    assert response.json() == {"data": {"waits": True, "rings": True}}


async def test_the_mutations_of_a_request_run_one_after_the_other(served: Served) -> None:
    response = await served.post('mutation { a: say(word: "first", pause: 0.02) b: say(word: "second") }')

    assert response.json() == {"data": {"a": "first", "b": "first second"}}


async def test_requests_share_a_document_but_neither_variables_nor_context(served: Served) -> None:
    mutation = "mutation($w: String!) { say(word: $w, pause: 0.01) }"

    responses = await asyncio.gather(*(served.post(mutation, variables={"w": str(n)}) for n in range(10)))

    assert [response.json()["data"]["say"] for response in responses] == [str(n) for n in range(10)]


async def test_a_variable_may_hold_any_character(served: Served) -> None:
    """Also NUL, which PostgreSQL cannot store: the domain refuses it, not the view."""
    response = await served.post("query($n: String!) { hello(name: $n) }", variables={"n": "\x00 🏊"})

    assert response.json() == {"data": {"hello": "Hello, \x00 🏊!"}}


async def test_an_exception_with_a_handler_becomes_a_member_of_the_union(served: Served) -> None:
    mutation = "mutation($n: String!) { take(name: $n) { __typename ... on NameTaken { message } } }"

    taken = await served.post(mutation, variables={"n": "taken"})
    free = await served.post(mutation, variables={"n": "free"})

    assert taken.json() == {"data": {"take": {"__typename": "NameTaken", "message": "It is taken."}}}
    assert free.json() == {"data": {"take": {"__typename": "Named"}}}


async def test_a_permission_that_is_denied_is_an_error_with_its_code(served: Served) -> None:
    response = await served.post("{ secret }")

    assert response.json()["data"] == {"secret": None}
    assert served.shown[0].extensions == {"code": "FORBIDDEN"}


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, PLAIN])
@pytest.mark.parametrize("variables", ['{"w": "x"}', "{}"])
async def test_a_mutation_over_get_gets_405_whatever_its_variables(
    served: Served, accept: str, variables: str
) -> None:
    response = await served.get(accept, query="mutation($w: String!) { say(word: $w) }", variables=variables)

    assert_refused(response, 405, "POST", accept)
    assert response.headers["allow"] == "POST"


async def test_a_get_may_carry_a_mutation_that_it_does_not_ask_for(served: Served) -> None:
    document = 'query Q { hello } mutation M { say(word: "x") }'

    assert (await served.get(query=document, operationName="Q")).json() == WORLD
    assert (await served.get(query=document, operationName="M")).status_code == 405
    assert (await served.get(query=document, accept=GRAPHQL_RESPONSE)).status_code == 400


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncIterator[int]:
        yield 1


@strawberry.directive(locations=[DirectiveLocation.FIELD])
def shout(value: str) -> str:
    return value.upper()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"extensions": [SchemaExtension]}, "schema extensions"),
        ({"directives": [shout]}, "operation directives"),
        ({"subscription": Subscription}, "subscriptions"),
        (
            {"config": StrawberryConfig(enable_experimental_incremental_execution=True)},
            "incremental execution",
        ),
    ],
    ids=["extensions", "directives", "subscriptions", "incremental execution"],
)
async def test_a_schema_with_unsupported_features_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"does not support {named}"):
        GraphQLView(
            strawberry.Schema(Query, **options), get_context=Context, on_errors=lambda _, errors: errors
        )


# The media type of the response


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, PLAIN),
        ("", PLAIN),
        ("*/*", PLAIN),
        ("application/*", PLAIN),
        (PLAIN, PLAIN),
        ("Application/JSON", PLAIN),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};charset=utf-8, {PLAIN};q=0.9", GRAPHQL_RESPONSE),
        (f"{PLAIN}, {GRAPHQL_RESPONSE}", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}; q=0.5, {PLAIN}", PLAIN),
        (f"{GRAPHQL_RESPONSE}, */*", GRAPHQL_RESPONSE),
        (f"{PLAIN};q=0, */*;q=0.1", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=nonsense, {PLAIN};q=0.1", PLAIN),
        (f"text/html, {'x' * 300}/y, {PLAIN}", PLAIN),
    ],
)
async def test_the_answer_has_the_media_type_that_the_client_prefers(
    served: Served, accept: str | None, media_type: str
) -> None:
    del served.client.headers["accept"]
    headers = {} if accept is None else {"accept": accept}

    response = await served.client.post("/graphql", json={"query": "{ hello }"}, headers=headers)

    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "accept", ["text/html", "image/*", f"{PLAIN};q=0", f"{PLAIN};q=0, */*;q=0", ",", ";"]
)
async def test_a_client_that_accepts_neither_media_type_gets_406(served: Served, accept: str) -> None:
    assert_refused(await served.post("{ hello }", accept=accept), 406, PLAIN)


async def test_several_accept_headers_count_as_one(served: Served) -> None:
    response = await served.client.post(
        "/graphql",
        json={"query": "{ hello }"},
        headers=[("accept", GRAPHQL_RESPONSE), ("accept", "text/html")],
    )

    assert response.headers["content-type"] == f"{GRAPHQL_RESPONSE}; charset=utf-8"


# Well-formed requests that fail

FAILING = [
    pytest.param({"query": "{"}, id="syntax"),
    pytest.param({"query": ""}, id="empty document"),
    pytest.param({"query": "{ unknown }"}, id="unknown field"),
    pytest.param({"query": "query($n: String!) { hello(name: $n) }"}, id="missing variable"),
    pytest.param({"query": "query($n: String!) { hello(name: $n) }", "variables": {"n": 7}}, id="coercion"),
    pytest.param({"query": "query A { hello } query B { hello }"}, id="no operation named"),
    pytest.param({"query": "query A { hello }", "operationName": "B"}, id="unknown operation"),
    pytest.param({"query": "subscription { hello }"}, id="no such root type"),
    pytest.param({"query": "{" * 5000}, id="not a document"),
    pytest.param({"query": "{ a " * 5000 + "}" * 5000}, id="nested too deeply"),
    pytest.param({"query": "\x00"}, id="NUL"),
    pytest.param({"query": r'{ hello(name: "\uD800") }'}, id="lone surrogate"),
]


@pytest.mark.parametrize("parameters", FAILING)
@pytest.mark.parametrize(("accept", "status"), [(GRAPHQL_RESPONSE, 400), (PLAIN, 200)])
async def test_a_request_that_cannot_be_executed_has_errors_and_no_data(
    served: Served, parameters: dict[str, Any], accept: str, status: int
) -> None:
    """The status is 400. Clients of application/json cannot rely on a 400 and get 200."""
    response = await served.post(**parameters, accept=accept)

    assert response.status_code == status
    assert response.json().keys() == {"errors"}
    assert [error["message"] for error in response.json()["errors"]] == [e.message for e in served.shown]


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, PLAIN])
async def test_partial_data_comes_with_the_errors_and_status_200(served: Served, accept: str) -> None:
    response = await served.post("{ hello broken }", accept=accept)

    assert response.status_code == 200
    assert response.json() == {
        "errors": [{"message": "masked", "path": ["broken"]}],
        "data": {"hello": "Hello, world!", "broken": None},
    }


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, PLAIN])
@pytest.mark.parametrize("query", ["{ required }", "{ path required waits }"])
async def test_data_nulled_by_an_error_is_null_with_status_200(
    served: Served, query: str, accept: str
) -> None:
    response = await served.post(query, accept=accept)

    assert response.status_code == 200
    assert response.json() == {"errors": [{"message": "masked", "path": ["required"]}], "data": None}


async def test_the_error_hook_sees_each_error_once_and_decides_what_is_sent(served: Served) -> None:
    response = await served.post("{ broken again: broken }")

    assert [error.path for error in served.shown] == [["broken"], ["again"]]
    assert all(isinstance(error.original_error, RuntimeError) for error in served.shown)
    assert "hunter2" not in response.text


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, PLAIN])
async def test_data_that_json_cannot_express_is_one_masked_error_with_status_500(
    served: Served, accept: str
) -> None:
    response = await served.post("{ hello unencodable }", accept=accept)

    assert_refused(response, 500, "masked", accept)
    (error,) = served.shown
    assert isinstance(error.original_error, orjson.JSONEncodeError)


async def test_an_error_that_json_cannot_express_is_one_masked_error_with_status_500(served: Served) -> None:
    assert_refused(await served.post("{ hello unencodableError }"), 500, "masked")
    assert isinstance(served.shown[-1].original_error, orjson.JSONEncodeError)


async def test_an_exception_from_outside_of_any_field_is_one_masked_error_with_status_500(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DocumentCache, "get", fail)

    assert_refused(await served.post("{ hello }"), 500, "masked")
    (error,) = served.shown
    assert error.message == "Internal server error."
    assert isinstance(error.original_error, RuntimeError)


async def test_an_exception_from_the_error_hook_is_shown_to_it_and_masked() -> None:
    def fail_at_fields(context: Context, errors: list[GraphQLError]) -> Iterable[GraphQLError]:
        if errors[0].path:
            raise KeyError("The password is hunter2.")
        return served.mask(context, errors)

    served = Served(on_errors=fail_at_fields)

    assert_refused(await served.post("{ broken }"), 500, "masked")
    (error,) = served.shown
    assert isinstance(error.original_error, KeyError)


@pytest.mark.parametrize("body", ['{"query": "{ broken }"}', "nonsense"])
@pytest.mark.parametrize("options", [{"get_context": fail}, {"on_errors": fail}], ids=["context", "errors"])
async def test_if_the_context_or_the_error_hook_fails_the_server_answers_a_bare_500(
    options: dict[str, Callable[..., Any]], body: str
) -> None:
    response = await Served(**options).post_body(body)

    assert response.status_code == 500
    assert response.text == "Internal Server Error"


# GraphiQL

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_browser_gets_graphiql() -> None:
    response = await Served(graphiql=True).get(accept=BROWSER)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "GraphiQL" in response.text


@pytest.mark.parametrize("accept", ["*/*", PLAIN, f"{PLAIN}, text/html;q=0"])
async def test_a_client_that_does_not_ask_for_html_does_not_get_graphiql(accept: str) -> None:
    assert_refused(await Served(graphiql=True).get(accept=accept), 400, "query")


async def test_a_browser_that_sends_a_query_gets_its_answer() -> None:
    response = await Served(graphiql=True).get(accept=BROWSER, query="{ hello }")

    assert response.json() == WORLD


async def test_graphiql_can_be_left_out(served: Served) -> None:
    assert_refused(await served.get(accept=BROWSER), 400, "query")
