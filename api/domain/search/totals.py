"""Counting the rows that match a search: exactly if few words have its beginnings."""

from api.database.bulkheads import is_long
from api.database.estimates import estimated_rows
from api.database.scopes import read_platform
from api.domain.search import pages
from api.domain.search.pages import Searched, match_condition, matching, needed_beginnings
from api.domain.search.typed import Search
from api.domain.totals import Total

SAMPLE = 2_000
"""Words whose rows are checked for an estimate."""


@is_long
async def total_of_search(searched: Searched, search: Search) -> Total:
    beginnings = await needed_beginnings(searched, search)
    if not beginnings:
        return Total(0)
    if sum(beginnings.values()) <= pages.FEW:
        return Total(await _count(searched, search, list(beginnings)))
    walk, walk_values = searched.walk(None, pages.NEWEST)
    condition, values = match_condition(search)
    (row,) = await read_platform(
        f"SELECT count(*) AS walked, count(*) FILTER (WHERE {condition}) AS found FROM ({walk}) r",
        *values, *walk_values,
    )  # fmt: skip
    if row["walked"] < pages.NEWEST:
        return Total(row["found"])
    return Total(max(row["found"], await _estimate(searched, search, list(beginnings))), is_estimate=True)


async def _count(searched: Searched, search: Search, beginnings: list[str]) -> int:
    matches, values = matching(searched, search)
    words = pages.words_with(searched, distinct=True)
    (row,) = await read_platform(
        f"SELECT count(*) FROM ({words}) w CROSS JOIN LATERAL ({matches}) m",
        *pages.bounds(beginnings), *values,
    )  # fmt: skip
    return row["count"]


async def _estimate(searched: Searched, search: Search, beginnings: list[str]) -> int:
    """The estimated number of words, by the share of a sample whose rows match."""
    matches, values = matching(searched, search)
    (row,) = await read_platform(
        f"""SELECT count(*) AS words, count(*) FILTER (WHERE EXISTS ({matches})) AS matching
              FROM ({pages.words_with(searched)} LIMIT {SAMPLE}) w""",
        *values, *pages.bounds(beginnings),
    )  # fmt: skip
    lows, highs = pages.bounds(beginnings)
    with_beginning = f"SELECT FROM {searched.words} WHERE word >= {{}} AND word < {{}}"
    words = sum(
        [
            await estimated_rows(searched.words, with_beginning, *range_)
            for range_ in zip(lows, highs, strict=True)
        ]
    )
    return round(words * row["matching"] / max(1, row["words"]))
