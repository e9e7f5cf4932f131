"""Whole listings: clients of the old system filter, count and export them by themselves."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.responses import Response

from api.domain.pagination import Page, Position
from api.rest.responses import encode, encoded_response

T = TypeVar("T")

MAX_ROWS = 10_000
"""Rows of one response. GraphQL lists more, by pages."""

PAGE = 100
"""Rows that are read and encoded at a time, so that other requests are answered meanwhile."""


async def newest(
    read_page: Callable[[int, Position | None], Awaitable[Page[T]]],
    position_of: Callable[[T], Position],
    json_of: Callable[[T], dict[str, Any] | None],
) -> Response:
    """A response with the newest `MAX_ROWS` rows of a listing, without those whose JSON is None.

    `read_page` reads the rows after a position.
    """
    encoded: list[bytes] = []
    after: Position | None = None
    for _ in range(MAX_ROWS // PAGE):
        page = await read_page(PAGE, after)
        encoded += [encode(content) for content in map(json_of, page.items) if content is not None]
        if not page.has_next:
            break
        after = position_of(page.items[-1])
    return encoded_response(HTTPStatus.OK, b"[%b]" % b",".join(encoded))
