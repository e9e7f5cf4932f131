"""Errors of the GraphQL answer itself: logged, and masked where they are not the client's doing."""

from collections.abc import Sequence

from graphql import GraphQLError

from api.domain.errors import DomainError, RateLimited
from api.http.graphql_view import RequestError, RequestTimeout
from api.observability.error_reporting import error_code, report_error
from api.observability.logs import get_logger
from api.observability.request_outcome import record_outcome
from api.schema.context import Context

logger = get_logger()


def present_errors(context: Context, errors: Sequence[GraphQLError]) -> list[GraphQLError]:
    """The errors as the client may see them; one line of the log, with the request's id, tells of all."""
    failures = [cause for error in errors if (cause := _failure(error)) is not None]
    if failures:
        record_outcome(report_error(failures[0], more=len(failures) - 1))
    else:
        record_outcome(_outcome(errors[0]))
        # Kinds and places only: the messages of graphql-core repeat values, and those may be passwords.
        logger.info("graphql refused", errors=[_kind(error) for error in errors[:5]])
    return [_present(context, error) for error in errors]


def _outcome(error: GraphQLError) -> str:
    if isinstance(error.original_error, DomainError):
        return error.original_error.code
    return "TIMEOUT" if isinstance(error, RequestTimeout) else "INVALID_REQUEST"


def _failure(error: GraphQLError) -> Exception | None:
    """The exception that escaped from a resolver, or from graphql-core completing what one returned."""
    cause = error.original_error
    return None if isinstance(cause, DomainError | GraphQLError) else cause


def _present(context: Context, error: GraphQLError) -> GraphQLError:
    cause = error.original_error
    if isinstance(cause, DomainError):
        told = _coded(error, context.say(cause.message_code, **cause.values), cause.code)
        if isinstance(cause, RateLimited):
            told.extensions = {**(told.extensions or {}), "retryAfterSeconds": cause.retry_after_seconds}
        return told
    if isinstance(error, RequestTimeout):
        return _coded(error, context.say("TIMEOUT", seconds=f"{error.seconds:g}"), "TIMEOUT")
    if (failure := _failure(error)) is not None:
        code = error_code(failure)
        return _coded(error, context.say(code), code)
    return error


def _coded(error: GraphQLError, message: str, code: str) -> GraphQLError:
    return GraphQLError(message, nodes=error.nodes, path=error.path, extensions={"code": code})


def _kind(error: GraphQLError) -> str:
    if isinstance(error, RequestError):
        return f"{error.status} {error.message}"
    if isinstance(error.original_error, DomainError):
        return error.original_error.code
    places = " ".join(f"{place.line}:{place.column}" for place in error.locations or ())
    return f"invalid document or variables at {places or 'no place'}"
