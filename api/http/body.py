"""Reads the body of a request, for GraphQL and REST."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Receive

Headers = Sequence[tuple[bytes, bytes]]


class HttpError(Exception):
    """A request that cannot be read. `status`, `message` and `headers` are for the response."""

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def require_json(content_type: bytes | None) -> None:
    """Raises `HttpError` with status 415 unless this Content-Type header means JSON in UTF-8.

    This prevents cross-site request forgery: for this media type a browser sends a CORS preflight request
    first, for those of HTML forms it does not.
    """
    if not _is_utf8_json(content_type):
        raise HttpError(415, "The content type must be application/json, in UTF-8.")


def refuse_compression(content_encoding: bytes | None) -> None:
    """Raises `HttpError` with status 415 for a compressed body: a small one could unpack to gigabytes."""
    if content_encoding and content_encoding.strip().lower() != b"identity":
        message = "The body must not be compressed: send it without Content-Encoding."
        raise HttpError(415, message, [(b"accept-encoding", b"identity")])


@lru_cache(maxsize=256)
def _is_utf8_json(content_type: bytes | None) -> bool:
    if content_type is None:
        return False
    media_type, *parameters = (part.strip() for part in content_type.lower().split(b";"))
    charsets = (parameter[8:].strip(b'"') for parameter in parameters if parameter.startswith(b"charset="))
    return media_type == b"application/json" and all(charset in (b"utf-8", b"utf8") for charset in charsets)


async def read_body(receive: Receive, content_length: bytes | None, max_bytes: int) -> bytes:
    """The body of a request whose Content-Length header is `content_length`, if it has one.

    Raises `HttpError` with status 413 as soon as the body exceeds `max_bytes`, and `ClientDisconnect`.
    """
    # uvicorn has checked that the header is a number. A body without the header may still be too large.
    if content_length and int(content_length) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        if not message.get("more_body", False):
            return bytes(body)


def parse_json(body: bytes) -> Any:
    """The value of a JSON text. Raises `HttpError` with status 400."""
    try:
        # Some editors and .NET's encoders begin a text with a byte order mark, which RFC 8259 lets us ignore.
        return orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        if "infinity" in error.msg:
            raise HttpError(400, "The body has a number that is too large.") from None
        raise HttpError(400, "The body is not JSON in UTF-8.") from None


def _too_large(max_bytes: int) -> HttpError:
    return HttpError(413, f"The body is larger than {max_bytes} bytes.")
