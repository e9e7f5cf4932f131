"""The application: routes, middleware, lifespan."""

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.database.engine import get_engine
from api.database.replicas import reads_of_replicas
from api.deploy.migrations.pending import pending_migrations
from api.deploy.migrations.server_processes import registered_process
from api.domain.rate_limits import close_counter
from api.http.client_address import client_address
from api.http.cors import cors
from api.http.draining import ClosesConnections, drain_on_sigterm, is_draining
from api.http.graphql_view import GraphQLView
from api.http.limits import MAX_REQUEST_SECONDS
from api.http.metrics_port import metrics_port, metrics_routes
from api.http.response_headers import ResponseHeaders
from api.http.security_txt import security_txt_routes
from api.http.trailing_slashes import TrailingSlashes
from api.observability.error_reporting import report_error
from api.observability.logs import configure_logging, get_logger
from api.observability.middleware import instrument_schema, observability_lifespan, observe_route
from api.rest.routes import http_error, routes
from api.schema.context import Context
from api.schema.definition import may_read_schema, schema_definition
from api.schema.error_formatting import format_errors
from api.schema.schema import schema
from api.settings import get_settings

logger = get_logger()


def create_app(*, max_seconds: float = MAX_REQUEST_SECONDS, plan_first_request: bool = False) -> ASGIApp:
    """The application. A request that takes longer than `max_seconds` is cancelled and rolled back.

    `plan_first_request` makes the plans of a document within its first request instead of its second.
    """
    configure_logging()
    instrument_schema(schema)
    view = _create_view(max_seconds, plan_first_request=plan_first_request)
    graphql_route = Route("/graphql", view, middleware=observe_route())
    starlette = Starlette(
        routes=[
            graphql_route,
            Route("/graphql/schema.graphql", schema_definition),
            *routes(max_seconds=max_seconds),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/client-address", client_address),
            *security_txt_routes(),
            *metrics_routes(),
        ],
        exception_handlers={404: http_error, 405: http_error},
        lifespan=lifespan,
    )
    # Its redirects have addresses that are built from the Host header. See `TrailingSlashes`.
    starlette.router.redirect_slashes = False
    app: ASGIApp = starlette
    # These wrap Starlette instead of being its middleware, because GraphQL requests bypass Starlette.
    for middleware in (
        Middleware(_DirectRoute, graphql_route),
        *cors(),
        *metrics_port(),
        Middleware(TrailingSlashes),
        Middleware(ClosesConnections),
        Middleware(ResponseHeaders),
    ):
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    return app


def _create_view(max_seconds: float, *, plan_first_request: bool) -> GraphQLView:
    settings = get_settings()
    return GraphQLView(
        schema,
        get_context=Context,
        on_errors=format_errors,
        may_introspect=None if settings.introspects == "on" else may_read_schema,
        graphiql=settings.serves_graphiql,
        max_seconds=max_seconds,
        plans=settings.execution_plans,
        plan_first_request=plan_first_request,
        max_documents=settings.document_cache_entries,
        max_document_bytes=settings.document_cache_bytes,
    )


class _DirectRoute:
    """ASGI middleware: calls a route without Starlette's router and exception handlers.

    Those take a fifth of the time of a short query. The GraphQL view handles its own exceptions.
    """

    def __init__(self, app: ASGIApp, route: Route) -> None:
        self._app = app
        self._route = route

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and scope["path"] == self._route.path:
            scope["route"] = self._route
            return self._route.app(scope, receive, send)
        return self._app(scope, receive, send)


async def healthz(_request: Request) -> Response:
    """Liveness: the process responds."""
    return PlainTextResponse("ok")


async def readyz(_request: Request) -> Response:
    """Readiness: the database takes writes, no migration is pending, and the server does not stop.

    If not, 503 and the reason.
    """
    if is_draining():
        return _not_ready({"reason": "the server stops", "code": "STOPPING"})
    try:
        pending = await pending_migrations()
        takes_writes = await get_engine().takes_writes()
    except Exception as error:  # noqa: BLE001
        # After any error the load balancer must send no requests to this instance yet.
        code = report_error(error)
        reason = "database unavailable" if code == "UNAVAILABLE" else "see the log"
        return _not_ready({"reason": reason, "code": code})
    if pending:
        logger.warning("migrations pending; run: piccolo migrations forwards all", pending=pending)
        return _not_ready({"reason": "migrations pending", "code": "MIGRATIONS_PENDING", "pending": pending})
    if not takes_writes:
        logger.warning("the database takes no writes: it is a standby or read-only")
        return _not_ready({"reason": "the database takes no writes", "code": "READ_ONLY"})
    return Response(orjson.dumps({"status": "ready"}), media_type="application/json")


def _not_ready(details: dict[str, object]) -> Response:
    return Response(orjson.dumps({"status": "unavailable", **details}), 503, media_type="application/json")


@contextlib.asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    """Hold the connection pool open, and run the background tasks, until the server stops."""
    _exit_with_parent()
    await get_engine().start_connection_pool()
    # Modules and schema live as long as the process, so garbage collections need not scan them. Without this
    # the slowest key look-ups during a load of registrations took four times as long.
    gc.collect()
    gc.freeze()
    # Concurrent requests hold more objects than Python's default threshold of 700, so each would cause a
    # collection.
    gc.set_threshold(10_000)
    try:
        async with (
            reads_of_replicas(get_engine(), get_settings().read_replica_max_lag_seconds),
            observability_lifespan(),
            registered_process("server"),
        ):
            with drain_on_sigterm(get_settings().drains_for):
                yield
    finally:
        await close_counter()
        await get_engine().close_connection_pool()


def _exit_with_parent() -> None:
    """Stop this server process when uvicorn's parent process ends, even by SIGKILL.

    Orphaned server processes would continue to respond, and the next start could not listen on the port.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        # Not SIGTERM, after which it would drain.
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, name="parent", daemon=True).start()
