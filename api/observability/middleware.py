"""Requests that are counted and traced, where a setting says so; where none does, nothing of this runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import strawberry
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from api.observability.request_outcome import RequestOutcome, current, record_operation
from api.settings import get_settings

if TYPE_CHECKING:
    from api.observability.traces import Traces


class _Watched:
    """ASGI middleware of one route."""

    def __init__(self, app: ASGIApp, operation: str | None) -> None:
        self._app = app
        self._operation = operation
        self._measure = _measure()
        self._traces = _traces()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = RequestOutcome(self._operation)
        current.set(answer)
        begun = time.perf_counter()
        try:
            if self._traces is None:
                await self._app(scope, receive, send)
            else:
                await self._traces.follow(self._app, scope, receive, send, answer)
        except Exception:
            answer.outcome = "INTERNAL"
            raise
        finally:
            if self._measure is not None:
                self._measure(answer, time.perf_counter() - begun)


def watching(operation: str | None = None) -> list[Middleware]:
    """What a route needs to be watched; `operation` is its name, unless root fields are noted."""
    if _measure() is None and _traces() is None:
        return []
    return [Middleware(_Watched, operation)]


def watch_fields(schema: strawberry.Schema) -> None:
    """Have root fields noted, and resolvers traced, for good: call it once, before documents are run."""
    if not watching():
        return
    traces = _traces()
    roots = (schema._schema.query_type, schema._schema.mutation_type)
    for type_ in schema._schema.type_map.values():
        for name, field in getattr(type_, "fields", {}).items():
            definition = getattr(field, "extensions", {}).get("strawberry-definition")
            if definition is None or definition.base_resolver is None:
                continue
            if traces is not None:
                field.resolve = traces.of_resolver(f"{type_.name}.{name}", field.resolve)
            if type_ in roots:
                field.resolve = _noting(name, field.resolve)


def _noting(name: str, resolve: Callable[..., Any]) -> Callable[..., Any]:
    def noting(source: Any, info: Any, **arguments: Any) -> Any:
        record_operation(name)
        return resolve(source, info, **arguments)

    return noting


@asynccontextmanager
async def watching_process() -> AsyncIterator[None]:
    """What has to go on beside the requests, and be brought to its end after them."""
    tasks: list[asyncio.Task[None]] = []
    if get_settings().metrics and get_settings().workers > 1:
        from api.observability.metrics import update_pool_gauges

        tasks.append(asyncio.create_task(update_pool_gauges(), name="metrics"))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if (traces := _traces()) is not None:
            await traces.stop()


@cache
def _measure() -> Callable[[RequestOutcome, float], None] | None:
    if not get_settings().metrics:
        return None
    from api.observability.metrics import measure

    return measure


@cache
def _traces() -> "Traces | None":
    endpoint = get_settings().otel_exporter_otlp_endpoint
    if endpoint is None:
        return None
    # Loading OpenTelemetry takes time and memory that only those spend who want traces.
    from api.observability.traces import Traces

    return Traces(endpoint)
