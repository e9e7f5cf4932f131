"""OpenTelemetry spans of requests, resolvers and SQL. Imported only if OTEL_EXPORTER_OTLP_ENDPOINT is set.

No span has values from a client, parameters of a statement or messages of exceptions, which may be secrets.
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

SHUTDOWN_TIMEOUT = 3.0
"""Seconds for sending the last spans when the server stops."""

_PROPAGATED = (b"traceparent", b"tracestate")


class Traces:
    """Creates the spans of this process and exports them in the background."""

    def __init__(self, endpoint: str) -> None:
        if "service.name=" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
            os.environ.setdefault("OTEL_SERVICE_NAME", "gatehouse")
        # The library logs each failed export. `_OutageLogger` logs one line for an outage.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_OutageLogger(OTLPSpanExporter(), endpoint)))
        self._tracer = self._provider.get_tracer("gatehouse")
        self._propagator = TraceContextTextMapPropagator()
        get_engine().on_query = self._trace_statement
        shared_lookup.on_behalf = self._trace_shared_lookup

    async def stop(self) -> None:
        """Send the spans that are left, within `SHUTDOWN_TIMEOUT`."""
        # A daemon thread, which cannot keep the process alive if the collector hangs.
        stopping = threading.Thread(target=self._provider.shutdown, daemon=True)
        stopping.start()
        await asyncio.to_thread(stopping.join, SHUTDOWN_TIMEOUT)

    async def trace_request(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, outcome: RequestOutcome
    ) -> None:
        """Call `app` within a span, whose parent is the client's if the request has a traceparent header."""
        carrier = {
            name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _PROPAGATED
        }
        route = scope["route"].path
        with self._start_span(
            f"{scope['method']} {route}",
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            # The route and not the path, which may contain a beta key.
            attributes={
                "http.request.method": scope["method"],
                "http.route": route,
                "gatehouse.request_id": request_id.get(),
            },
        ) as span:

            async def send_and_record_status(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            try:
                await app(scope, receive, send_and_record_status)
            except Exception as error:
                _set_failed(span, type(error).__name__)
                raise
            if scope["route"].path == "/graphql" and outcome.operation is not None:
                span.set_attribute("graphql.operation.name", outcome.operation)
            span.set_attribute("gatehouse.outcome", outcome.outcome)
            if outcome.outcome in ("INTERNAL", "UNAVAILABLE", "TIMEOUT"):
                _set_failed(span, outcome.outcome)

    def _start_span(self, name: str, **details: Any) -> AbstractContextManager[Span]:
        # By default a span records the message of an exception, which may be a secret.
        return self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False, **details
        )

    def trace_resolver(self, name: str, resolve: Callable[..., Any]) -> Callable[..., Any]:
        """A resolver that calls `resolve` within a span if the request is sampled; `name` is `Type.field`."""

        async def resolve_later(source: Any, info: Any, arguments: dict[str, Any]) -> Any:
            with self._resolver_span(name):
                return await resolve(source, info, **arguments)

        is_async = iscoroutinefunction(resolve)

        def traced(source: Any, info: Any, **arguments: Any) -> Any:
            if not trace.get_current_span().is_recording():
                return resolve(source, info, **arguments)
            if is_async:
                return resolve_later(source, info, arguments)
            with self._resolver_span(name):
                return resolve(source, info, **arguments)

        return traced

    @contextmanager
    def _resolver_span(self, name: str) -> Iterator[None]:
        with self._start_span(name) as span:
            try:
                yield
            except Exception as error:
                _set_failed(span, type(error).__name__)
                raise

    def _trace_statement(self, query: LoggedQuery) -> None:
        """Create the span of a statement that has ended, if a sampled request executed it."""
        # Not `is_recording`, which is false if the span of the request has ended already.
        if not trace.get_current_span().get_span_context().trace_flags.sampled:
            return
        ended = time.time_ns()
        text = _mask_literals(query.query)
        span = self._tracer.start_span(
            text.split(None, 1)[0].upper() if text else "SQL",
            kind=SpanKind.CLIENT,
            start_time=ended - int(query.elapsed * 1e9),
            attributes={"db.system.name": "postgresql", "db.query.text": text},
        )
        if query.exception is not None:
            error = query.exception
            _set_failed(span, getattr(error, "sqlstate", None) or type(error).__name__)
        span.end(ended)

    @contextmanager
    def _trace_shared_lookup(self, callers: Sequence[Context]) -> Iterator[None]:
        """A span for a query that several requests share: a child of the first one, linked to the others."""
        spans = [caller.run(trace.get_current_span) for caller in callers]
        recording = [span for span in spans if span.is_recording()]
        if not recording:
            yield
            return
        with self._start_span(
            "shared look-up",
            context=trace.set_span_in_context(recording[0]),
            links=[Link(span.get_span_context()) for span in recording[1:]],
            attributes={"gatehouse.callers": len(callers)},
        ):
            yield


def _set_failed(span: Span, kind: str) -> None:
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", kind)


def _mask_literals(statement: str) -> str:
    """Statements have parameters for values. String literals are masked in case one has a value after all."""
    return re.sub(r"'(?:[^']|'')*'", "?", " ".join(statement.split()))


class _OutageLogger(SpanExporter):
    """Logs one line when exports begin to fail, and one when they succeed again."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._is_failing:
            logger.warning("traces cannot be sent and are dropped", to=self._endpoint)
        elif self._is_failing and not failed:
            logger.warning("traces are sent again", to=self._endpoint)
        self._is_failing = failed
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
