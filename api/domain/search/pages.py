"""Finding a page of the rows that match a search, in the order of their listing.

Words of few rows are looked up in the table of words. Words of many rows are probably on some of the newest
rows, so these are read in the order of the listing. If they are not, because all rows with such a word are
old, the rows are read word by word, each in the order of the listing. Each of the three reads few rows,
whatever the size of the table: a search for two frequent words that no row has together ends at a bound,
with the position from which the next page goes on.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from api.database.bulkheads import is_long
from api.database.scopes import read_platform
from api.domain.pagination import Position
from api.domain.search.typed import Search

FEW = 10_000
"""Words with a beginning, all of which are looked up."""

NEWEST = 10_000
"""Rows that are read in the order of the listing."""

FEW_SPELLINGS = 32
"""Different words with a beginning, which are looked up one by one."""

CANDIDATES = 10_000
"""Rows that are read word by word."""

COUNTED = 4
"""Words of a search that are counted: the longest, which are probably the rarest."""


class Walk(Protocol):
    """The query for `limit` rows of a listing after a position, newest first, and its values.

    It selects `id`, `"createdAt"` and `"searchWords"`.
    """

    def __call__(self, after: Position | None, limit: int) -> tuple[str, list[Any]]: ...


@dataclass(frozen=True, slots=True)
class Searched:
    """A listing that is searched."""

    table: str
    words: str
    """The table of the words."""
    condition: str
    """The filter of the listing, on columns of `table`."""
    values: Sequence[Any]
    """A value for each `{}` in the condition."""
    walk: Walk


@dataclass(frozen=True, slots=True)
class Found:
    """The ids of rows that match, newest first. `end` is where a search ended that read its bound of rows."""

    ids: list[UUID]
    end: Position | None = None


@is_long
async def find_page(searched: Searched, search: Search, first: int, after: Position | None) -> Found:
    """The `first` rows after a position that match; fewer, also none, if it ends at its bound."""
    beginnings = await needed_beginnings(searched, search)
    if not beginnings:
        return Found([])
    if sum(beginnings.values()) <= FEW:
        return Found(await _look_up(searched, search, beginnings, first, after))
    newest = await _read_newest(searched, search, first, after)
    if len(newest.ids) == first or newest.end is None:
        return newest
    spellings = await _spellings(searched, beginnings)
    if len(spellings) > FEW_SPELLINGS:
        return newest
    merged = await _merge(searched, search, spellings, first, after)
    return newest if merged.end is not None and newest.end < merged.end else merged


async def needed_beginnings(searched: Searched, search: Search) -> Mapping[str, int]:
    """The beginnings of which each match has one, with the number of their words, up to `FEW` + 1.

    They are the codes, and the rarest of the words. A beginning that no word has is left out.
    """
    words = sorted(search.words, key=len, reverse=True)[:COUNTED]
    counts = await _count_words(searched, [*words, *search.codes])
    of_words, of_codes = counts[: len(words)], counts[len(words) :]
    needed = dict(zip(search.codes, of_codes, strict=True))
    if words:
        rarest = min(range(len(words)), key=of_words.__getitem__)
        needed[words[rarest]] = of_words[rarest]
    return {beginning: count for beginning, count in needed.items() if count}


async def _count_words(searched: Searched, beginnings: Sequence[str]) -> list[int]:
    counted = f"""
        SELECT FROM {searched.words} w
         WHERE w.word >= t.low AND w.word < t.high LIMIT {FEW + 1}"""
    rows = await read_platform(
        f"SELECT (SELECT count(*) FROM ({counted}) c) AS count FROM {RANGES} ORDER BY place",
        *bounds(beginnings),
    )
    return [row["count"] for row in rows]


RANGES = "unnest({}::text[], {}::text[]) WITH ORDINALITY t (low, high, place)"


def bounds(beginnings: Iterable[str]) -> tuple[list[str], list[str]]:
    """The first word that can have each beginning, and the first one after those that have it."""
    lows = list(beginnings)
    return lows, [low[:-1] + _next(low[-1]) for low in lows]


def _next(character: str) -> str:
    """The character that follows in Unicode, without surrogates, which PostgreSQL rejects."""
    return "\ue000" if character == "\ud7ff" else chr(min(ord(character) + 1, 0x10FFFF))


async def _look_up(
    searched: Searched, search: Search, beginnings: Iterable[str], first: int, after: Position | None
) -> list[UUID]:
    """Find all words with the beginnings, and check their rows in the order of the listing."""
    matches, values = matching(searched, search)
    words = words_with(searched, distinct=True)
    rows = await read_platform(
        f"""SELECT w.id FROM ({words} {_following("WHERE", after)}
                             ORDER BY w."createdAt" DESC, w.id DESC) w CROSS JOIN LATERAL ({matches}) m
             ORDER BY w."createdAt" DESC, w.id DESC LIMIT {{}}""",
        *bounds(beginnings), *(after or ()), *values, first,
    )  # fmt: skip
    return [row["id"] for row in rows]


def words_with(searched: Searched, *, distinct: bool = False) -> str:
    """The query for the rows of words with a beginning, each once if `distinct`; its values are `bounds`."""
    return f"""
        SELECT {"DISTINCT " * distinct}w."createdAt", w.id FROM {RANGES}
          JOIN {searched.words} w ON w.word >= t.low AND w.word < t.high"""


def matching(searched: Searched, search: Search) -> tuple[str, list[Any]]:
    """A query that selects the row of a word `w` if it matches, and its values.

    The words may be out of date: those of a row that was changed while their migration was reverted.
    """
    condition, values = match_condition(search)
    # OFFSET 0 keeps PostgreSQL from reading the rows of all words before it sorts them.
    query = f"""
        SELECT FROM {searched.table} r WHERE r.id = w.id AND r."createdAt" = w."createdAt"
           AND {condition} AND {searched.condition} OFFSET 0"""
    return query, [*values, *searched.values]


def match_condition(search: Search) -> tuple[str, list[Any]]:
    """The condition on `"searchWords"`, which has a space before each word, and its values."""
    every, any_ = (
        [f"% {_LIKE.sub(_ESCAPED, word)}%" for word in words] for words in (search.words, search.codes)
    )
    # LIKE ALL of no pattern is true, and no row has the empty text.
    return '("searchWords" LIKE ALL ({}::text[]) OR "searchWords" LIKE ANY ({}::text[]))', [
        every or [""],
        any_,
    ]


_LIKE, _ESCAPED = re.compile(r"[\\%_]"), r"\\\g<0>"


def _following(keyword: str, after: Position | None) -> str:
    return "" if after is None else f'{keyword} (w."createdAt", w.id) < ({{}}, {{}})'


async def _read_newest(searched: Searched, search: Search, first: int, after: Position | None) -> Found:
    walk, walk_values = searched.walk(after, NEWEST)
    condition, values = match_condition(search)
    rows = await read_platform(
        f"""SELECT id FROM ({walk}) r WHERE {condition} ORDER BY "createdAt" DESC, id DESC LIMIT {{}}""",
        *walk_values, *values, first,
    )  # fmt: skip
    ids = [row["id"] for row in rows]
    return Found(ids, None if len(ids) == first else await _end_of_newest(searched, after))


async def _end_of_newest(searched: Searched, after: Position | None) -> Position | None:
    """The position of the last of `NEWEST` rows of the listing after a position, if there are so many."""
    walk, values = searched.walk(after, NEWEST)
    rows = await read_platform(
        f"""SELECT "createdAt", id FROM ({walk}) r
             ORDER BY "createdAt" DESC, id DESC OFFSET {NEWEST - 1} LIMIT 1""",
        *values,
    )
    return _position(rows[0]) if rows else None


def _position(row: Mapping[str, Any]) -> Position:
    return Position(row["createdAt"], row["id"])


async def _spellings(searched: Searched, beginnings: Iterable[str]) -> list[str]:
    """The different words with the beginnings, at most one more than `FEW_SPELLINGS`.

    Each is looked up after the one before, because many rows have the same word.
    """
    first = f"""
        SELECT w.word FROM {searched.words} w
         WHERE w.word >= t.low AND w.word < t.high ORDER BY w.word LIMIT 1"""
    following = f"""
        SELECT w.word FROM {searched.words} w
         WHERE w.word > s.word AND w.word < s.high ORDER BY w.word LIMIT 1"""
    rows = await read_platform(
        f"""
        WITH RECURSIVE spelling (word, high) AS (
            SELECT ({first}), t.high FROM {RANGES}
             UNION ALL
            SELECT ({following}), s.high FROM spelling s WHERE s.word IS NOT NULL)
        SELECT word FROM spelling WHERE word IS NOT NULL LIMIT {FEW_SPELLINGS + 1}""",
        *bounds(beginnings),
    )
    return [row["word"] for row in rows]


async def _merge(
    searched: Searched, search: Search, spellings: list[str], first: int, after: Position | None
) -> Found:
    """Read the rows of each word in the order of the listing, as many as a page has."""
    bound = max(1, CANDIDATES // len(spellings))
    rows_of_word = f"""
        SELECT w."createdAt", w.id FROM {searched.words} w
         WHERE w.word = t.word {_following("AND", after)} ORDER BY w."createdAt" DESC, w.id DESC"""
    matches, values = matching(searched, search)
    found_of_word = f"""
        SELECT w."createdAt", w.id FROM ({rows_of_word} LIMIT {bound}) w CROSS JOIN LATERAL ({matches}) m
         ORDER BY w."createdAt" DESC, w.id DESC LIMIT {{}}"""
    rows = await read_platform(
        f"""
        SELECT "createdAt", id
          FROM (SELECT DISTINCT w."createdAt", w.id
                  FROM unnest({{}}::text[]) t (word) CROSS JOIN LATERAL ({found_of_word}) w) w
         ORDER BY "createdAt" DESC, id DESC LIMIT {{}}""",
        spellings, *(after or ()), *values, first, first,
    )  # fmt: skip
    ends = await read_platform(
        f"""
        SELECT w."createdAt", w.id FROM unnest({{}}::text[]) t (word)
         CROSS JOIN LATERAL ({rows_of_word} OFFSET {bound - 1} LIMIT 1) w
         ORDER BY w."createdAt" DESC, w.id DESC LIMIT 1""",
        spellings, *(after or ()),
    )  # fmt: skip
    if not ends:
        return Found([row["id"] for row in rows])
    # Of a word whose rows were not all read, older rows may match, too.
    end = _position(ends[0])
    ids = [row["id"] for row in rows if _position(row) >= end]
    return Found(ids, None if len(ids) == first else end)
