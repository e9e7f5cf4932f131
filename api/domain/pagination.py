"""Pages of a listing, by keyset: page 10,000 costs what page 1 costs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from api.domain.errors import InvalidArgument

T = TypeVar("T")

MAX_PAGE = 100


class Position(NamedTuple):
    """A place in a listing that is ordered by time; the id tells rows of one moment apart."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]
    has_next: bool


def check_page_size(first: int) -> None:
    """Raises `InvalidArgument`."""
    if not 1 <= first <= MAX_PAGE:
        raise InvalidArgument("first", "OUT_OF_RANGE", min=1, max=MAX_PAGE)


def cut(items: list[T], first: int) -> Page[T]:
    """The page of a query that asked for one more than `first`, to see whether there is more."""
    return Page(items[:first], has_next=len(items) > first)
