"""Reads the headers on which the handling of a GraphQL request depends, in one pass."""

from collections.abc import Iterable
from typing import NamedTuple


class RequestHeaders(NamedTuple):
    """Each header's value, or None. Several headers Accept are one list (RFC 9110)."""

    accept: bytes | None
    content_type: bytes | None
    content_length: bytes | None
    content_encoding: bytes | None
    upgrade: bytes | None


def read_headers(headers: Iterable[tuple[bytes, bytes]]) -> RequestHeaders:
    # Not a loop for each header: nearly every request runs this.
    accept = content_type = content_length = content_encoding = upgrade = None
    for name, value in headers:
        if name == b"accept":
            accept = value if accept is None else accept + b"," + value
        elif name == b"content-type":
            content_type = value
        elif name == b"content-length":
            content_length = value
        elif name == b"content-encoding":
            content_encoding = value
        elif name == b"upgrade":
            upgrade = value
    return RequestHeaders(accept, content_type, content_length, content_encoding, upgrade)
