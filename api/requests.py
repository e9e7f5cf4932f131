"""What GraphQL and REST both read off a request."""

from starlette.requests import Request

from api.domain.audit import Client

MAX_BODY = 64 * 1024
"""Bytes that a request may carry."""

MAX_USER_AGENT = 300
"""Characters kept of what a client calls itself."""


def bearer_token(request: Request) -> str | None:
    """The token of `Authorization: Bearer …` (RFC 6750), or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def client_of(request: Request) -> Client:
    user_agent = request.headers.get("user-agent")
    return Client(
        ip_address=request.client.host if request.client else None,
        # PostgreSQL takes no NUL; a header read as Latin-1 may hold anything else.
        user_agent=user_agent.replace("\x00", "")[:MAX_USER_AGENT] if user_agent else None,
    )
