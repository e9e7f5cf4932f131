"""Answers a path with a slash at its end as the same path without it."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send


class TrailingSlashes:
    """ASGI middleware.

    Starlette would redirect such a request to an address that it builds from the Host header. Behind a proxy
    that ends TLS this is plain HTTP, and many clients repeat a redirected POST as a GET without its body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            path = scope["path"]
            if path[-1:] == "/" and path != "/":
                scope = {**scope, "path": path.rstrip("/") or "/"}
        return self._app(scope, receive, send)
