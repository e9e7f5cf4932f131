"""Keyset pagination of listings: page 10,000 costs as much as page 1."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from api.domain.errors import InvalidArgument

T = TypeVar("T")

MAX_PAGE = 100


class Position(NamedTuple):
    """The position of a row in a listing ordered by time; the id orders rows of equal time."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`end` is where the next page begins if that is not after the last item: a search reads its bound of
    rows, and the page may have fewer items than requested, also none."""

    items: list[T]
    has_next: bool
    end: Position | None = None


def check_page_size(first: int) -> None:
    """Raises `InvalidArgument` unless `first` is from 1 to `MAX_PAGE`."""
    if not 1 <= first <= MAX_PAGE:
        raise InvalidArgument("first", "OUT_OF_RANGE", min=1, max=MAX_PAGE)


def cut(items: list[T], first: int, end: Position | None = None) -> Page[T]:
    """The page of `first` items; the query selects one more, which shows that there is a next page.

    `end` is where a search ended that read its bound of rows.
    """
    if len(items) > first:
        return Page(items[:first], has_next=True)
    return Page(items, has_next=end is not None, end=end)


async def collect(read_page: Callable[[int, Position | None], Awaitable[Page[T]]], limit: int) -> list[T]:
    """The first `limit` items, from as many pages as it takes. `read_page` has `first` and `after`."""
    items: list[T] = []
    after: Position | None = None
    while True:
        page = await read_page(limit - len(items), after)
        items += page.items
        if page.end is None or len(items) == limit:
            return items
        after = page.end
