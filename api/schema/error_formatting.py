"""The `errors` of a GraphQL response: logged, and masked where the client did not cause them."""

from collections.abc import Sequence

from graphql import GraphQLError

from api.domain.errors import DomainError, RateLimited
from api.domain.overload_errors import Overloaded
from api.execution.document_limits import LimitExceeded
from api.execution.places import PlacedError
from api.http.graphql_errors import (
    IntrospectionRefused,
    PersistedQueryError,
    RequestError,
    RequestTimeout,
)
from api.observability.error_reporting import error_code, report_error
from api.observability.logs import get_logger
from api.observability.request_outcome import record_outcome
from api.schema.context import Context
from api.schema.descriptions import list_codes

logger = get_logger()

ERRORS_DESCRIPTION = list_codes(
    "Entries of `errors` in a response have `extensions.code`, unless the document or its variables are not "
    "valid:",
    {
        "UNAUTHENTICATED": "the field requires a signed-in user; "
        "the request has no token, or one that is no longer valid.",
        "FORBIDDEN": "the signed-in user may not use this field.",
        "INVALID_ARGUMENT": "an argument is not valid; the message names it.",
        "LIMIT_EXCEEDED": "the document or its answer would be too large; `extensions.limit` names the "
        "limit, and `extensions.max` is its value.",
        "INTROSPECTION_DISABLED": "this client may not read the schema.",
        "PERSISTED_QUERY_NOT_FOUND": "the request has the hash of a query that is not in the cache; send "
        "it again with the query.",
        "RATE_LIMITED": "too many requests; `extensions.retryAfterSeconds` says when to try again.",
        "OVERLOADED": "more passwords are to be checked than the server can check in time; nothing was done. "
        "`extensions.retryAfterSeconds` and the header `Retry-After` say when to try again.",
        "CLIENT_GONE": "the client closed the connection before its request was carried out; nothing was "
        "done.",
        "TIMEOUT": "the request took too long and was cancelled.",
        "UNAVAILABLE": "the database is not available at the moment; try again.",
        "INTERNAL": "the server failed.",
    },
)
"""The part of the description of `Query` and `Mutation` that lists the codes of this module."""


def format_errors(context: Context, errors: Sequence[GraphQLError]) -> list[GraphQLError]:
    """The errors as the client may see them. Logs one line for all of them, with the request id."""
    failures = [cause for error in errors if (cause := _failure(error)) is not None]
    if failures:
        record_outcome(report_error(failures[0], more=len(failures) - 1))
    else:
        record_outcome(_outcome(errors[0]))
        # Without the messages: those of graphql-core quote values, which may be passwords.
        logger.info("graphql refused", errors=[_summary(error) for error in errors[:5]])
    return [_format(context, error) for error in errors]


def _failure(error: GraphQLError) -> Exception | None:
    """The exception that a resolver, or graphql-core after it, did not expect."""
    cause = error.original_error
    return None if isinstance(cause, DomainError | GraphQLError) else cause


def _outcome(error: GraphQLError) -> str:
    if isinstance(error.original_error, DomainError):
        return error.original_error.code
    return "TIMEOUT" if isinstance(error, RequestTimeout) else "INVALID_REQUEST"


def _summary(error: GraphQLError) -> str:
    if isinstance(error, RequestError):
        return f"{error.status} {error.message}"
    if isinstance(error.original_error, DomainError):
        return error.original_error.code
    if isinstance(error, PersistedQueryError | IntrospectionRefused | LimitExceeded):
        return error.message
    lines = " ".join(f"{location.line}:{location.column}" for location in error.locations or ())
    place = error.place if isinstance(error, PlacedError) else ".".join(map(str, error.path or ()))
    return f"invalid document or variables at {' '.join(filter(None, (lines, place))) or 'no place'}"


def _format(context: Context, error: GraphQLError) -> GraphQLError:
    cause = error.original_error
    if isinstance(cause, DomainError):
        formatted = _with_code(error, context.message(cause.message_code, **cause.values), cause.code)
        if isinstance(cause, RateLimited | Overloaded):
            extensions = formatted.extensions or {}
            formatted.extensions = {**extensions, "retryAfterSeconds": cause.retry_after_seconds}
        return formatted
    if isinstance(error, RequestTimeout):
        return _with_code(error, context.message("TIMEOUT", seconds=f"{error.seconds:g}"), "TIMEOUT")
    if isinstance(error, IntrospectionRefused):
        return _with_code(error, context.message("INTROSPECTION_DISABLED"), "INTROSPECTION_DISABLED")
    if isinstance(error, RequestError):
        return GraphQLError(error.message_in(context.client.language))
    if (failure := _failure(error)) is not None:
        code = error_code(failure)
        return _with_code(error, context.message(code), code)
    return error


def _with_code(error: GraphQLError, message: str, code: str) -> GraphQLError:
    return GraphQLError(message, nodes=error.nodes, path=error.path, extensions={"code": code})
