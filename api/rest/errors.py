"""What errors become: HTTP statuses, and bodies in the shape that clients of the old system know."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.domain import errors
from api.domain.errors import DomainError, InvalidInput
from api.domain.overload_errors import ClientGone, Overloaded
from api.http.body import HttpError
from api.http.client import client_of
from api.http.disconnects import watched_client
from api.messages import field_label, message
from api.observability.error_reporting import report_error
from api.observability.logs import get_logger
from api.observability.request_outcome import record_outcome
from api.rest.responses import json_response
from api.written_times import in_words

logger = get_logger()

HTTP_STATUS_OF_ERROR: dict[type[DomainError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.InvalidArgument: HTTPStatus.BAD_REQUEST,
    errors.BetaKeyRejected: HTTPStatus.BAD_REQUEST,
    errors.WrongCode: HTTPStatus.BAD_REQUEST,
    errors.WrongCredentials: HTTPStatus.UNAUTHORIZED,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.TenantSuspended: HTTPStatus.FORBIDDEN,
    errors.TenantDeleted: HTTPStatus.FORBIDDEN,
    errors.SecondFactorRequired: HTTPStatus.FORBIDDEN,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.StepUpRequired: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.EmailTaken: HTTPStatus.CONFLICT,
    errors.NitTaken: HTTPStatus.CONFLICT,
    errors.NoSeat: HTTPStatus.CONFLICT,
    errors.InvitationRequired: HTTPStatus.CONFLICT,
    errors.PasskeysUnavailable: HTTPStatus.CONFLICT,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    # The client cannot read this response, but Starlette requires one.
    ClientGone: HTTPStatus.BAD_REQUEST,
}
"""The status of the response to each error of the domain, and to those that derive from it."""

Endpoint = Callable[[Request], Awaitable[Response]]


def with_error_responses(endpoint: Endpoint, max_seconds: float) -> Endpoint:
    """`endpoint` with a time limit; each failure becomes a JSON response in the shape of the old system."""

    async def respond(request: Request) -> Response:
        language = client_of(request.scope).language
        limit = asyncio.timeout(max_seconds)
        try:
            async with limit:
                with watched_client(request.receive):
                    return await endpoint(request)
        except DomainError as error:
            return _domain_error(error, language)
        except HttpError as error:
            return refuse(error.status, "BAD_REQUEST", error.message(language))
        except ClientDisconnect:
            # The client cannot read this response, but Starlette requires one.
            return Response(status_code=400)
        except Exception as error:  # noqa: BLE001
            if limit.expired():
                status = 408 if getattr(request.state, "is_incomplete", False) else 503
                return refuse(status, "TIMEOUT", message("TIMEOUT", language, seconds=f"{max_seconds:g}"))
            # Handled here because Starlette's own handler answers in plain text, without the request id.
            code = report_error(error)
            return error_response(503 if code == "UNAVAILABLE" else 500, code, message(code, language))

    return respond


def _domain_error(error: DomainError, language: str) -> Response:
    if isinstance(error, InvalidInput):
        return _invalid_input(error, language)
    status = next(HTTP_STATUS_OF_ERROR[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS_OF_ERROR)
    values = {
        name: in_words(value, language) if isinstance(value, datetime) else value
        for name, value in error.values.items()
    }
    response = refuse(status, error.code, message(error.message_code, language, **values))
    if isinstance(error, errors.RateLimited | Overloaded):
        response.headers["retry-after"] = str(error.retry_after_seconds)
    return response


def _invalid_input(error: InvalidInput, language: str) -> Response:
    """As the validation of NestJS, `message` has a sentence for each problem, which names its field."""
    fields = [
        {
            "field": problem.name,
            "code": problem.code,
            "message": message(problem.code, language, **problem.limits),
        }
        for problem in error.problems
    ]
    sentences = [f"{field_label(field['field'], language)}: {field['message']}" for field in fields]
    return refuse(HTTP_STATUS_OF_ERROR[type(error)], error.code, sentences, fields)


def refuse(status: int, code: str, text: str | list[str], fields: Sequence[dict[str, str]] = ()) -> Response:
    """An error of the client."""
    logger.info("refused", status=int(status), code=code)
    return error_response(status, code, text, fields)


def error_response(
    status: int, code: str, text: str | list[str], fields: Sequence[dict[str, str]] = ()
) -> Response:
    record_outcome(code)
    return json_response(
        status,
        {
            "statusCode": status,
            "error": HTTPStatus(status).phrase,
            "code": code,
            "message": text,
            "fields": fields,
        },
    )
