"""The paths of the REST API, and the responses to paths and methods that it does not have."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from api.http.client import client_of
from api.messages import message
from api.observability.logs import get_logger, mask_secrets
from api.observability.middleware import observe_route
from api.rest import accounts, beta_keys, email_verification, tenants
from api.rest.errors import Endpoint, error_response, refuse, with_error_responses

logger = get_logger()

MAX_LOGGED_PATH = 200
"""Characters of an unknown path in the log."""

_ENDPOINTS: list[tuple[str, str, Endpoint]] = [
    ("GET", "/api/beta-keys/validate/{key:path}", beta_keys.validate_beta_key),
    ("POST", "/api/auth/register", accounts.register),
    ("POST", "/api/auth/login", accounts.login),
    ("POST", "/api/auth/check-user", accounts.check_user),
    ("GET", "/api/users/me", accounts.me),
    ("POST", "/api/auth/verify-email/request-otp", email_verification.request_otp),
    ("POST", "/api/auth/verify-email/verify-otp", email_verification.verify_otp),
    ("GET", "/api/beta-keys", beta_keys.list_beta_keys),
    ("GET", "/api/beta-keys/stats", beta_keys.beta_key_stats),
    ("POST", "/api/beta-keys", beta_keys.create_beta_key),
    ("POST", "/api/beta-keys/bulk", beta_keys.create_beta_keys),
    ("DELETE", "/api/beta-keys/{id}", beta_keys.delete_beta_key),
    ("PATCH", "/api/beta-keys/{id}", beta_keys.update_notes),
    ("PATCH", "/api/beta-keys/{id}/notes", beta_keys.update_notes),
    ("POST", "/api/beta-keys/{id}/send-invitation", beta_keys.send_invitation),
    ("GET", "/api/tenant-management", tenants.list_tenants),
    ("POST", "/api/tenant-management/suspend/request-otp", tenants.request_suspension_otp),
    ("POST", "/api/tenant-management/suspend/verify", tenants.suspend_tenant),
    ("POST", "/api/tenant-management/delete/request-otp", tenants.request_deletion_otp),
    ("POST", "/api/tenant-management/delete/verify", tenants.delete_tenant),
    ("POST", "/api/tenant-management/reactivate/{id}", tenants.reactivate_tenant),
]


def routes(*, max_seconds: float) -> list[Route]:
    """The routes; a request that takes longer than `max_seconds` is cancelled."""
    return [
        Route(
            path,
            with_error_responses(endpoint, max_seconds),
            methods=[method],
            middleware=observe_route(f"REST {endpoint.__name__}"),
        )
        for method, path, endpoint in _ENDPOINTS
    ]


async def http_error(request: Request, error: Exception) -> Response:
    """The response to an unknown path, or to a method that the path does not support."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status != 405:
        # A person may type a beta key where a path is expected.
        path = mask_secrets(request.url.path)[:MAX_LOGGED_PATH]
        logger.info("unknown path", method=request.method, path=path)
        return error_response(status, "NOT_FOUND", message("NOT_FOUND", client_of(request.scope).language))
    allowed = {"allow": ", ".join(_allowed_methods(request))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allowed)
    response = refuse(status, "BAD_REQUEST", message("BAD_REQUEST", client_of(request.scope).language))
    response.headers.update(allowed)
    return response


def _allowed_methods(request: Request) -> list[str]:
    """The methods of all routes with the path of the request. Starlette's own error lists those of one."""
    methods = {"OPTIONS"}
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return sorted(methods)
