"""Counting the rows of a listing: exactly up to a bound, and from PostgreSQL's statistics beyond it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.database.bulkheads import is_long
from api.database.estimates import estimated_rows
from api.database.scopes import read_platform

EXACT = 10_000
"""Rows that are counted. To count ten million takes a second."""


@dataclass(frozen=True, slots=True)
class Total:
    """The number of rows on all pages of a listing."""

    count: int
    is_estimate: bool = False


@is_long
async def total_of(table: str, sources: Sequence[str], values: Sequence[Any]) -> Total:
    """The number of rows of `sources`, each of which is a FROM and WHERE of `table` with `values`."""
    bounded = " UNION ALL ".join(f"(SELECT FROM {source} LIMIT {EXACT + 1})" for source in sources)
    (row,) = await read_platform(f"SELECT count(*) FROM ({bounded}) c", *[*values] * len(sources))
    if row["count"] <= EXACT:
        return Total(row["count"])
    estimates = [await estimated_rows(table, f"SELECT FROM {source}", *values) for source in sources]
    return Total(max(EXACT + 1, sum(estimates)), is_estimate=True)
