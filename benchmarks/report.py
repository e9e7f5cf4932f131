"""Prints the results: one line for each comparison, with its ratio and the expected bound."""

from collections.abc import Sequence
from statistics import median


def print_heading(text: str, ours: str, theirs: str) -> None:
    print(f"\n{text:50}{ours:>11}{theirs:>11}{'ratio':>9}  expected")


def print_row(
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
