"""Routes /metrics: on PORT if METRICS_TOKEN is set, on a port of its own if METRICS_PORT is."""

from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.settings import get_settings


def metrics_routes() -> list[Route]:
    if not get_settings().metrics:
        return []
    # Imported here, because prometheus_client takes time and memory that only metrics need.
    from api.http.metrics_endpoint import metrics

    return [Route("/metrics", metrics)]


def metrics_port() -> list[Middleware]:
    """The middleware that separates METRICS_PORT from PORT; none if METRICS_PORT is unset."""
    port = get_settings().metrics_port
    return [] if port is None else [Middleware(_MetricsPort, port)]


class _MetricsPort:
    """ASGI middleware: its port serves /metrics and nothing else, and no other port serves /metrics."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["path"] == "/metrics") != (scope["server"][1] == self._port):
            await PlainTextResponse("not found", 404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
