"""How what was measured is told: a line for each, with its ratio and what is expected of that."""

from collections.abc import Sequence
from statistics import median


def title(what: str, ours: str, theirs: str) -> None:
    print(f"\n{what:50}{ours:>11}{theirs:>11}{'ratio':>9}  expected")


def show(
    name: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> None:
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
    if at_least is not None:
        verdict = f"≥ {at_least:<6.3g}{'ok' if ratio >= at_least else 'below'}"
    elif at_most is not None:
        verdict = f"≤ {at_most:<6g}{'ok' if ratio <= at_most else 'above'}"
    else:
        verdict = ""
    print(
        f"  {name:48}{_round(median(ours)):>11}{_round(median(theirs)):>11}{ratio:>9.2f}  {verdict}",
        flush=True,
    )


def _round(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
