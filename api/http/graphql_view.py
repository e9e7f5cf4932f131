"""GraphQL over HTTP, as an ASGI application that does no more for a request than the request needs.

Source: the GraphQL-over-HTTP specification, with the statuses that its audits (npm's graphql-http) ask
for: 400 where its edition of September 2026 recommends 422, 200 where it recommends 294. Strawberry's own
view answers the same requests, but spends several times what it takes to execute a small document on the
classes and context managers around it.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from typing import Any, cast
from urllib.parse import parse_qsl

import orjson
import strawberry
from graphql import DocumentNode, ExecutionResult, GraphQLError, OperationType, get_operation_ast
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send
from strawberry.execution import optimized_is_awaitable
from strawberry.http.ides import get_graphql_ide_html

from api.execution.document_limits import DocumentLimits
from api.execution.documents import DocumentCache
from api.http.body import Headers, HttpError, read_body, require_json
from api.http.deadlines import Deadlines

JSON = b"application/json; charset=utf-8"
GRAPHQL_RESPONSE = b"application/graphql-response+json; charset=utf-8"
HTML = b"text/html; charset=utf-8"

_READY = (ExecutionResult, list)
"""What need not be waited for; a tuple, because `isinstance` takes longer for a union."""


class RequestError(GraphQLError):
    """How `on_errors` sees an `HttpError`: a request that carries no GraphQL request."""

    def __init__(self, error: HttpError) -> None:
        super().__init__(error.message)
        self.status = error.status


class RequestTimeout(RequestError):
    """A request that took longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(HttpError(503, f"The request took longer than {seconds:g} seconds."))
        self.seconds = seconds


Parameters = tuple[str, str | None, dict[str, Any] | None, dict[str, Any] | None]
"""Of a GraphQL request: query, operation name, variables and extensions."""


class GraphQLView:
    """Serves a schema over GET and POST; made to be the endpoint of a Starlette `Route`.

    `get_context(scope)` makes the context of one request from its ASGI scope. It is called before the body is
    read, for malformed requests too, so it should cost little. What it raises passes through the view to the
    server, for without a context there is nobody to tell.

    `on_errors(context, errors)` sees the errors of an answer before they are formatted, and returns those
    to send in their place: there the caller logs, and masks what is not the client's doing. A malformed
    request shows as one `RequestError`. An exception from outside of any field, or an answer that JSON
    cannot express, gets status 500 and shows as one error with a harmless message and the exception as its
    `original_error`. What `on_errors` itself raises for the errors of a document is shown to it in this way,
    but not a second time; for those of a malformed request it passes through to the server.

    `graphiql` shows GraphiQL to browsers. `max_body` bounds what a request may carry, in bytes; `limits` how
    large its document may be; `max_seconds` how long it may take, from the first byte of its body to the
    answer. After that what still runs is cancelled, and `on_errors` is shown a `RequestTimeout`.

    `plan_from` is the number of the request with which a document gets a plan, 1 or 2; no `plans`, none.

    Raises `ValueError` for a schema that relies on what this view does not do.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        get_context: Callable[[Scope], Any],
        on_errors: Callable[[Any, list[GraphQLError]], Iterable[GraphQLError]],
        graphiql: bool = False,
        max_body: int = 64 * 1024,
        limits: DocumentLimits | None = None,
        max_seconds: float = 30,
        plans: bool = True,
        plan_from: int = 2,
        max_documents: int = 1000,
        max_document_bytes: int = 32_000_000,
    ) -> None:
        _refuse_what_would_be_ignored(schema)
        self._schema = schema._schema
        self._executor_class = schema.execution_context_class
        self._hide_suggestions = schema.config.disable_field_suggestions
        self._documents = DocumentCache(
            schema,
            limits,
            max_entries=max_documents,
            max_bytes=max_document_bytes,
            plans=plans,
            plan_from=plan_from,
        )
        self._get_context = get_context
        self._on_errors = on_errors
        self._page = get_graphql_ide_html("graphiql").encode() if graphiql else None
        self._max_body = max_body
        self._deadlines = Deadlines(max_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accept, content_type, content_length = _read_headers(scope["headers"])
        method = scope["method"]
        if method == "GET" and self._page is not None and _asks_for_page(accept, scope["query_string"]):
            await _send(send, 200, HTML, self._page)
            return

        context = self._get_context(scope)
        media_type = _choose_media_type(accept)
        headers: Headers = ()
        try:
            if media_type is None:
                raise HttpError(406, "Accept application/graphql-response+json or application/json.")
            with self._deadlines.start():
                if method == "POST":
                    require_json(content_type)
                    parameters = _parse_body(await read_body(receive, content_length, self._max_body))
                elif method == "GET":
                    parameters = _parse_query_string(scope["query_string"], self._max_body)
                else:
                    raise HttpError(405, "The method must be GET or POST.", [(b"allow", b"GET, POST")])
                status, body = await self._answer(parameters, context, media_type, may_write=method == "POST")
        except ClientDisconnect:
            return
        except TimeoutError:
            # That of a resolver would be an error of its field: this is the limit above.
            error = RequestTimeout(self._deadlines.seconds)
            status, body = error.status, self._failure(context, [error])
        except HttpError as error:
            status, headers = error.status, error.headers
            body = self._failure(context, [RequestError(error)])
        await _send(send, status, media_type or JSON, body, headers)

    async def _answer(
        self, parameters: Parameters, context: Any, media_type: bytes, *, may_write: bool
    ) -> tuple[int, bytes]:
        try:
            result = self._execute(parameters, context, may_write=may_write)
            if not isinstance(result, _READY):
                result = await result
            if isinstance(result, list):
                # A client that asked for plain JSON cannot tell our 400 from a proxy's: it gets a 200.
                return 400 if media_type is GRAPHQL_RESPONSE else 200, self._failure(context, result)
            if result.errors:
                data = orjson.dumps(result.data)
                return 200, b'{"errors":%b,"data":%b}' % (self._format(context, result.errors), data)
            return 200, orjson.dumps({"data": result.data})
        except HttpError:
            raise
        except Exception as exception:  # noqa: BLE001
            # Whatever it was, the client gets an answer it can parse; the hook gets the exception itself.
            error = GraphQLError("Internal server error.", original_error=exception)
            return 500, self._failure(context, [error])

    def _execute(
        self, parameters: Parameters, context: Any, *, may_write: bool
    ) -> Awaitable[ExecutionResult] | ExecutionResult | list[GraphQLError]:
        """The result of the operation; or, if nothing was executed at all, a list of the reasons."""
        query, operation_name, variables, extensions = parameters
        document = self._documents.get(query)
        if isinstance(document, list):
            return document
        if not may_write:
            _refuse_to_write(document.ast, operation_name)
        plan = document.plans.get(operation_name)
        if plan is not None:
            return plan.run(context, variables, extensions=extensions)
        # graphql-core's execute() does these two steps, but afterwards a request that was refused looks
        # the same as one whose data came to nothing, and the two differ in status and in shape.
        executor = self._executor_class.build(
            self._schema,
            document.ast,
            context_value=context,
            raw_variable_values=variables,
            operation_name=operation_name,
            is_awaitable=cast(Any, optimized_is_awaitable),
            hide_suggestions=self._hide_suggestions,
            operation_extensions=extensions,
        )
        if isinstance(executor, list):
            return executor
        return cast(Any, executor.execute_operation())

    def _failure(self, context: Any, errors: list[GraphQLError]) -> bytes:
        return b'{"errors":%b}' % self._format(context, errors)

    def _format(self, context: Any, errors: list[GraphQLError]) -> bytes:
        return orjson.dumps([error.formatted for error in self._on_errors(context, errors)])


def _refuse_what_would_be_ignored(schema: strawberry.Schema) -> None:
    """Schema extensions may be what enforces a limit: leaving them out silently would drop the limit."""
    reliances = {
        "schema extensions": schema.extensions,
        "operation directives": schema.directives,
        "subscriptions": schema.subscription,
        "incremental execution": schema.config.enable_experimental_incremental_execution,
    }
    ignored = [name for name, used in reliances.items() if used]
    if ignored:
        raise ValueError(f"GraphQLView does not support {', '.join(ignored)}.")


def _read_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes | None, bytes | None, bytes | None]:
    """The values of Accept, Content-Type and Content-Length."""
    accept = content_type = content_length = None
    for name, value in headers:
        if name == b"accept":
            accept = value if accept is None else accept + b"," + value
        elif name == b"content-type":
            content_type = value
        elif name == b"content-length":
            content_length = value
    return accept, content_type, content_length


def _asks_for_page(accept: bytes | None, query_string: bytes) -> bool:
    if accept is None or _qualities(accept).get(b"text/html", 0) <= 0:
        return False
    parameters = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    return all(name != "query" for name, _ in parameters)


@lru_cache(maxsize=256)
def _choose_media_type(accept: bytes | None) -> bytes | None:
    """The media type to answer with, or `None` if the client accepts neither."""
    if not accept:
        return JSON
    qualities = _qualities(accept)
    wildcard = qualities.get(b"application/*", qualities.get(b"*/*", 0.0))
    json = qualities.get(b"application/json", wildcard)
    graphql_response = qualities.get(b"application/graphql-response+json", wildcard)
    if graphql_response > json:
        return GRAPHQL_RESPONSE
    if json <= 0:
        return None
    # Of two that are equally welcome, the newer type is for those who know its name.
    knows_both = graphql_response == json and b"application/graphql-response+json" in qualities
    return GRAPHQL_RESPONSE if knows_both else JSON


def _qualities(accept: bytes) -> dict[bytes, float]:
    """How welcome each media range of an Accept header is, from 0 to 1; unreadable ones are not welcome."""
    qualities: dict[bytes, float] = {}
    for item in accept.lower().split(b","):
        media_range, *parameters = (part.strip() for part in item.split(b";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith(b"q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        qualities[media_range] = max(quality, qualities.get(media_range, 0.0))
    return qualities


def _parse_body(body: bytes) -> Parameters:
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise HttpError(400, "The body is not JSON in UTF-8.") from None
    if not isinstance(values, dict):
        raise HttpError(400, "The body must be one JSON object; there is no batching.")
    return _check_types(values)


def _parse_query_string(query_string: bytes, max_size: int) -> Parameters:
    if len(query_string) > max_size:
        raise HttpError(414, f"The query string is longer than {max_size} bytes.")
    try:
        values: dict[str, Any] = dict(
            parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict")
        )
    except UnicodeDecodeError:
        raise HttpError(400, "The query string is not UTF-8.") from None
    # The specification makes an empty name the same as none.
    values["operationName"] = values.get("operationName") or None
    for name in ("variables", "extensions"):
        if name in values:
            try:
                values[name] = orjson.loads(values[name])
            except orjson.JSONDecodeError:
                raise HttpError(400, f"The parameter {name} is not JSON.") from None
    return _check_types(values)


def _check_types(values: dict[str, Any]) -> Parameters:
    query = values.get("query")
    if not isinstance(query, str):
        raise HttpError(400, "The parameter query is required, and must be a string.")
    operation_name = values.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise HttpError(400, "The parameter operationName must be a string.")
    variables = values.get("variables")
    if variables is not None and not isinstance(variables, dict):
        raise HttpError(400, "The parameter variables must be an object.")
    extensions = values.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise HttpError(400, "The parameter extensions must be an object.")
    return query, operation_name, variables, extensions


def _refuse_to_write(document: DocumentNode, operation_name: str | None) -> None:
    """A link or a picture on any page makes a browser send a GET: it must not change anything."""
    operation = get_operation_ast(document, operation_name)
    if operation is not None and operation.operation is not OperationType.QUERY:
        raise HttpError(405, "Mutations must be sent with POST.", [(b"allow", b"POST")])


async def _send(send: Send, status: int, media_type: bytes, body: bytes, headers: Headers = ()) -> None:
    fixed = [
        (b"content-type", media_type),
        (b"content-length", b"%d" % len(body)),
        # Answers may hold tokens. As nobody keeps them, nobody needs to be told what they vary by.
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
