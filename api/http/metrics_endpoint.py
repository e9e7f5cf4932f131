"""GET /metrics. Imported only if METRICS_PORT or METRICS_TOKEN is set."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.domain.beta_keys.listing import KeyStats, key_stats
from api.domain.beta_keys.status import BetaKeyStatus
from api.domain.mails import count_mails
from api.http.client import has_metrics_token
from api.observability.error_reporting import report_error
from api.observability.metrics import render_metrics
from api.settings import get_settings

MAX_AGE = 10.0
"""Seconds for which the counts of the database are cached."""


async def metrics(request: Request) -> Response:
    """The series of this instance and of its database."""
    if get_settings().metrics_token is not None and not has_metrics_token(request.scope):
        return PlainTextResponse("unauthorized", 401, {"www-authenticate": "Bearer"})
    collector = _CountsCollector(await _counts.get())
    text, content_type = render_metrics(request.headers.get("accept", ""), collector)
    return Response(text, headers={"cache-control": "no-store"}, media_type=content_type)


@dataclass(frozen=True)
class _Counts:
    keys: KeyStats
    mails_waiting: int
    mails_failed: int


class _CachedCounts:
    """The counts of the database. Concurrent requests share one query."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._counts: _Counts | None = None
        self._expires_at = 0.0

    async def get(self) -> _Counts | None:
        """None if the database is unavailable."""
        async with self._lock:
            if time.monotonic() >= self._expires_at:
                try:
                    self._counts = _Counts(await key_stats(), *await count_mails())
                except Exception as error:  # noqa: BLE001
                    # The other series are still served: during an outage they matter most.
                    report_error(error)
                    self._counts = None
                self._expires_at = time.monotonic() + MAX_AGE
            return self._counts


_counts = _CachedCounts()


class _CountsCollector(Collector):
    def __init__(self, counts: _Counts | None) -> None:
        self._counts = counts

    def collect(self) -> Iterator[GaugeMetricFamily]:
        counts = self._counts
        up = "1 if the database answered the last query of this endpoint, else 0."
        yield GaugeMetricFamily("gatehouse_database_up", up, value=counts is not None)
        if counts is None:
            return
        keys = GaugeMetricFamily("gatehouse_beta_keys", "Beta keys by status.", labels=["status"])
        for status in BetaKeyStatus:
            name = status.value.lower()
            keys.add_metric([name], getattr(counts.keys, name))
        yield keys
        mails = GaugeMetricFamily(
            "gatehouse_mails",
            "Mails that wait to be sent, and mails that failed permanently.",
            labels=["state"],
        )
        mails.add_metric(["waiting"], counts.mails_waiting)
        mails.add_metric(["failed"], counts.mails_failed)
        yield mails
