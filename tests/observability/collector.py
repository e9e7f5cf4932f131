"""A real collector of traces over OTLP and HTTP, which a test can make fail."""

import asyncio
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support import free_port


@dataclass(frozen=True)
class Span:
    """A received span; ids are hexadecimal digits, and a missing id is empty."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    attributes: dict[str, Any]
    links: tuple[str, ...]
    events: int
    service: str


class Collector:
    """A collector on a local port, in the event loop of the test."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.spans: list[Span] = []
        self.received = b""
        self.paths: set[str] = set()
        self.status = 200
        self.hangs = False
        self.requests = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().lower().split("\r\n")
                (length,) = [int(line.split(":")[1]) for line in lines if line.startswith("content-length:")]
                body = await reader.readexactly(length)
                self.requests += 1
                self.paths.add(lines[0].split(" ")[1])
                if self.hangs:
                    await asyncio.sleep(3600)
                if self.status == 200:
                    self._take(body)
                writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % self.status)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _take(self, body: bytes) -> None:
        self.received += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _attributes(resource.resource).get("service.name", "")
            for span in [span for scope in resource.scope_spans for span in scope.spans]:
                self.spans.append(
                    Span(
                        name=span.name,
                        trace=span.trace_id.hex(),
                        id=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        kind=span.kind,
                        failed=span.status.code == span.status.STATUS_CODE_ERROR,
                        attributes=_attributes(span),
                        links=tuple(link.span_id.hex() for link in span.links),
                        events=len(span.events),
                        service=service,
                    )
                )


def _attributes(holder: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in holder.attributes}
