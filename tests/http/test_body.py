"""Malformed and too large requests: each is refused with the status of its cause."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import Message

from api.http.graphql_errors import RequestError
from tests.http.served import HELLO, PLAIN, WORLD, Served, assert_refused

pytestmark = pytest.mark.anyio


# Malformed requests


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
async def test_a_body_that_is_not_one_object_gets_400(served: Served, body: str) -> None:
    assert_refused(await served.post_body(body), 400, "batching")


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, "query"),
        ({"query": None}, "query"),
        ({"query": ["{ hello }"]}, "query"),
        ({"query": "{ hello }", "operationName": 7}, "operationName"),
        ({"query": "{ hello }", "operationName": False}, "operationName"),
        ({"query": "{ hello }", "variables": [7]}, "variables"),
        ({"query": "{ hello }", "variables": False}, "variables"),
        ({"query": "{ hello }", "variables": "7"}, "variables"),
        ({"query": "{ hello }", "variables": "{"}, "variables"),
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
@pytest.mark.parametrize("value", ["{", "7", "[1]", "false"])
async def test_a_get_whose_variables_or_extensions_are_not_an_object_gets_400(
    served: Served, parameter: str, value: str
) -> None:
    assert_refused(await served.get(query="{ hello }", **{parameter: value}), 400, parameter)


@pytest.mark.parametrize("parameter", ["operationName", "variables", "extensions"])
@pytest.mark.parametrize("value", ["", "[]", "null", " ", [], None])
async def test_an_empty_parameter_is_the_same_as_none(served: Served, parameter: str, value: Any) -> None:
    """PHP writes an empty array as [], and forms send empty texts. A GET has texts only."""
    if parameter == "operationName" and value not in ("", None):
        return
    parameters = {"query": "query A { hello }", parameter: value}

    assert (await served.post_body(json.dumps(parameters))).json() == WORLD
    if isinstance(value, str):
        assert (await served.get(**parameters)).json() == WORLD


async def test_variables_may_be_the_text_of_an_object(served: Served) -> None:
    parameters = {"query": "query($n: String!) { hello(name: $n) }", "variables": '{"n": "Ana"}'}

    for response in (await served.post_body(json.dumps(parameters)), await served.get(**parameters)):
        assert response.json() == {"data": {"hello": "Hello, Ana!"}}


async def test_a_byte_order_mark_before_the_body_is_skipped(served: Served) -> None:
    assert (await served.post_body(b"\xef\xbb\xbf" + HELLO.encode())).json() == WORLD


async def test_a_number_that_no_float_can_hold_gets_400(served: Served) -> None:
    body = '{"query": "{ hello }", "variables": {"n": 1e999}}'

    assert_refused(await served.post_body(body), 400, "number that is too large")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "GZIP, br"])
async def test_a_compressed_body_gets_415(served: Served, encoding: str) -> None:
    response = await served.post_body(gzip.compress(HELLO.encode()), **{"content-encoding": encoding})

    assert_refused(response, 415, "must not be compressed")
    assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
async def test_an_uncompressed_body_may_say_so(served: Served, encoding: str) -> None:
    assert (await served.post_body(HELLO, **{"content-encoding": encoding})).json() == WORLD


# Subscriptions


async def test_a_web_socket_gets_400_and_learns_that_there_are_no_subscriptions(served: Served) -> None:
    headers = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-protocol": "graphql-ws"}

    response = await served.client.get("/graphql", headers=headers)

    assert_refused(response, 400, "WebSocket is not supported. There are no subscriptions")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_server_sent_events_get_406_and_learn_that_there_are_no_subscriptions(
    served: Served, method: str
) -> None:
    headers = {"accept": "text/event-stream", "content-type": PLAIN}

    response = await served.client.request(method, "/graphql", content=HELLO, headers=headers)

    assert_refused(response, 406, "Server-sent events are not supported. There are no subscriptions")


async def test_a_client_that_accepts_events_or_json_gets_json(served: Served) -> None:
    """As urql's Accept header of every request."""
    accept = f"{PLAIN}, text/event-stream, multipart/mixed"

    assert (await served.post("{ hello }", accept=accept)).json() == WORLD


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
    """A browser sends these types to other sites without a preflight request."""
    assert_refused(await served.post_body(HELLO, content_type), 415, PLAIN)


@pytest.mark.parametrize("content_type", ['Application/JSON; charset="UTF-8"', f"{PLAIN};charset=utf-8;x=y"])
async def test_json_may_be_declared_with_its_encoding(served: Served, content_type: str) -> None:
    assert (await served.post_body(HELLO, content_type)).status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE"])
async def test_another_method_gets_405_with_the_allowed_methods(served: Served, method: str) -> None:
    response = await served.client.request(method, "/graphql")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, OPTIONS, POST"
    assert "GET or POST" in served.shown[0].message


async def test_a_malformed_request_is_shown_to_the_error_hook_with_its_status(served: Served) -> None:
    await served.post_body("nonsense")

    (error,) = served.shown
    assert isinstance(error, RequestError)
    assert error.status == 400


# The size of a request


async def test_a_body_of_the_limit_is_accepted_and_one_byte_more_gets_413() -> None:
    assert (await Served(max_body_bytes=len(HELLO)).post_body(HELLO)).status_code == 200
    assert_refused(
        await Served(max_body_bytes=len(HELLO) - 1).post_body(HELLO), 413, f"{len(HELLO) - 1} bytes"
    )


async def test_a_body_whose_content_length_is_too_large_is_not_read() -> None:
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


async def test_a_client_that_disconnects_during_the_body_gets_no_response_and_causes_no_error(
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
