"""Traces: request, resolver, SQL. Imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set.

No span holds a value that a client sent, a parameter of a statement, or what an exception says: all of these
may be secrets.
"""

import asyncio
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import Context
from inspect import iscoroutinefunction
from typing import Any

from asyncpg.connection import LoggedQuery
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.database import shared_lookup
from api.database.engine import get_engine
from api.observability.logs import get_logger, request_id
from api.observability.request_outcome import RequestOutcome

logger = get_logger()

PATIENCE = 3.0
"""Seconds that a server which ends leaves to the spans that are still to be sent."""

_PROPAGATED = (b"traceparent", b"tracestate")


class Traces:
    """Makes the spans of this process, and sends them in the background."""

    def __init__(self, endpoint: str) -> None:
        if "service.name=" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
            os.environ.setdefault("OTEL_SERVICE_NAME", "gatehouse")
        # A collector that is away is told of once, below; the library would tell of each try.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_Telling(OTLPSpanExporter(), endpoint)))
        self._tracer = self._provider.get_tracer("gatehouse")
        self._propagator = TraceContextTextMapPropagator()
        get_engine().on_query = self._add_statement
        shared_lookup.on_behalf = self._on_behalf

    async def stop(self) -> None:
        """Send what is left, in so far as that takes no longer than `PATIENCE`."""
        # A thread that ends with the process, because a collector may hang.
        stopping = threading.Thread(target=self._provider.shutdown, daemon=True)
        stopping.start()
        await asyncio.to_thread(stopping.join, PATIENCE)

    async def follow(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, answer: RequestOutcome
    ) -> None:
        """RequestOutcome a request within a span, which belongs to the trace of the client if it has one."""
        carrier = {
            name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _PROPAGATED
        }
        route = scope["route"].path
        with self._open(
            f"{scope['method']} {route}",
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            # Not the path: it may have a key in it.
            attributes={
                "http.request.method": scope["method"],
                "http.route": route,
                "gatehouse.request_id": request_id.get(),
            },
        ) as span:

            async def send_noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            try:
                await app(scope, receive, send_noting)
            except Exception as error:
                _fail(span, type(error).__name__)
                raise
            if scope["route"].path == "/graphql" and answer.operation is not None:
                span.set_attribute("graphql.operation.name", answer.operation)
            span.set_attribute("gatehouse.outcome", answer.outcome)
            if answer.outcome in ("INTERNAL", "UNAVAILABLE", "TIMEOUT"):
                _fail(span, answer.outcome)

    def _open(self, name: str, **details: Any) -> AbstractContextManager[Span]:
        # What a span would do by itself with an exception is to keep its message.
        return self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False, **details
        )

    def of_resolver(self, name: str, resolve: Callable[..., Any]) -> Callable[..., Any]:
        """The resolver within a span, unless the request is not sampled; `name` is type and field."""

        async def resolve_later(source: Any, info: Any, arguments: dict[str, Any]) -> Any:
            with self._span_of_resolver(name):
                return await resolve(source, info, **arguments)

        is_async = iscoroutinefunction(resolve)

        def traced(source: Any, info: Any, **arguments: Any) -> Any:
            if not trace.get_current_span().is_recording():
                return resolve(source, info, **arguments)
            if is_async:
                return resolve_later(source, info, arguments)
            with self._span_of_resolver(name):
                return resolve(source, info, **arguments)

        return traced

    @contextmanager
    def _span_of_resolver(self, name: str) -> Iterator[None]:
        with self._open(name) as span:
            try:
                yield
            except Exception as error:
                _fail(span, type(error).__name__)
                raise

    def _add_statement(self, query: LoggedQuery) -> None:
        """The span of a statement that has ended; those that no traced request has asked for have none."""
        # The request itself may have ended meanwhile, so it need not be recording any more.
        if not trace.get_current_span().get_span_context().trace_flags.sampled:
            return
        ended = time.time_ns()
        text = _without_values(query.query)
        span = self._tracer.start_span(
            text.split(None, 1)[0].upper() if text else "SQL",
            kind=SpanKind.CLIENT,
            start_time=ended - int(query.elapsed * 1e9),
            attributes={"db.system.name": "postgresql", "db.query.text": text},
        )
        if query.exception is not None:
            error = query.exception
            _fail(span, getattr(error, "sqlstate", None) or type(error).__name__)
        span.end(ended)

    @contextmanager
    def _on_behalf(self, callers: Sequence[Context]) -> Iterator[None]:
        """A span of the first who asked; it is linked to those of the others, which the query answers too."""
        spans = [caller.run(trace.get_current_span) for caller in callers]
        asking = [span for span in spans if span.is_recording()]
        if not asking:
            yield
            return
        with self._open(
            "shared look-up",
            context=trace.set_span_in_context(asking[0]),
            links=[Link(span.get_span_context()) for span in asking[1:]],
            attributes={"gatehouse.callers": len(callers)},
        ):
            yield


def _fail(span: Span, kind: str) -> None:
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", kind)


def _without_values(statement: str) -> str:
    """Values travel as parameters. What a statement quotes nevertheless is left out, whatever it is."""
    return re.sub(r"'(?:[^']|'')*'", "?", " ".join(statement.split()))


class _Telling(SpanExporter):
    """Tells when spans cannot be sent any more, and when they can be again: one line each."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._is_away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._is_away:
            logger.warning("traces cannot be sent, and are dropped until they can be", to=self._endpoint)
        elif self._is_away and not failed:
            logger.warning("traces are sent again", to=self._endpoint)
        self._is_away = failed
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
