"""What Prometheus sees. Imported only where METRICS_PORT or METRICS_TOKEN is set."""

import asyncio
import glob
import hmac
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.domain.beta_key_listing import KeyStats, key_stats
from api.domain.beta_keys import BetaKeyStatus
from api.domain.mails import count_mails
from api.failures import report_failure
from api.requests import bearer_token
from api.settings import get_settings
from api.watch.answers import Answer
from piccolo_conf import DB

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several server processes keep their counts. The library looks
at it when it is imported."""

POOL_PAUSE = 1.0
"""Seconds between two looks at the pool of a process, where another one may answer for it."""

FIGURES_AGE = 10.0
"""Seconds for which what was counted in the database is told again, however many ask."""

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


def measure(answer: Answer, seconds: float) -> None:
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


async def keep_pool_gauges() -> None:
    """Look at the pool of this process from time to time, for the process that will be asked."""
    while True:
        _look_at_pool()
        await asyncio.sleep(POOL_PAUSE)


def _look_at_pool() -> None:
    pool = DB.pool
    size, idle = (pool.get_size(), pool.get_idle_size()) if pool else (0, 0)
    _connections.labels("idle").set(idle)
    _connections.labels("busy").set(size - idle)
    _pool_size.set(pool.get_max_size() if pool else 0)
    _waiting.set(DB.waiting)


async def metrics(request: Request) -> Response:
    """All that is counted, in Prometheus' format or in OpenMetrics'."""
    settings = get_settings()
    if settings.metrics_token is not None:
        wanted = settings.metrics_token.get_secret_value().encode()
        if not hmac.compare_digest((bearer_token(request.scope) or "").encode(), wanted):
            return PlainTextResponse("unauthorized", 401, {"www-authenticate": "Bearer"})
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    registry = CollectorRegistry()
    registry.register(_FiguresCollector(await _figures.get()))
    _look_at_pool()
    if folder := os.environ.get(MULTIPROCESS_FOLDER):
        _forget_dead(folder)
        multiprocess.MultiProcessCollector(registry, folder)
    else:
        for collector in (_requests, _seconds, _connections, _pool_size, _waiting):
            registry.register(collector)
    return Response(encode(registry), headers={"cache-control": "no-store"}, media_type=content_type)


def _forget_dead(folder: str) -> None:
    """The pool of a process that was killed has no connections any more; what it had counted stays."""
    for path in glob.glob(f"{glob.escape(folder)}/gauge_live*.db"):
        pid = int(Path(path).stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):
                multiprocess.mark_process_dead(pid, folder)


@dataclass(frozen=True)
class _Figures:
    keys: KeyStats
    mails_waiting: int
    mails_failed: int


class _RecentFigures:
    """Asks the database for all who ask at about the same time."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._found: _Figures | None = None
        self._until = 0.0

    async def get(self) -> _Figures | None:
        """None where the database does not answer."""
        async with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._found = _Figures(await key_stats(), *await count_mails())
                except Exception as error:  # noqa: BLE001
                    # Whatever it is, all other series are still to be told, now more than ever.
                    report_failure(error)
                    self._found = None
                self._until = time.monotonic() + FIGURES_AGE
            return self._found


_figures = _RecentFigures()


class _FiguresCollector(Collector):
    def __init__(self, figures: _Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        figures = self._figures
        up = "Whether the database has answered within the last seconds."
        yield GaugeMetricFamily("gatehouse_database_up", up, value=figures is not None)
        if figures is None:
            return
        keys = GaugeMetricFamily("gatehouse_beta_keys", "Beta keys by status.", labels=["status"])
        for status in BetaKeyStatus:
            name = status.value.lower()
            keys.add_metric([name], getattr(figures.keys, name))
        yield keys
        mails = GaugeMetricFamily(
            "gatehouse_mails", "Mails that wait to be sent, and such as were given up.", labels=["state"]
        )
        mails.add_metric(["waiting"], figures.mails_waiting)
        mails.add_metric(["failed"], figures.mails_failed)
        yield mails
