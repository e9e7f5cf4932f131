"""Where /metrics is found: on PORT with METRICS_TOKEN, or alone on METRICS_PORT."""

from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.settings import get_settings


def metrics_routes() -> list[Route]:
    if not get_settings().metrics:
        return []
    from api.http.metrics_endpoint import metrics

    return [Route("/metrics", metrics)]


def metrics_port() -> list[Middleware]:
    """Keeps what METRICS_PORT is for apart from what PORT is for."""
    port = get_settings().metrics_port
    return [] if port is None else [Middleware(_MetricsPort, port)]


class _MetricsPort:
    """ASGI middleware: /metrics is found on its port alone, and nothing else is found there."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["path"] == "/metrics") != (scope["server"][1] == self._port):
            await PlainTextResponse("not found", 404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
