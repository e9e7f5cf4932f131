"""Whole listings: clients of the old system filter, count and export them by themselves."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from api.domain.pagination import Page, Position

T = TypeVar("T")

MAX_ROWS = 10_000
"""Rows of one response. GraphQL lists more, by pages."""

PAGE = 200
"""Rows that are read and converted at a time, so that other requests are answered meanwhile."""


async def read_newest(
    read_page: Callable[[int, Position | None], Awaitable[Page[T]]], position_of: Callable[[T], Position]
) -> list[T]:
    """The newest `MAX_ROWS` rows of a listing. `read_page` reads the rows after a position."""
    rows: list[T] = []
    after: Position | None = None
    while len(rows) < MAX_ROWS:
        page = await read_page(PAGE, after)
        rows += page.items
        if not page.has_next:
            break
        after = position_of(rows[-1])
    return rows
