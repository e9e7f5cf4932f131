"""CORS: which pages of other origins may call, and with which headers."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from api.settings import get_settings

METHODS = ("DELETE", "GET", "PATCH", "POST")

HEADERS = (
    "accept-language",
    "authorization",
    "content-type",
    "x-request-id",
    # Traces: W3C Trace Context and Baggage, and Sentry's own header.
    "baggage",
    "sentry-trace",
    "traceparent",
    "tracestate",
    # Clients of GraphQL: Apollo's, and headers that exist only to make browsers send a preflight request.
    "apollo-require-preflight",
    "apollographql-client-name",
    "apollographql-client-version",
    "graphql-preflight",
    "graphql-require-preflight",
    "x-apollo-operation-id",
    "x-apollo-operation-name",
    "x-apollo-operation-type",
    "x-requested-with",
)
"""The headers that a page may send. A preflight request that asks for another one is refused as a whole."""


def cors() -> list[Middleware]:
    """The middleware that lets pages of CORS_ORIGINS read responses. Browsers block all other origins.

    Credentials are not allowed: no cookie authenticates a request, only a header that the page sets.
    """
    settings = get_settings()
    if not settings.cors_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=METHODS,
            allow_headers=[*HEADERS, *settings.cors_headers],
            expose_headers=["retry-after", "x-request-id"],
            max_age=86_400,
        )
    ]
