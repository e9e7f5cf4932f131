"""Reading the body of a request, whatever it is for."""

from collections.abc import Sequence
from functools import lru_cache

from starlette.requests import ClientDisconnect
from starlette.types import Receive

Headers = Sequence[tuple[bytes, bytes]]


class HttpError(Exception):
    """A request that cannot be read; `status`, `message` and `headers` are its answer."""

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def require_json(content_type: bytes | None) -> None:
    """Raises `HttpError` unless this value of a Content-Type header says JSON in UTF-8.

    Pages of other sites can make a browser send anything else without asking the server first.
    """
    if not _is_utf8_json(content_type):
        raise HttpError(415, "The content type must be application/json, in UTF-8.")


@lru_cache(maxsize=256)
def _is_utf8_json(content_type: bytes | None) -> bool:
    if content_type is None:
        return False
    media_type, *parameters = (part.strip() for part in content_type.lower().split(b";"))
    charsets = (parameter[8:].strip(b'"') for parameter in parameters if parameter.startswith(b"charset="))
    return media_type == b"application/json" and all(charset in (b"utf-8", b"utf8") for charset in charsets)


async def read_body(receive: Receive, content_length: bytes | None, max_body: int) -> bytes:
    """The body, of at most `max_body` bytes; `content_length` is the value of that header, if there is one.

    Raises `HttpError` for a body that is larger, without reading on, and `ClientDisconnect`.
    """
    # The server has checked that the header is a number. It spares us the reading, and is no proof.
    if content_length and int(content_length) > max_body:
        raise _too_large(max_body)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > max_body:
            raise _too_large(max_body)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(max_body: int) -> HttpError:
    return HttpError(413, f"The body is larger than {max_body} bytes.")
