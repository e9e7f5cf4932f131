"""X-Request-ID: taken from the request or made up, in every log line, and in the answer."""

import re
from collections.abc import Awaitable
from random import getrandbits

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.observability.logs import request_id

# Anything else could forge lines of the log or headers of the answer.
_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


class RequestIds:
    """ASGI middleware; it stands before all that Gatehouse runs, so that each log line carries the id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        chosen = None
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _ACCEPTABLE.fullmatch(value):
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
