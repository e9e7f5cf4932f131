"""Pages of a listing, in the shape of Relay's connections."""

import asyncio
import base64
import binascii
import struct
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import strawberry

from api import typed_text
from api.domain.errors import InvalidArgument
from api.domain.pagination import Page, Position
from api.domain.totals import Total

T = TypeVar("T")
Row = TypeVar("Row")

First = Annotated[
    int,
    strawberry.argument("The size of the page: 1 to 100. Other numbers get the error `INVALID_ARGUMENT`."),
]
After = Annotated[
    str | None,
    strawberry.argument(
        "The `endCursor` of the previous page; omit it for the first page. "
        "A text that is no cursor gets the error `INVALID_ARGUMENT`."
    ),
]


@strawberry.type(description="The position of a page in its listing.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether items follow this page.")
    has_previous_page: bool = strawberry.field(
        description="Whether the page was requested with `after`, so that items precede it."
    )
    start_cursor: str | None = strawberry.field(
        description="The cursor of the first item; null for an empty page."
    )
    end_cursor: str | None = strawberry.field(
        description="The cursor of the last item, the `after` of the next page; null for an empty page."
    )


@strawberry.type(description="An item of a page, with its cursor.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="The position of the item. Opaque: clients must not parse it.")
    node: T = strawberry.field(description="The item.")


@strawberry.type(description="A page of a listing.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The items of this page, in order.")
    page_info: PageInfo = strawberry.field(description="Where the page ends and how to get the next one.")


@strawberry.type
class CountedConnection(Connection[T]):
    total: strawberry.Private["SharedTotal"]

    @strawberry.field(
        description="The number of items on all pages. Up to 10,000 it is exact, except for a search with "
        "common words."
    )
    async def total_count(self) -> int:
        return (await self.total.get()).count

    @strawberry.field(
        description="Whether `totalCount` is an estimate, because counting so many items takes too long."
    )
    async def total_count_is_estimate(self) -> bool:
        return (await self.total.get()).is_estimate


class SharedTotal:
    """The total of a listing, which is counted once, whichever fields request it."""

    def __init__(self, count: Callable[[], Coroutine[Any, Any, Total]]) -> None:
        self._count = count
        self._task: asyncio.Task[Total] | None = None

    async def get(self) -> Total:
        if self._task is None:
            self._task = asyncio.create_task(self._count())
        return await self._task


def edges_of(page: Page[Row], position: Callable[[Row], Position], node: Callable[[Row], T]) -> list[Edge[T]]:
    return [Edge(cursor=write_cursor(position(row)), node=node(row)) for row in page.items]


def page_info_of(page: Page[Row], edges: Iterable[Edge[T]], after: str | None) -> PageInfo:
    """`after` is the argument of the request; its item precedes this page."""
    cursors = [edge.cursor for edge in edges]
    end = None if page.end is None else write_cursor(page.end)
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=after is not None,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors and page.end is None else end,
    )


# Microseconds since 1970, then the id: 24 bytes, which base64 encodes without padding.
_CURSOR = struct.Struct(">q16s")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MICROSECOND = timedelta(microseconds=1)


def write_cursor(position: Position) -> str:
    packed = _CURSOR.pack((position.created_at - _EPOCH) // _MICROSECOND, position.id.bytes)
    return base64.urlsafe_b64encode(packed).decode()


def read_cursor(argument: str, cursor: str | None) -> Position | None:
    """The position that a cursor encodes. Raises `InvalidArgument`, which names the `argument`."""
    if cursor is None:
        return None
    try:
        microseconds, id_bytes = _CURSOR.unpack(
            base64.b64decode(typed_text.fold(cursor[:200]), altchars=b"-_", validate=True)
        )
        return Position(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=id_bytes))
    except (ValueError, OverflowError, binascii.Error, struct.error):
        raise InvalidArgument(argument, "INVALID_CURSOR") from None
