"""Errors of a GraphQL request as a whole, which no field of its document causes."""

from collections.abc import Iterable

from graphql import GraphQLError

from api.http.body import Headers, HttpError


class RequestError(GraphQLError):
    """The `HttpError` of a request that is not well-formed GraphQL over HTTP, for `on_errors`."""

    def __init__(self, error: HttpError) -> None:
        super().__init__(error.message("en"))
        self.status = error.status
        self.message_in = error.message


class RequestTimeout(RequestError):
    """A request that took longer than `seconds`: its answer, or its body, if that `is_incomplete`."""

    def __init__(self, seconds: float, *, is_incomplete: bool) -> None:
        super().__init__(HttpError(408 if is_incomplete else 503, "TIMEOUT", seconds=f"{seconds:g}"))
        self.seconds = seconds


class PersistedQueryError(GraphQLError):
    """A request with a hash alone, which the client repeats with the query.

    Apollo's clients and urql know these messages and codes.
    """


class PersistedQueryNotFound(PersistedQueryError):
    """The hash is not in the cache. The client sends both from now on."""

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound", extensions={"code": "PERSISTED_QUERY_NOT_FOUND"})


class PersistedQueryNotSupported(PersistedQueryError):
    """The hash is of another version than 1. The client sends no hashes from now on."""

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported", extensions={"code": "PERSISTED_QUERY_NOT_SUPPORTED"})


class IntrospectionRefused(GraphQLError):
    """A document that reads the schema, which this client may not."""

    def __init__(self) -> None:
        super().__init__("The schema cannot be read.", extensions={"code": "INTROSPECTION_DISABLED"})


def retry_after(errors: Iterable[GraphQLError]) -> Headers:
    """The header Retry-After, for the greatest `extensions.retryAfterSeconds` of the errors."""
    waits = [wait for error in errors if (wait := (error.extensions or {}).get("retryAfterSeconds"))]
    return [(b"retry-after", b"%d" % max(waits))] if waits else ()


def not_acceptable(accept: bytes | None) -> HttpError:
    is_event_stream = accept is not None and b"text/event-stream" in accept.lower()
    return HttpError(406, "HTTP.EVENT_STREAM" if is_event_stream else "HTTP.NOT_ACCEPTABLE")
