"""Pages of a listing, as Relay's connections have them."""

import base64
import binascii
import struct
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

import strawberry

from api.domain.errors import InvalidArgument
from api.domain.pagination import Page, Position

T = TypeVar("T")
Row = TypeVar("Row")


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class Edge(Generic[T]):
    cursor: str
    node: T


@strawberry.type
class Connection(Generic[T]):
    edges: list[Edge[T]]
    page_info: PageInfo


def edges_of(
    page: Page[Row], position: Callable[[Row], Position], present: Callable[[Row], T]
) -> list[Edge[T]]:
    return [Edge(cursor=write_cursor(position(row)), node=present(row)) for row in page.items]


def page_info_of(page: Page[Row], edges: Iterable[Edge[T]], after: str | None) -> PageInfo:
    """`after` is the cursor that was asked for: whatever it stood for comes before this page."""
    cursors = [edge.cursor for edge in edges]
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=after is not None,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )


# Microseconds since 1970, then the id: 24 bytes, which base64 writes without padding.
_CURSOR = struct.Struct(">q16s")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MICROSECOND = timedelta(microseconds=1)


def write_cursor(position: Position) -> str:
    packed = _CURSOR.pack((position.created_at - _EPOCH) // _MICROSECOND, position.id.bytes)
    return base64.urlsafe_b64encode(packed).decode()


def read_cursor(name: str, cursor: str | None) -> Position | None:
    """The place that a cursor marks; `name` is the argument. Raises `InvalidArgument`."""
    if cursor is None:
        return None
    try:
        microseconds, id_bytes = _CURSOR.unpack(base64.b64decode(cursor, altchars=b"-_", validate=True))
        return Position(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=id_bytes))
    except (ValueError, OverflowError, binascii.Error, struct.error):
        raise InvalidArgument(name, "INVALID_CURSOR") from None
