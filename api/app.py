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
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api import rest
from api.database.engine import get_engine
from api.deploy.migrations.pending import pending_migrations
from api.domain.rate_limits import close_counter
from api.execution.document_limits import DocumentLimits
from api.http.client import MAX_BODY, MAX_SECONDS
from api.http.graphql_view import GraphQLView
from api.http.metrics_port import metrics_port, metrics_routes
from api.http.request_ids import RequestIds
from api.observability.error_reporting import report_error
from api.observability.logs import configure_logging, get_logger
from api.observability.middleware import watch_fields, watching, watching_process
from api.schema.context import Context
from api.schema.error_formatting import present_errors
from api.schema.schema import schema
from api.settings import get_settings

logger = get_logger()


def create_app(*, max_seconds: float = MAX_SECONDS, plan_from: int = 2) -> ASGIApp:
    """The application; a request that takes longer than `max_seconds` is given up and rolled back.

    `plan_from` is the number of the request with which a document gets a plan.
    """
    configure_logging()
    watch_fields(schema)
    settings = get_settings()
    graphql = GraphQLView(
        schema,
        get_context=Context,
        on_errors=present_errors,
        graphiql=True,
        max_body=MAX_BODY,
        limits=DocumentLimits(tokens=2000, levels=10, aliases=15),
        max_seconds=max_seconds,
        plans=settings.execution_plans,
        plan_from=plan_from,
        max_documents=settings.document_cache_entries,
        max_document_bytes=settings.document_cache_bytes,
    )
    graphql_route = Route("/graphql", graphql, middleware=watching())
    app: ASGIApp = Starlette(
        routes=[
            graphql_route,
            *rest.routes(max_seconds=max_seconds),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *metrics_routes(),
        ],
        exception_handlers={404: rest.http_error, 405: rest.http_error},
        lifespan=lifespan,
    )
    # Around Starlette, and not within it, because a request for GraphQL need not go through Starlette at all.
    for middleware in (
        Middleware(_Shortcut, graphql_route),
        *_cross_origin(),
        *metrics_port(),
        Middleware(RequestIds),
    ):
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    return app


class _Shortcut:
    """ASGI middleware: goes to a route without asking Starlette.

    Its router and its handlers of exceptions take a fifth of what a short query takes, and have nothing to do
    for a route that finds an answer to everything by itself.
    """

    def __init__(self, app: ASGIApp, route: Route) -> None:
        self._app = app
        self._route = route

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and scope["path"] == self._route.path:
            scope["route"] = self._route
            return self._route.app(scope, receive, send)
        return self._app(scope, receive, send)


def _cross_origin() -> list[Middleware]:
    """Lets pages of the origins of `CORS_ORIGINS` read answers; without any, browsers keep all others out.

    Credentials are not allowed: a token travels in a header that the page sets, and never by itself.
    """
    origins = get_settings().cors_origins
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["accept-language", "authorization", "content-type", "x-request-id"],
            expose_headers=["retry-after", "x-request-id"],
            max_age=86_400,
        )
    ]


async def healthz(_request: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok")


async def readyz(_request: Request) -> Response:
    """The database answers and has seen every migration; 503 and the reason otherwise."""
    try:
        pending = await pending_migrations()
    except Exception as error:  # noqa: BLE001
        # Whatever keeps the database from answering, the one who asks should not get requests to it yet.
        code = report_error(error)
        reason = "database unavailable" if code == "UNAVAILABLE" else "see the log"
        return _not_ready({"reason": reason, "code": code})
    if pending:
        logger.warning("migrations pending; run: piccolo migrations forwards all", pending=pending)
        return _not_ready({"reason": "migrations pending", "pending": pending})
    return Response(orjson.dumps({"status": "ready"}), media_type="application/json")


def _not_ready(why: dict[str, object]) -> Response:
    return Response(orjson.dumps({"status": "unavailable", **why}), 503, media_type="application/json")


@contextlib.asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    _end_with_parent()
    await get_engine().start_connection_pool()
    # Modules and schema live as long as the process. Looking for garbage among them again and again holds
    # every request up: the slowest of the look-ups beside a load of registrations took four times as long.
    gc.collect()
    gc.freeze()
    # The objects of requests that wait are more than the 700 that are looked at for garbage as Python comes.
    gc.set_threshold(10_000)
    try:
        async with watching_process():
            yield
    finally:
        await close_counter()
        await get_engine().close_connection_pool()


def _end_with_parent() -> None:
    """Of several server processes none outlives the one that started them.

    Killed alone, that one would leave workers behind that answer on, and keep its port from the next start.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
