"""Reads the body of a request, for GraphQL and REST."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from api.messages import message

Headers = Sequence[tuple[bytes, bytes]]


class HttpError(Exception):
    """A request that cannot be read. `status`, the message and `headers` are for the response."""

    def __init__(self, status: int, message_code: str, headers: Headers = (), **values: Any) -> None:
        """`message_code` is that of a message in `api.messages`, with `values` in its placeholders."""
        self.status = status
        self.headers = headers
        self._message_code = message_code
        self._values = values
        super().__init__(self.message("en"))

    def message(self, language: str) -> str:
        return message(self._message_code, language, **self._values)


def require_json(content_type: bytes | None) -> None:
    """Raises `HttpError` with status 415 unless this Content-Type header means JSON in UTF-8.

    This prevents cross-site request forgery: for this media type a browser sends a CORS preflight request
    first, for those of HTML forms it does not.
    """
    if not _is_utf8_json(content_type):
        raise HttpError(415, "HTTP.CONTENT_TYPE")


def refuse_compression(content_encoding: bytes | None) -> None:
    """Raises `HttpError` with status 415 for a compressed body: a small one could unpack to gigabytes."""
    if content_encoding and content_encoding.strip().lower() != b"identity":
        raise HttpError(415, "HTTP.COMPRESSED", [(b"accept-encoding", b"identity")])


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
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientDisconnect
        body += event.get("body", b"")
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        if not event.get("more_body", False):
            return bytes(body)


def parse_json(body: bytes) -> Any:
    """The value of a JSON text. Raises `HttpError` with status 400."""
    try:
        # Some editors and .NET's encoders begin a text with a byte order mark, which RFC 8259 lets us ignore.
        return orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        if "infinity" in error.msg:
            raise HttpError(400, "HTTP.NUMBER_TOO_LARGE") from None
        raise HttpError(400, "HTTP.NOT_JSON") from None


def _too_large(max_bytes: int) -> HttpError:
    return HttpError(413, "HTTP.BODY_TOO_LARGE", max=max_bytes)
