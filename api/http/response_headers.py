"""The headers of every response: X-Request-ID, which log lines have too, and those that protect browsers."""

import re
from collections.abc import Awaitable
from random import getrandbits

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.body import Headers
from api.http.client import is_trusted
from api.http.limits import RETRY_AFTER_SECONDS
from api.observability.logs import request_id

# Other characters could forge log lines or response headers.
_VALID_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")

POLICY = b"content-security-policy"

_FIXED: Headers = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))

SECURITY_HEADERS: Headers = (*_FIXED, (POLICY, b"default-src 'none'; frame-ancestors 'none'"))
"""A browser that shows a response runs and loads nothing, and no other page may frame it."""

_HSTS = (b"strict-transport-security", b"max-age=31536000")


class ResponseHeaders:
    """ASGI middleware. It is the outermost one, so that every log line of a request has the id.

    A response may have a Content-Security-Policy of its own, which replaces that of `SECURITY_HEADERS`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        chosen = forwarded_scheme = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                if chosen is None and _VALID_ID.fullmatch(value):
                    chosen = value
            elif name == b"x-forwarded-proto":
                forwarded_scheme = value
        if chosen is None:
            chosen = getrandbits(128).to_bytes(16).hex().encode()
        request_id.set(chosen.decode())
        extra: Headers = ((b"x-request-id", chosen),)
        if scope["scheme"] == "https" or forwarded_scheme is not None:
            extra = (*extra, *tls_headers(scope["scheme"], scope.get("client"), forwarded_scheme))
        has_started = False

        def send_with_headers(message: Message) -> Awaitable[None]:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = _with_retry_after(message)
                for name, _ in headers:
                    if name == POLICY:
                        message["headers"] = [*headers, *_FIXED, *extra]
                        break
                else:
                    message["headers"] = [*headers, *SECURITY_HEADERS, *extra]
            return send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # uvicorn would send this response without these headers. It logs the exception.
            if not has_started:
                await _send_failure(send_with_headers)
            raise


def _with_retry_after(message: Message) -> Headers:
    """The headers of a response. Those of each 429 and 503 say when to try again."""
    headers: Headers = message["headers"]
    if message["status"] not in (429, 503) or any(name == b"retry-after" for name, _ in headers):
        return headers
    return (*headers, (b"retry-after", b"%d" % RETRY_AFTER_SECONDS))


def tls_headers(scheme: str, peer: tuple[str, int] | None, forwarded_scheme: bytes | None) -> Headers:
    """HSTS, if the request came over TLS to this server or to a trusted proxy."""
    if scheme != "https":
        # Of several proxies, the first one has the client's connection.
        first = (forwarded_scheme or b"").split(b",")[0].strip().lower()
        if first != b"https" or not is_trusted(peer[0] if peer else None):
            return ()
    return (_HSTS,)


async def _send_failure(send: Send) -> None:
    body = b"Internal Server Error"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
