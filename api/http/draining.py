"""The time between SIGTERM and the end of the listener, in which load balancers learn that this server stops.

Without it, the requests that they send until their next check of /readyz would find no listener.
"""

import asyncio
import signal
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from types import FrameType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.observability.logs import get_logger

logger = get_logger()

_is_draining = False


def is_draining() -> bool:
    """Whether this process has got SIGTERM."""
    return _is_draining


@contextmanager
def drain_on_sigterm(seconds: float) -> Iterator[None]:
    """Delay the end of the server by `seconds` after SIGTERM. A second one, or SIGINT, ends it at once.

    The handler that stops the server, uvicorn's, must be installed already. Without one, as in tests, nothing
    is changed.
    """
    global _is_draining
    stop = signal.getsignal(signal.SIGTERM)
    if not seconds or not callable(stop):
        yield
        return
    loop = asyncio.get_running_loop()

    def drain(number: int, frame: FrameType | None) -> None:
        global _is_draining
        if _is_draining:
            stop(number, frame)
            return
        _is_draining = True
        # A signal may interrupt any line, also one of the logger.
        loop.call_soon_threadsafe(logger.info, "the server stops after DRAIN_SECONDS")
        loop.call_soon_threadsafe(loop.call_later, seconds, stop, number, None)

    signal.signal(signal.SIGTERM, drain)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, stop)
        _is_draining = False


class ClosesConnections:
    """ASGI middleware: while the server drains, each response ends its connection.

    At the end of the listener, uvicorn closes idle connections. A request that the client had just sent on
    one would have no answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if not _is_draining or scope["type"] != "http":
            return self._app(scope, receive, send)

        def send_and_close(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            return send(message)

        return self._app(scope, receive, send_and_close)
