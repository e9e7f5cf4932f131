"""The errors of HTTP are in the language of Accept-Language, for GraphQL and REST."""

from typing import Any

import pytest

from api.messages import _MESSAGES
from tests.support import Api

pytestmark = pytest.mark.anyio

BODY = b'{"query": "{ __typename }"}'
JSON = {"content-type": "application/json"}

REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("POST", "/graphql", {"content": BODY}, 415, "HTTP.CONTENT_TYPE"),
    ("POST", "/graphql", {"content": BODY, "headers": {"content-encoding": "gzip"}}, 415, "HTTP.COMPRESSED"),
    ("POST", "/graphql", {"content": b"x" * 70_000}, 413, "HTTP.BODY_TOO_LARGE"),
    ("POST", "/graphql", {"content": b'{"query": 1e999}'}, 400, "HTTP.NUMBER_TOO_LARGE"),
    ("POST", "/graphql", {"content": b"{"}, 400, "HTTP.NOT_JSON"),
    ("POST", "/graphql", {"json": [{"query": "{ __typename }"}]}, 400, "HTTP.BATCH"),
    ("POST", "/graphql", {"json": {}}, 400, "HTTP.QUERY_REQUIRED"),
    ("POST", "/graphql", {"json": {"query": "{a}", "operationName": 1}}, 400, "HTTP.NOT_TEXT"),
    ("POST", "/graphql", {"json": {"query": "{a}", "variables": 1}}, 400, "HTTP.PARAMETER_NOT_OBJECT"),
    ("POST", "/graphql", {"json": {"query": "{a}", "variables": "{"}}, 400, "HTTP.PARAMETER_NOT_JSON"),
    ("POST", "/graphql", {"headers": {"accept": "text/event-stream"}}, 406, "HTTP.EVENT_STREAM"),
    ("POST", "/graphql", {"headers": {"accept": "image/png"}}, 406, "HTTP.NOT_ACCEPTABLE"),
    ("PUT", "/graphql", {"content": BODY}, 405, "HTTP.METHOD"),
    ("GET", "/graphql?query=mutation{logout{__typename}}", {}, 405, "HTTP.MUTATION_BY_GET"),
    ("GET", "/graphql?query=%ff", {}, 400, "HTTP.QUERY_STRING_NOT_UTF8"),
    ("GET", "/graphql?query={a}", {"headers": {"upgrade": "websocket"}}, 400, "HTTP.WEBSOCKET"),
    ("POST", "/api/auth/login", {"content": b"[]"}, 400, "HTTP.NOT_OBJECT"),
    ("POST", "/api/auth/login", {"content": b"{"}, 400, "HTTP.NOT_JSON"),
    ("PUT", "/api/auth/login", {}, 405, "BAD_REQUEST"),
    ("GET", "/api/nothing", {}, 404, "NOT_FOUND"),
]  # fmt: skip


@pytest.mark.parametrize("language", ["es", "es_CO", "es-419;q=0.9, en;q=0.5"])
async def test_what_is_refused_is_explained_in_spanish(api: Api, language: str) -> None:
    for method, path, request, status, code in REFUSED:
        type_header = {} if code == "HTTP.CONTENT_TYPE" else JSON
        headers = {**type_header, **request.get("headers", {}), "accept-language": language}
        response = await api.http.request(method, path, **{**request, "headers": headers})

        answer = response.json()
        message = answer["errors"][0]["message"] if "errors" in answer else answer["message"]
        assert response.status_code == status, (path, answer)
        spanish = _MESSAGES[code][1]
        assert message == spanish.format(max=65_536, argument=path_argument(request)), code


def path_argument(request: dict[str, Any]) -> str:
    return "operationName" if "operationName" in request.get("json", {}) else "variables"
