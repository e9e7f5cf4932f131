"""Keyset pagination of listings: page 10,000 costs as much as page 1."""

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
    items: list[T]
    has_next: bool


def check_page_size(first: int) -> None:
    """Raises `InvalidArgument` unless `first` is from 1 to `MAX_PAGE`."""
    if not 1 <= first <= MAX_PAGE:
        raise InvalidArgument("first", "OUT_OF_RANGE", min=1, max=MAX_PAGE)


def cut(items: list[T], first: int) -> Page[T]:
    """The page of `first` items; the query selects one more, which shows that there is a next page."""
    return Page(items[:first], has_next=len(items) > first)
