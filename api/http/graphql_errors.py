"""Errors of a GraphQL request as a whole, which no field of its document causes."""

from graphql import GraphQLError

from api.http.body import HttpError

NO_SUBSCRIPTIONS = "There are no subscriptions: send queries and mutations with POST."


class RequestError(GraphQLError):
    """The `HttpError` of a request that is not well-formed GraphQL over HTTP, for `on_errors`."""

    def __init__(self, error: HttpError) -> None:
        super().__init__(error.message)
        self.status = error.status


class RequestTimeout(RequestError):
    """A request that took longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(HttpError(503, f"The request took longer than {seconds:g} seconds."))
        self.seconds = seconds


class PersistedQueryNotFound(GraphQLError):
    """A request with a hash alone that is not in the cache. The client repeats it with the query.

    Apollo's clients and urql know this message and this code.
    """

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound", extensions={"code": "PERSISTED_QUERY_NOT_FOUND"})


def not_acceptable(accept: bytes | None) -> HttpError:
    message = "Accept application/graphql-response+json or application/json."
    if accept is not None and b"text/event-stream" in accept.lower():
        message = f"Server-sent events are not supported. {NO_SUBSCRIPTIONS} {message}"
    return HttpError(406, message)
