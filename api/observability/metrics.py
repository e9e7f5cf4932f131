"""What Prometheus sees. Imported only where METRICS_PORT or METRICS_TOKEN is set."""

import asyncio
import glob
import os
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from api.database.engine import get_engine
from api.observability.request_outcome import RequestOutcome

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several server processes keep their counts. The library looks
at it when it is imported."""

POOL_PAUSE = 1.0
"""Seconds between two looks at the pool of a process, where another one may answer for it."""

# From a look-up in memory to the longest that a request may take; registering takes a password hash.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_requests = Counter(
    "gatehouse_requests",
    "Requests by root field or REST door, and by outcome: ok, or the code of what went wrong.",
    ["operation", "outcome"],
    registry=None,
)
_seconds = Histogram(
    "gatehouse_request_duration_seconds",
    "How long requests took, from their first byte to the answer.",
    ["operation"],
    buckets=_BUCKETS,
    registry=None,
)
_connections = Gauge(
    "gatehouse_pool_connections",
    "Connections to the database that this instance has open.",
    ["state"],
    multiprocess_mode="livesum",
    registry=None,
)
_pool_size = Gauge(
    "gatehouse_pool_max_connections",
    "Connections that this instance may open.",
    multiprocess_mode="livesum",
    registry=None,
)
_waiting = Gauge(
    "gatehouse_pool_waiting",
    "Requests that wait for a connection.",
    multiprocess_mode="livesum",
    registry=None,
)

# Looking a series up by its labels takes longer than counting.
_counts: dict[tuple[str, str], Counter] = {}
_durations: dict[str, Histogram] = {}


def measure(answer: RequestOutcome, seconds: float) -> None:
    """Count one request."""
    operation = answer.operation or "none"
    key = (operation, answer.outcome)
    count = _counts.get(key)
    if count is None:
        count = _counts[key] = _requests.labels(*key)
    duration = _durations.get(operation)
    if duration is None:
        duration = _durations[operation] = _seconds.labels(operation)
    count.inc()
    duration.observe(seconds)


async def update_pool_gauges() -> None:
    """Look at the pool of this process from time to time, for the process that will be asked."""
    while True:
        _look_at_pool()
        await asyncio.sleep(POOL_PAUSE)


def _look_at_pool() -> None:
    pool = get_engine().pool
    size, idle = (pool.get_size(), pool.get_idle_size()) if pool else (0, 0)
    _connections.labels("idle").set(idle)
    _connections.labels("busy").set(size - idle)
    _pool_size.set(pool.get_max_size() if pool else 0)
    _waiting.set(get_engine().waiting)


def render_metrics(accept: str, figures: Collector) -> tuple[bytes, str]:
    """The series of this instance and those of `figures`, in the format that an Accept header asks for.

    Returns the text and its content type: Prometheus' own or that of OpenMetrics.
    """
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry()
    registry.register(figures)
    _look_at_pool()
    if folder := os.environ.get(MULTIPROCESS_FOLDER):
        _forget_dead(folder)
        multiprocess.MultiProcessCollector(registry, folder)
    else:
        for collector in (_requests, _seconds, _connections, _pool_size, _waiting):
            registry.register(collector)
    return encode(registry), content_type


def _forget_dead(folder: str) -> None:
    """The pool of a process that was killed has no connections any more; what it had counted stays."""
    for path in glob.glob(f"{glob.escape(folder)}/gauge_live*.db"):
        pid = int(Path(path).stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):
                multiprocess.mark_process_dead(pid, folder)
