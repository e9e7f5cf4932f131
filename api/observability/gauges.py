"""Values that a package offers to metrics. Without metrics nothing reads them."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple


class Gauge(NamedTuple):
    """`read` returns the current values by label; `processes` says how to combine those of processes."""

    name: str
    description: str
    label: str
    read: Callable[[], Mapping[str, float]]
    processes: Literal["livesum", "livemax"]


GAUGES: list[Gauge] = []


def watch(gauge: Gauge) -> None:
    GAUGES.append(gauge)
