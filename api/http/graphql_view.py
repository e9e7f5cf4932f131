"""GraphQL over HTTP, as an ASGI application.

Source: the GraphQL-over-HTTP specification, with the statuses that its audits (npm's graphql-http) expect:
400 where its edition of September 2026 recommends 422, 200 where it recommends 294.

Strawberry's own view gives the same responses. Its classes and context managers take several times as long
as the execution of a small document.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
import strawberry
from graphql import GraphQLError
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api.execution.document_limits import DocumentLimits
from api.execution.input_errors import name_null
from api.execution.places import shorten_message
from api.http.body import Headers, HttpError, read_body, refuse_compression, require_json
from api.http.deadlines import Deadlines
from api.http.disconnects import watched_client
from api.http.graphiql import graphiql_page
from api.http.graphql_errors import (
    PersistedQueryError,
    RequestError,
    RequestTimeout,
    not_acceptable,
    retry_after,
)
from api.http.graphql_operations import NOT_AWAITABLE, Operations
from api.http.graphql_parameters import Parameters, has_request, parse_body, parse_query_string
from api.http.limits import MAX_BODY_BYTES, MAX_REQUEST_SECONDS
from api.http.media_types import GRAPHQL_RESPONSE, HTML, JSON, accepts_html, choose_media_type
from api.http.request_headers import RequestHeaders, read_headers

_ALLOW = (b"allow", b"GET, OPTIONS, POST")


class GraphQLView:
    """Serves a schema over GET and POST, as the endpoint of a Starlette `Route`.

    `get_context(scope)` returns the context of a request with this ASGI scope. The view calls it before it
    reads the body, for malformed requests too, so it must be cheap. The view does not catch its exceptions.

    `on_errors(context, errors)` returns the errors of the response in place of `errors`. It is called before
    they are formatted, and is the place to log them and to mask internal errors. It gets

    - one `RequestError` for a malformed request, and one `RequestTimeout` after `max_seconds`;
    - one error with a harmless message, whose `original_error` is the exception, for an exception outside of
      any field and for data that JSON cannot represent. The status is then 500.

    If it raises for the errors of a document, it is called once more with that exception. The view does not
    catch a second exception, nor one for a malformed request.

    `may_introspect(context)` decides whether a request may read the schema with `__schema` and `__type`. By
    default each may; if not, the errors of documents do not suggest names of the schema either.

    `graphiql` serves GraphiQL to browsers. `max_body_bytes` limits the body and the query string, `limits`
    the document. A request that takes longer than `max_seconds`, from reading its body to its response, is
    cancelled. The other arguments are those of `DocumentCache`.

    Raises `ValueError` for a schema that uses what this view does not support.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        get_context: Callable[[Scope], Any],
        on_errors: Callable[[Any, list[GraphQLError]], Iterable[GraphQLError]],
        may_introspect: Callable[[Any], Awaitable[bool]] | None = None,
        graphiql: bool = False,
        max_body_bytes: int = MAX_BODY_BYTES,
        limits: DocumentLimits | None = None,
        max_seconds: float = MAX_REQUEST_SECONDS,
        plans: bool = True,
        plan_first_request: bool = False,
        max_documents: int = 1000,
        max_document_bytes: int = 32_000_000,
    ) -> None:
        _reject_unsupported(schema)
        self._operations = Operations(
            schema,
            limits,
            may_introspect=may_introspect,
            max_entries=max_documents,
            max_bytes=max_document_bytes,
            plans=plans,
            plan_first_request=plan_first_request,
        )
        self._get_context = get_context
        self._on_errors = on_errors
        self._graphiql = graphiql_page() if graphiql else None
        self._max_body_bytes = max_body_bytes
        self._deadlines = Deadlines(max_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = read_headers(scope["headers"])
        accept = headers.accept
        if (
            scope["method"] == "GET"
            and self._graphiql is not None
            and accepts_html(accept)
            and not has_request(scope["query_string"])
        ):
            page, page_headers = self._graphiql
            await _send(send, 200, HTML, page, page_headers)
            return

        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": [_ALLOW]})
            await send({"type": "http.response.body"})
            return
        context = self._get_context(scope)
        media_type = choose_media_type(accept)
        extra_headers: Headers = ()
        parameters: Parameters | None = None
        try:
            if media_type is None:
                raise not_acceptable(accept)
            with self._deadlines.start():
                parameters = await self._read_parameters(scope, headers, receive)
                with watched_client(receive):
                    response = self._respond(parameters, context, media_type, scope["method"] == "POST")
                    status, body, extra_headers = await response
        except ClientDisconnect:
            return
        except TimeoutError:
            # Raised by the deadline: a TimeoutError of a resolver is an error of its field.
            error = RequestTimeout(self._deadlines.seconds, is_incomplete=parameters is None)
            status, (body, extra_headers) = error.status, self._format_request_errors(context, [error])
        except HttpError as error:
            status, extra_headers = error.status, error.headers
            body, _ = self._format_request_errors(context, [RequestError(error)])
        await _send(send, status, media_type or JSON, body, extra_headers)

    async def _read_parameters(self, scope: Scope, headers: RequestHeaders, receive: Receive) -> Parameters:
        method = scope["method"]
        if method == "POST":
            require_json(headers.content_type)
            refuse_compression(headers.content_encoding)
            return parse_body(await read_body(receive, headers.content_length, self._max_body_bytes))
        if method == "GET":
            if headers.upgrade is not None and headers.upgrade.lower() == b"websocket":
                raise HttpError(400, "HTTP.WEBSOCKET")
            return parse_query_string(scope["query_string"], self._max_body_bytes)
        raise HttpError(405, "HTTP.METHOD", [_ALLOW])

    async def _respond(
        self, parameters: Parameters, context: Any, media_type: bytes, may_mutate: bool
    ) -> tuple[int, bytes, Headers]:
        """The status, the body and further headers of the response."""
        try:
            result = self._operations.execute(parameters, context, may_mutate=may_mutate)
            if not isinstance(result, NOT_AWAITABLE):
                result = await result
            if isinstance(result, bytes):
                return 200, result, ()
            if isinstance(result, list):
                # With plain JSON a client could not distinguish our 400 from that of a proxy. Some clients do
                # not read the body of a 400, and would not repeat the request with its query.
                is_refused = not isinstance(result[0], PersistedQueryError)
                status = 400 if is_refused and media_type is GRAPHQL_RESPONSE else 200
                return status, *self._format_request_errors(context, result)
            if result.errors:
                for error in result.errors:
                    name_null(error)
                errors, headers = self._format_errors(context, result.errors)
                return 200, b'{"errors":%b,"data":%b}' % (errors, orjson.dumps(result.data)), headers
            return 200, orjson.dumps({"data": result.data}), ()
        except HttpError:
            raise
        except Exception as exception:  # noqa: BLE001
            # The client gets a GraphQL response after any exception, and `on_errors` gets the exception.
            error = GraphQLError("Internal server error.", original_error=exception)
            return 500, *self._format_request_errors(context, [error])

    def _format_request_errors(self, context: Any, errors: list[GraphQLError]) -> tuple[bytes, Headers]:
        text, headers = self._format_errors(context, errors)
        return b'{"errors":%b}' % text, headers

    def _format_errors(self, context: Any, errors: list[GraphQLError]) -> tuple[bytes, Headers]:
        """The JSON of the errors, and the headers that belong to them."""
        formatted = list(self._on_errors(context, errors))
        texts = [{**error.formatted, "message": shorten_message(error.message)} for error in formatted]
        return orjson.dumps(texts), retry_after(formatted)


def _reject_unsupported(schema: strawberry.Schema) -> None:
    """A schema extension may enforce a limit, which would be lost if the view ignored it."""
    features = {
        "schema extensions": schema.extensions,
        "operation directives": schema.directives,
        "subscriptions": schema.subscription,
        "incremental execution": schema.config.enable_experimental_incremental_execution,
    }
    unsupported = [name for name, used in features.items() if used]
    if unsupported:
        raise ValueError(f"GraphQLView does not support {', '.join(unsupported)}.")


async def _send(send: Send, status: int, media_type: bytes, body: bytes, headers: Headers = ()) -> None:
    fixed = [
        (b"content-type", media_type),
        (b"content-length", b"%d" % len(body)),
        # Responses may hold tokens. A response that no cache stores needs no Vary header.
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
