"""Responses of the server itself, to requests that do not reach the application."""

from http import HTTPStatus

from api.http.limits import MAX_HEAD_BYTES
from api.http.response_headers import SECURITY_HEADERS, Headers


class Refusal(Exception):
    """A request that is answered without the application; its connection is closed."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status

    def response(self, more_headers: Headers) -> bytes:
        body = str(self).encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *SECURITY_HEADERS,
            *more_headers,
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        phrase = HTTPStatus(self.status).phrase.encode()
        return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (self.status, phrase, lines, body)


def head_too_large() -> Refusal:
    return Refusal(431, f"The headers are larger than {MAX_HEAD_BYTES} bytes.")
