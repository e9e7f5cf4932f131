"""The X-Request-ID of a request: the client's own or a random one, in every log line and in the response."""

import re
from collections.abc import Awaitable
from random import getrandbits

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.observability.logs import request_id

# Other characters could forge log lines or response headers.
_VALID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


class RequestIds:
    """ASGI middleware. It is the outermost one, so that every log line of a request has the id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        chosen = None
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _VALID.fullmatch(value):
                chosen = value.decode()
                break
        if chosen is None:
            chosen = getrandbits(128).to_bytes(16).hex()
        request_id.set(chosen)
        header = (b"x-request-id", chosen.encode())

        def send_with_id(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], header]
            return send(message)

        await self._app(scope, receive, send_with_id)
