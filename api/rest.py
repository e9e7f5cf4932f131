"""The REST doors of the old system, for its old clients: the same paths, names and bodies.

They have no rules of their own: the domain functions behind GraphQL answer here too.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from api.domain import errors, registration
from api.domain.accounts import sign_in
from api.domain.accounts.sessions import OpenedSession
from api.domain.beta_keys import lookup
from api.domain.errors import DomainError, FieldProblem, InvalidInput
from api.http.body import HttpError, read_body, require_json
from api.http.client import client_of
from api.http.limits import MAX_BODY_BYTES
from api.messages import message
from api.observability.error_reporting import report_error
from api.observability.logs import get_logger
from api.observability.middleware import observe_route
from api.observability.request_outcome import record_outcome
from tables import Tenant, User

logger = get_logger()


async def validate_beta_key(request: Request) -> Response:
    client = client_of(request.scope)
    reason = await lookup.validate_key(request.path_params["key"], client)
    told = message(lookup.message_code(reason), client.language)
    return _json(200, {"valid": reason is None, "message": told})


async def register(request: Request) -> Response:
    form = await _read_object(request)
    return _json(201, _signed_in(await registration.register(form, client_of(request.scope))))


async def login(request: Request) -> Response:
    form = _Form(await _read_object(request))
    email, password = form.text("email"), form.text("password")
    if form.problems:
        raise InvalidInput(form.problems)
    return _json(201, _signed_in(await sign_in.sign_in(email, password, client_of(request.scope))))


async def _read_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body."""
    headers = request.headers
    require_json(headers.get("content-type", "").encode("latin-1"))
    body = await read_body(request.receive, headers.get("content-length", "").encode(), MAX_BODY_BYTES)
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise HttpError(400, "The body is not JSON in UTF-8.") from None
    if not isinstance(values, dict):
        raise HttpError(400, "The body must be a JSON object.")
    return values


class _Form:
    """Reads fields of the types that the domain expects; what has another type is told with the field's name.

    A field that is missing is read as an empty one, for the domain to say what is wrong with that.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self.problems: list[FieldProblem] = []

    def optional(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None or isinstance(value, str):
            return value
        self.problems.append(FieldProblem(name, "NOT_TEXT"))
        return None

    def text(self, name: str) -> str:
        return self.optional(name) or ""


def _signed_in(opened: OpenedSession) -> dict[str, Any]:
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


STATUSES: dict[type[DomainError], int] = {
    errors.InvalidInput: 400,
    errors.BetaKeyRejected: 400,
    errors.EmailTaken: 409,
    errors.NitTaken: 409,
    errors.WrongCredentials: 401,
    errors.TenantSuspended: 403,
    errors.WrongCode: 400,
    errors.RateLimited: 429,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.NoSeat: 409,
    errors.InvalidArgument: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
}


Endpoint = Callable[[Request], Awaitable[Response]]


def _door(answer: Endpoint, max_seconds: float) -> Endpoint:
    """An endpoint that tells every failure in the shape that the old clients know."""

    async def endpoint(request: Request) -> Response:
        language = client_of(request.scope).language
        limit = asyncio.timeout(max_seconds)
        try:
            async with limit:
                return await answer(request)
        except DomainError as error:
            return _domain_error(error, language)
        except HttpError as error:
            return _refuse(error.status, "BAD_REQUEST", error.message)
        except ClientDisconnect:
            # Nobody is there to read this.
            return Response(status_code=400)
        except Exception as error:  # noqa: BLE001
            if limit.expired():
                return _refuse(503, "TIMEOUT", message("TIMEOUT", language, seconds=f"{max_seconds:g}"))
            # Told here and not by Starlette, whose last resort knows neither the request's id nor JSON.
            code = report_error(error)
            return _error(503 if code == "UNAVAILABLE" else 500, code, message(code, language), [])

    return endpoint


def _domain_error(error: DomainError, language: str) -> Response:
    fields = [
        {
            "field": problem.name,
            "code": problem.code,
            "message": message(problem.code, language, **problem.limits),
        }
        for problem in (error.problems if isinstance(error, InvalidInput) else [])
    ]
    told = message(error.message_code, language, **error.values)
    response = _refuse(STATUSES[type(error)], error.code, told, fields)
    if isinstance(error, errors.RateLimited):
        response.headers["retry-after"] = str(error.retry_after_seconds)
    return response


def _refuse(status: int, code: str, told: str, fields: list[dict[str, str]] | None = None) -> Response:
    logger.info("refused", status=status, code=code)
    return _error(status, code, told, fields or [])


def _error(status: int, code: str, told: str, fields: list[dict[str, str]]) -> Response:
    record_outcome(code)
    return _json(
        status,
        {
            "statusCode": status,
            "error": HTTPStatus(status).phrase,
            "code": code,
            "message": told,
            "fields": fields,
        },
    )


def _json(status: int, content: dict[str, Any]) -> Response:
    # asyncpg has a UUID class of its own, which orjson does not know.
    body = orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z)
    headers = {"cache-control": "no-store", "vary": "accept-language"}
    return Response(body, status, headers, media_type="application/json")


async def http_error(request: Request, error: Exception) -> Response:
    """An unknown path, or a method that a path does not take."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (404, None)
    code = "NOT_FOUND" if status == 404 else "BAD_REQUEST"
    response = _refuse(status, code, message(code, client_of(request.scope).language))
    response.headers.update(headers or {})
    return response


def routes(*, max_seconds: float) -> list[Route]:
    """The doors; a request that takes longer than `max_seconds` is given up."""
    doors = [
        ("GET", "/api/beta-keys/validate/{key:path}", validate_beta_key),
        ("POST", "/api/auth/register", register),
        ("POST", "/api/auth/login", login),
    ]
    return [
        Route(
            path,
            _door(answer, max_seconds),
            methods=[method],
            middleware=observe_route(f"REST {answer.__name__}"),
        )
        for method, path, answer in doors
    ]
