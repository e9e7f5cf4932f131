"""The Prometheus metrics of this process. Imported only if METRICS_PORT or METRICS_TOKEN is set."""

import asyncio
import glob
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from api.database.engine import get_engine
from api.observability.gauges import GAUGES
from api.observability.request_outcome import RequestOutcome

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable with the folder in which several server processes share their metrics.
prometheus_client reads it when it is imported."""

GAUGE_INTERVAL = 1.0
"""Seconds between two updates of the gauges by a process whose metrics another process may serve."""

# From a look-up in memory to MAX_REQUEST_SECONDS.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_requests = Counter(
    "gatehouse_requests",
    "Requests by root field or REST endpoint, and by outcome: ok, or an error code.",
    ["operation", "outcome"],
    registry=None,
)
_seconds = Histogram(
    "gatehouse_request_duration_seconds",
    "Duration of requests, from their first byte to the response.",
    ["operation"],
    buckets=_BUCKETS,
    registry=None,
)
_wrong_guesses = Counter(
    "gatehouse_wrong_guesses",
    "Wrong beta keys, one-time codes, passwords and second factors that clients tried.",
    ["of"],
    registry=None,
)
_connections = Gauge(
    "gatehouse_pool_connections",
    "Open database connections of this instance.",
    ["state"],
    multiprocess_mode="livesum",
    registry=None,
)
_pool_size = Gauge(
    "gatehouse_pool_max_connections",
    "Maximum number of database connections of this instance.",
    multiprocess_mode="livesum",
    registry=None,
)
_reads = Counter(
    "gatehouse_reads",
    "Reads that a standby of DATABASE_READ_URL may answer, by the host that answered, or primary.",
    ["target"],
    registry=None,
)
_lag = Gauge(
    "gatehouse_replica_lag_seconds",
    "How far each standby of DATABASE_READ_URL is behind the primary; infinite if it is left out.",
    ["host"],
    multiprocess_mode="livemax",
    registry=None,
)
_waiting = Gauge(
    "gatehouse_pool_waiting",
    "Requests that wait for a database connection.",
    multiprocess_mode="livesum",
    registry=None,
)

_offered: dict[str, Gauge] = {}
"""The series of `GAUGES` by name."""

# Finding a series by its labels takes longer than counting.
_counts: dict[tuple[str, str], Counter] = {}
_durations: dict[str, Histogram] = {}


def record_request(outcome: RequestOutcome, seconds: float) -> None:
    """Count a request that took `seconds`."""
    operation = outcome.operation or "none"
    key = (operation, outcome.outcome)
    count = _counts.get(key)
    if count is None:
        count = _counts[key] = _requests.labels(*key)
    duration = _durations.get(operation)
    if duration is None:
        duration = _durations[operation] = _seconds.labels(operation)
    count.inc()
    duration.observe(seconds)
    for guessed in outcome.wrong_guesses:
        _wrong_guesses.labels(guessed).inc()


async def keep_gauges_current() -> None:
    """Update the gauges of this process until cancelled, for the process that serves /metrics."""
    while True:
        _update_gauges()
        await asyncio.sleep(GAUGE_INTERVAL)


def _update_gauges() -> None:
    pool: Any = get_engine().pool
    _connections.labels("idle").set(pool.idle if pool else 0)
    _connections.labels("busy").set(pool.busy if pool else 0)
    _pool_size.set(pool.max_size if pool else 0)
    _waiting.set(pool.waiting if pool else 0)
    if (replicas := get_engine().replicas) is not None:
        for target, count in replicas.take_reads().items():
            _reads.labels(target).inc(count)
        for replica in replicas.all:
            _lag.labels(replica.role.host).set(replica.lag)
    for gauge in GAUGES:
        series = _offered.get(gauge.name)
        if series is None:
            series = _offered[gauge.name] = Gauge(
                gauge.name, gauge.description, [gauge.label], multiprocess_mode=gauge.processes, registry=None
            )
        for label, value in gauge.read().items():
            series.labels(label).set(value)


def render_metrics(accept: str, collector: Collector) -> tuple[bytes, str]:
    """The series of this instance and those of `collector`, in the format that the Accept header prefers.

    Returns the text and its content type: Prometheus' own or that of OpenMetrics.
    """
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry()
    registry.register(collector)
    _update_gauges()
    if folder := os.environ.get(MULTIPROCESS_FOLDER):
        _drop_gauges_of_dead_processes(folder)
        multiprocess.MultiProcessCollector(registry, folder)
    else:
        own = (_requests, _seconds, _wrong_guesses, _connections, _pool_size, _waiting, _reads, _lag)
        for metric in (*own, *_offered.values()):
            registry.register(metric)
    return encode(registry), content_type


def _drop_gauges_of_dead_processes(folder: str) -> None:
    """The pool of a killed process has no connections any more. Its counters remain."""
    for path in glob.glob(f"{glob.escape(folder)}/gauge_live*.db"):
        pid = int(Path(path).stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):
                multiprocess.mark_process_dead(pid, folder)
