"""uvicorn's HTTP/1.1 protocol, with limits for requests that arrive slowly, at length, or without a host.

uvicorn limits neither the bytes nor the time of a head. Its parser also copies a header again for each piece
in which it arrives, so 40 MB of one header kept the event loop busy for seconds.
"""

import asyncio
import re
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.limits import (
    MAX_BODY_SECONDS,
    MAX_FIRST_REQUEST_SECONDS,
    MAX_HEAD_BYTES,
    MAX_HEAD_SECONDS,
)
from api.http.response_headers import Headers, tls_headers
from api.observability.logs import get_logger
from api.server.ignored_upgrades import parser_without_upgrade
from api.server.refusals import Refusal, head_too_large

logger = get_logger()

LINGER_SECONDS = 1.0
"""How long the server reads a refused connection.

If it closed the connection at once, bytes that arrive later would discard the response.
"""

MAX_LINGER_BYTES = 1_000_000

_HOST = re.compile(rb"[\w.~!$&'()*+,;=%:\[\]-]*", re.ASCII)


class HttpProtocol(HttpToolsProtocol):
    """One connection. The limits are those of `api.http.limits`.

    A request that arrives in one piece, as most do, starts no timer, and its bytes are not counted.
    """

    parser: httptools.HttpRequestParser

    max_head_seconds: float = MAX_HEAD_SECONDS
    max_body_seconds: float = MAX_BODY_SECONDS
    max_first_request_seconds: float = MAX_FIRST_REQUEST_SECONDS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # uvicorn appends each header and trailer to `headers`, which is this list except while a head is
        # read. So trailers are not added to the list that the application has: a client could send those that
        # a proxy removes, such as X-Forwarded-For.
        self._trailers: list[tuple[bytes, bytes]] = []
        self.headers = self._trailers
        self._chunk: object | None = None
        self._reads_body = False
        self._field_bytes = 0
        self._arrival_timer: asyncio.TimerHandle | None = None
        self._timed: object | None = None
        self._first_request_timer: asyncio.TimerHandle | None = None
        self._is_refused = False
        self._pending_refusal: bytes | None = None
        self._lingered_bytes = 0

    # Events of the connection

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._first_request_timer = self.loop.call_later(
            self.max_first_request_seconds, self._end_wait_for_first_request
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            self._discard(data)
            return
        try:
            # Written for speed: nearly every request runs this, and ends within one piece.
            if self.headers is not self._trailers or self._chunk is not None or len(data) > MAX_HEAD_BYTES:
                self._feed_counting(data)
            else:
                self._feed(data)
        except httptools.HttpParserError as error:
            # What a callback of the parser raised is its context.
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Refusal) else Refusal(400, "Invalid HTTP request."))
        except Refusal as refusal:
            self._refuse(refusal)
        if self._reads_body or self._arrival_timer is not None or self.headers is not self._trailers:
            self._limit_arrival()
        elif self.timeout_keep_alive_task is not None and not self.cycle.response_complete:
            # Not for each received byte, as uvicorn does: line breaks must not hold a connection open.
            self._unset_keepalive_if_required()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.parser = parser_without_upgrade(self)
            if rest := data[upgrade.args[0] :]:
                self._feed(rest)

    def _feed_counting(self, data: bytes) -> None:
        """Raises `Refusal` before the parser gets twice `MAX_HEAD_BYTES` of one head, or of trailers.

        The part in which a head begins is not counted, because it may begin with another request.
        `on_headers_complete` counts exactly.
        """
        start = 0
        while start < len(data):
            fields = self._arriving_fields()
            part = data[start : start + MAX_HEAD_BYTES - self._field_bytes]
            if fields is not None:
                self._field_bytes += len(part)
            self._feed(part)
            if fields is not self._arriving_fields():
                self._field_bytes = 0
            elif self._field_bytes >= MAX_HEAD_BYTES:
                raise head_too_large()
            start += len(part)

    def _arriving_fields(self) -> object | None:
        """The head, or the chunk that may be the last one with its trailers, of which more is to arrive."""
        return self._chunk if self.headers is self._trailers else self.headers

    def expect_body(self) -> None:
        """Go on with the request whose message the parser has ended without its body."""
        self.cycle.more_body = True
        self.cycle.message_event.clear()
        self._reads_body = True

    # Events of the parser

    def on_headers_complete(self) -> None:
        if self._first_request_timer is not None:
            self._first_request_timer.cancel()
            self._first_request_timer = None
        # A head that arrived in one part is not larger.
        if self._field_bytes and self._head_size() > MAX_HEAD_BYTES:
            raise head_too_large()
        self._check_host()
        HttpToolsProtocol.on_headers_complete(self)
        self._reads_body = True
        self.headers = self._trailers

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def _check_host(self) -> None:
        """Raises `Refusal` as RFC 9112, section 3.2, says."""
        host = None
        for name, value in self.headers:
            if name == b"host":
                if host is not None:
                    raise Refusal(400, "There is more than one Host header.")
                host = value
        if host is None:
            if self.parser.get_http_version() == "1.1":
                raise Refusal(400, "The Host header is missing.")
        elif not _HOST.fullmatch(host):
            raise Refusal(400, "The Host header is not valid.")

    def on_chunk_header(self) -> None:
        # After the last chunk there may be trailers, which the parser copies like headers.
        self._chunk = object()

    def on_body(self, body: bytes) -> None:
        self._chunk = None
        HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        self._chunk = None
        self._reads_body = False
        self._trailers.clear()
        HttpToolsProtocol.on_message_complete(self)

    def on_response_complete(self) -> None:
        was_last = not self.pipeline
        # This starts the next request of the pipeline.
        super().on_response_complete()
        if self._pending_refusal is not None and was_last:
            self._send_refusal(self._pending_refusal)
        elif self._arrival_timer is not None:
            # The request that has begun to arrive has its own limit, which counts from now on: until now it
            # may have waited for this response.
            self._timed = None
            self._limit_arrival()

    # Time

    def _limit_arrival(self) -> None:
        """Start the timer of the head or body that has begun to arrive, if none runs; stop any other one."""
        if self._is_refused:
            return
        arriving = self.cycle if self._reads_body else self._arriving_fields()
        if arriving is self._timed and self._arrival_timer is not None:
            return
        self._stop_arrival_timer()
        self._unset_keepalive_if_required()
        self._timed = arriving
        if arriving is not None:
            seconds = self.max_body_seconds if self._reads_body else self.max_head_seconds
            self._arrival_timer = self.loop.call_later(seconds, self._end_arrival)
        elif self.cycle.response_complete:
            # The response was earlier than the end of the body. uvicorn would wait for ever.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _stop_arrival_timer(self) -> None:
        if self._arrival_timer is not None:
            self._arrival_timer.cancel()
            self._arrival_timer = None

    def _end_arrival(self) -> None:
        self._arrival_timer = None
        if self.flow.read_paused:
            # The bytes wait for an earlier request or for the application, not for the client.
            self._limit_arrival()
        else:
            self._refuse(Refusal(408, "The request did not arrive in time."))

    def _end_wait_for_first_request(self) -> None:
        self._first_request_timer = None
        if self._arriving_fields() is not None:
            self._refuse(Refusal(408, "The request did not arrive in time."))
        else:
            # Browsers open connections in advance. They would take a response for that of their next request.
            self.transport.close()

    def _stop_timers(self) -> None:
        self._stop_arrival_timer()
        self._unset_keepalive_if_required()
        if self._first_request_timer is not None:
            self._first_request_timer.cancel()
            self._first_request_timer = None

    # Refusals

    def _refuse(self, refusal: Refusal) -> None:
        """Send `refusal` after the responses to earlier requests, then close the connection."""
        if self.transport.is_closing():
            return
        self._is_refused = True
        self._stop_timers()
        logger.info("refused", status=refusal.status, reason=str(refusal))
        response = refusal.response(self._tls_headers())
        if self._reads_body and not self.pipeline:
            # The application has this request, and no other one.
            has_response = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if has_response:
                self.transport.close()
            else:
                self._send_refusal(response)
        elif self._reads_body or (self.cycle is not None and not self.cycle.response_complete):
            if self._reads_body:
                self.pipeline.popleft()
            self._pending_refusal = response
        else:
            self._send_refusal(response)

    def _tls_headers(self) -> Headers:
        """HSTS, as far as the headers of the refused request have arrived."""
        arrived = self.scope["headers"] if self._reads_body else self.headers
        scheme = next((value for name, value in arrived if name == b"x-forwarded-proto"), None)
        return tls_headers(self.scheme or "http", self.client, scheme)

    def _send_refusal(self, response: bytes) -> None:
        self._pending_refusal = None
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        self.transport.write(response)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _discard(self, data: bytes) -> None:
        self._lingered_bytes += len(data)
        if self._lingered_bytes > MAX_LINGER_BYTES:
            self.transport.close()
