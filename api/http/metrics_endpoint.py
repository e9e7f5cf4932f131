"""GET /metrics. Imported only if METRICS_PORT or METRICS_TOKEN is set."""

import asyncio
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.database.bulkheads import is_long
from api.domain.beta_keys.listing import KeyStats, key_stats
from api.domain.beta_keys.status import BetaKeyStatus
from api.domain.cleanup import cleanup_lags
from api.domain.mails import DELAY_BUCKETS, MailDelays, count_mails, mail_delays
from api.http.client import has_metrics_token
from api.observability.error_reporting import report_error
from api.observability.metrics import render_metrics
from api.settings import get_settings

MAX_AGE = 10.0
"""Seconds after which a scrape has the counts of the database read again."""

FIRST_WAIT = 1.0
"""Seconds that a scrape waits for counts if there are none."""


async def metrics(request: Request) -> Response:
    """The series of this instance and of its database."""
    if get_settings().metrics_token is not None and not has_metrics_token(request.scope):
        return PlainTextResponse("unauthorized", 401, {"www-authenticate": "Bearer"})
    collector = _CountsCollector(*await _counts.get())
    text, content_type = render_metrics(request.headers.get("accept", ""), collector)
    return Response(text, headers={"cache-control": "no-store"}, media_type=content_type)


@dataclass(frozen=True)
class _Counts:
    keys: KeyStats
    mails_waiting: int
    mails_failed: int
    mail_delays: MailDelays
    cleanup_lags: Mapping[str, float]


class _KeptCounts:
    """The counts of the database, which a task reads aside: no scrape waits for a count.

    The first scrape waits for a moment, so that a small database is counted in it.
    """

    def __init__(self) -> None:
        self._counts: _Counts | None = None
        self._is_up: bool | None = None
        self._read_at = -math.inf
        self._reading: asyncio.Task[None] | None = None

    async def get(self) -> tuple[_Counts | None, bool | None]:
        """The latest counts, and whether the database answered the last query.

        None before the first query has ended, and of the counts after one that failed.
        """
        is_outdated = time.monotonic() - self._read_at >= MAX_AGE
        if is_outdated and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read())
        if self._reading is not None and self._counts is None:
            await asyncio.wait({self._reading}, timeout=FIRST_WAIT)
        return self._counts, self._is_up

    @is_long
    async def _read(self) -> None:
        try:
            self._counts = _Counts(
                await key_stats(), *await count_mails(), await mail_delays(), await cleanup_lags()
            )
        except Exception as error:  # noqa: BLE001
            # The other series are still served: during an outage they matter most.
            report_error(error)
            self._counts = None
        self._is_up = self._counts is not None
        # After an outage the next scrape shows that it has ended.
        self._read_at = time.monotonic() if self._is_up else -math.inf


_counts = _KeptCounts()


class _CountsCollector(Collector):
    def __init__(self, counts: _Counts | None, is_up: bool | None) -> None:
        self._counts = counts
        self._is_up = is_up

    def collect(self) -> Iterator[Metric]:
        counts = self._counts
        up = "1 if the database answered the last query of this endpoint, else 0."
        if self._is_up is not None:
            yield GaugeMetricFamily("gatehouse_database_up", up, value=self._is_up)
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
        yield _histogram_of(counts.mail_delays)
        lag = GaugeMetricFamily(
            "gatehouse_cleanup_lag_seconds",
            "For how long the oldest row of each table has been due for the clean-up.",
            labels=["table"],
        )
        for table, seconds in counts.cleanup_lags.items():
            lag.add_metric([table], seconds)
        yield lag


def _histogram_of(delays: MailDelays) -> HistogramMetricFamily:
    bounds = ["+Inf" if bound == math.inf else str(bound) for bound in DELAY_BUCKETS]
    return HistogramMetricFamily(
        "gatehouse_mail_delay_seconds",
        "From the queue to the server that accepted the mail.",
        buckets=list(zip(bounds, accumulate(delays.counts), strict=True)),
        sum_value=delays.seconds,
    )
