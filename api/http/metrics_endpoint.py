"""GET /metrics. Imported only where METRICS_PORT or METRICS_TOKEN is set."""

import asyncio
import hmac
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
from api.http.client import bearer_token
from api.observability.error_reporting import report_error
from api.observability.metrics import render_metrics
from api.settings import get_settings

FIGURES_AGE = 10.0
"""Seconds for which the counts of the database are served again, however many requests ask."""


async def metrics(request: Request) -> Response:
    """All series of this instance and of its database."""
    settings = get_settings()
    if settings.metrics_token is not None:
        expected = settings.metrics_token.get_secret_value().encode()
        if not hmac.compare_digest((bearer_token(request.scope) or "").encode(), expected):
            return PlainTextResponse("unauthorized", 401, {"www-authenticate": "Bearer"})
    figures = _FiguresCollector(await _figures.get())
    text, content_type = render_metrics(request.headers.get("accept", ""), figures)
    return Response(text, headers={"cache-control": "no-store"}, media_type=content_type)


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
                    report_error(error)
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
