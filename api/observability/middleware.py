"""Counts and traces requests. Installed only if the settings ask for metrics or traces."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import strawberry
from graphql import get_named_type
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from api.observability.request_outcome import RequestOutcome, current_outcome, record_operation
from api.settings import get_settings

if TYPE_CHECKING:
    from api.observability.traces import Traces


def observe_route(operation: str | None = None) -> list[Middleware]:
    """The middleware of a route; none if metrics and traces are off.

    `operation` is the operation of all its requests. None means that root fields record theirs.
    """
    if _load_metrics() is None and _load_traces() is None:
        return []
    return [Middleware(ObservabilityMiddleware, operation)]


class ObservabilityMiddleware:
    """ASGI middleware of one route."""

    def __init__(self, app: ASGIApp, operation: str | None) -> None:
        self._app = app
        self._operation = operation
        self._record_request = _load_metrics()
        self._traces = _load_traces()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outcome = RequestOutcome(self._operation)
        current_outcome.set(outcome)
        started = time.perf_counter()
        try:
            if self._traces is None:
                await self._app(scope, receive, send)
            else:
                await self._traces.trace_request(self._app, scope, receive, send, outcome)
        except Exception:
            outcome.outcome = "INTERNAL"
            raise
        finally:
            if self._record_request is not None:
                self._record_request(outcome, time.perf_counter() - started)


def instrument_schema(schema: strawberry.Schema) -> None:
    """Wrap resolvers, so that root fields record their operation and each resolver has a span.

    This changes the schema, so it must be called once, before a document is executed.
    """
    if not observe_route():
        return
    traces = _load_traces()
    roots = (schema._schema.query_type, schema._schema.mutation_type)
    for type_ in schema._schema.type_map.values():
        for name, field in getattr(type_, "fields", {}).items():
            definition = getattr(field, "extensions", {}).get("strawberry-definition")
            if definition is None or definition.base_resolver is None:
                continue
            if traces is not None:
                field.resolve = traces.trace_resolver(f"{type_.name}.{name}", field.resolve)
            # A field that returns a root leads to the root fields that the operation is named after.
            if type_ in roots and get_named_type(field.type) not in roots:
                field.resolve = _record_root_field(name, field.resolve)


def _record_root_field(name: str, resolve: Callable[..., Any]) -> Callable[..., Any]:
    def resolve_and_record(source: Any, info: Any, **arguments: Any) -> Any:
        record_operation(name)
        return resolve(source, info, **arguments)

    return resolve_and_record


@asynccontextmanager
async def observability_lifespan() -> AsyncIterator[None]:
    """Runs the background tasks of metrics, and sends the last spans at the end."""
    tasks: list[asyncio.Task[None]] = []
    if get_settings().metrics and get_settings().workers > 1:
        # Imported here, because prometheus_client takes time and memory that only metrics need.
        from api.observability.metrics import keep_gauges_current

        tasks.append(asyncio.create_task(keep_gauges_current(), name="metrics"))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if (traces := _load_traces()) is not None:
            await traces.stop()


@cache
def _load_metrics() -> Callable[[RequestOutcome, float], None] | None:
    if not get_settings().metrics:
        return None
    # Imported here, because prometheus_client takes time and memory that only metrics need.
    from api.observability.metrics import record_request

    return record_request


@cache
def _load_traces() -> "Traces | None":
    endpoint = get_settings().otel_exporter_otlp_endpoint
    if endpoint is None:
        return None
    # Imported here, because OpenTelemetry takes time and memory that only traces need.
    from api.observability.traces import Traces

    return Traces(endpoint)
