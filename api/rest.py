"""The REST API of the old system, for its clients: the same paths, names and bodies.

It has no rules of its own: it reads the request, calls the domain functions that GraphQL calls as well, and
writes the response. `HTTP_STATUS_OF_ERROR` says which HTTP status each `DomainError` becomes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from api.domain import errors, registration
from api.domain.accounts import sign_in
from api.domain.accounts.sessions import OpenedSession
from api.domain.beta_keys import lookup
from api.domain.errors import DomainError, InvalidInput
from api.domain.forms import Form
from api.http.body import HttpError, parse_json, read_body, refuse_compression, require_json
from api.http.client import client_of
from api.http.limits import MAX_BODY_BYTES
from api.messages import message
from api.observability.error_reporting import report_error
from api.observability.logs import get_logger
from api.observability.middleware import observe_route
from api.observability.request_outcome import record_outcome
from tables import Tenant, User

logger = get_logger()

HTTP_STATUS_OF_ERROR: dict[type[DomainError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.InvalidArgument: HTTPStatus.BAD_REQUEST,
    errors.BetaKeyRejected: HTTPStatus.BAD_REQUEST,
    errors.WrongCode: HTTPStatus.BAD_REQUEST,
    errors.WrongCredentials: HTTPStatus.UNAUTHORIZED,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.TenantSuspended: HTTPStatus.FORBIDDEN,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.EmailTaken: HTTPStatus.CONFLICT,
    errors.NitTaken: HTTPStatus.CONFLICT,
    errors.NoSeat: HTTPStatus.CONFLICT,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
}
"""The status of the response to each error of the domain."""

MAX_LOGGED_PATH = 200
"""Characters of an unknown path in the log."""

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(*, max_seconds: float) -> list[Route]:
    """The routes; a request that takes longer than `max_seconds` is cancelled."""
    endpoints: list[tuple[str, str, Endpoint]] = [
        ("GET", "/api/beta-keys/validate/{key:path}", validate_beta_key),
        ("POST", "/api/auth/register", register),
        ("POST", "/api/auth/login", login),
    ]
    return [
        Route(
            path,
            _with_error_responses(endpoint, max_seconds),
            methods=[method],
            middleware=observe_route(f"REST {endpoint.__name__}"),
        )
        for method, path, endpoint in endpoints
    ]


async def validate_beta_key(request: Request) -> Response:
    client = client_of(request.scope)
    reason = await lookup.validate_key(request.path_params["key"], client)
    text = message(lookup.message_code(reason), client.language)
    return _json(HTTPStatus.OK, {"valid": reason is None, "message": text})


async def register(request: Request) -> Response:
    values = await _read_json_object(request)
    opened = await registration.register(values, client_of(request.scope))
    return _json(HTTPStatus.CREATED, _session(opened))


class _Login(Form):
    email: str
    password: Annotated[str, Field(repr=False)]


async def login(request: Request) -> Response:
    credentials = _Login.read(await _read_json_object(request))
    opened = await sign_in.sign_in(credentials.email, credentials.password, client_of(request.scope))
    return _json(HTTPStatus.CREATED, _session(opened))


async def _read_json_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises `HttpError` if the body is anything else."""
    headers = request.headers
    require_json(headers.get("content-type", "").encode("latin-1"))
    refuse_compression(headers.get("content-encoding", "").encode("latin-1"))
    body = await read_body(request.receive, headers.get("content-length", "").encode(), MAX_BODY_BYTES)
    values = parse_json(body)
    if not isinstance(values, dict):
        raise HttpError(400, "The body must be a JSON object.")
    return values


def _session(opened: OpenedSession) -> dict[str, Any]:
    return {
        "user": _user(opened.user),
        "tenant": _tenant(opened.tenant) if opened.tenant is not None else None,
        "accessToken": opened.token,
    }


def _user(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "role": user.role,
        "isOwner": user.is_owner,
        "isActive": user.is_active,
        "documentId": user.document_id,
        "phoneNumber": user.phone_number,
        "tenantId": user.tenant_id,
        "createdAt": user.created_at,
    }


def _tenant(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "businessName": tenant.business_name,
        "nit": tenant.nit,
        "businessType": tenant.business_type,
        "address": tenant.address,
        "phone": tenant.phone,
        "email": tenant.email,
        "betaKeyUsed": tenant.beta_key_used,
        "maxAdmins": tenant.max_admins,
        "maxManagers": tenant.max_managers,
        "maxCashiers": tenant.max_cashiers,
        "isActive": tenant.is_active,
        "createdAt": tenant.created_at,
    }


def _with_error_responses(endpoint: Endpoint, max_seconds: float) -> Endpoint:
    """`endpoint` with a time limit; each failure becomes a JSON response in the shape of the old system."""

    async def respond(request: Request) -> Response:
        language = client_of(request.scope).language
        limit = asyncio.timeout(max_seconds)
        try:
            async with limit:
                return await endpoint(request)
        except DomainError as error:
            return _domain_error(error, language)
        except HttpError as error:
            return _refuse(error.status, "BAD_REQUEST", error.message)
        except ClientDisconnect:
            # The client cannot read this response, but Starlette requires one.
            return Response(status_code=400)
        except Exception as error:  # noqa: BLE001
            if limit.expired():
                return _refuse(503, "TIMEOUT", message("TIMEOUT", language, seconds=f"{max_seconds:g}"))
            # Handled here because Starlette's own handler answers in plain text, without the request id.
            code = report_error(error)
            return _error(503 if code == "UNAVAILABLE" else 500, code, message(code, language))

    return respond


def _domain_error(error: DomainError, language: str) -> Response:
    problems = error.problems if isinstance(error, InvalidInput) else []
    response = _refuse(
        HTTP_STATUS_OF_ERROR[type(error)],
        error.code,
        message(error.message_code, language, **error.values),
        [
            {
                "field": problem.name,
                "code": problem.code,
                "message": message(problem.code, language, **problem.limits),
            }
            for problem in problems
        ],
    )
    if isinstance(error, errors.RateLimited):
        response.headers["retry-after"] = str(error.retry_after_seconds)
    return response


async def http_error(request: Request, error: Exception) -> Response:
    """The response to an unknown path, or to a method that the path does not support."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status != 405:
        logger.info("unknown path", method=request.method, path=request.url.path[:MAX_LOGGED_PATH])
        return _error(status, "NOT_FOUND", message("NOT_FOUND", client_of(request.scope).language))
    allowed = {"allow": ", ".join(_allowed_methods(request))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allowed)
    response = _refuse(status, "BAD_REQUEST", message("BAD_REQUEST", client_of(request.scope).language))
    response.headers.update(allowed)
    return response


def _allowed_methods(request: Request) -> list[str]:
    """The methods of all routes with the path of the request. Starlette's own error lists those of one."""
    methods = {"OPTIONS"}
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return sorted(methods)


def _refuse(status: int, code: str, text: str, fields: Sequence[dict[str, str]] = ()) -> Response:
    """An error of the client."""
    logger.info("refused", status=int(status), code=code)
    return _error(status, code, text, fields)


def _error(status: int, code: str, text: str, fields: Sequence[dict[str, str]] = ()) -> Response:
    record_outcome(code)
    return _json(
        status,
        {
            "statusCode": status,
            "error": HTTPStatus(status).phrase,
            "code": code,
            "message": text,
            "fields": fields,
        },
    )


def _json(status: int, content: dict[str, Any]) -> Response:
    # `default=str` is for asyncpg's own UUID class, which orjson does not know.
    body = orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z)
    headers = {"cache-control": "no-store", "vary": "accept-language"}
    return Response(body, status, headers, media_type="application/json")
