"""Requests that ask for another protocol, such as those of Java's HttpClient for HTTP/2, stay HTTP/1.1.

A server may ignore `Upgrade` (RFC 9110, section 7.8). httptools cannot: it ends such a request after its
head, and takes its body for bytes of the other protocol.
"""

from typing import Any, Protocol

import httptools


class RequestEvents(Protocol):
    """The events of a parser, for the protocol of a connection."""

    scope: Any
    """Of the newest request."""

    def on_message_begin(self) -> None: ...
    def on_url(self, url: bytes) -> None: ...
    def on_header(self, name: bytes, value: bytes) -> None: ...
    def on_headers_complete(self) -> None: ...
    def on_chunk_header(self) -> None: ...
    def on_body(self, body: bytes) -> None: ...
    def on_message_complete(self) -> None: ...
    def expect_body(self) -> None: ...


_FRAMING = (b"content-length", b"transfer-encoding")
"""The headers that say where a body ends."""


def parser_without_upgrade(protocol: RequestEvents) -> httptools.HttpRequestParser:
    """A parser for what follows the head of a request with `Upgrade`: its body, then other requests."""
    framing = [header for header in protocol.scope["headers"] if header[0] in _FRAMING]
    if not framing:
        return httptools.HttpRequestParser(protocol)
    events = _EventsAfterHead(protocol)
    parser = httptools.HttpRequestParser(events)
    lines = b"".join(b"%b: %b\r\n" % header for header in framing)
    parser.feed_data(b"POST / HTTP/1.1\r\nhost: gatehouse\r\n%b\r\n" % lines)
    events.is_head_repeated = False
    protocol.expect_body()
    return parser


class _EventsAfterHead:
    """The events of a parser, without those of the head that the protocol has had already."""

    def __init__(self, protocol: RequestEvents) -> None:
        self._protocol = protocol
        self.is_head_repeated = True
        self.on_body = protocol.on_body
        self.on_chunk_header = protocol.on_chunk_header
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if not self.is_head_repeated:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self.is_head_repeated:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.is_head_repeated:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self.is_head_repeated:
            self._protocol.on_headers_complete()
