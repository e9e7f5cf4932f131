"""A reverse proxy in front of a server, which treats X-Forwarded-For as the proxies of hosts do."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

Mode = Literal["append", "replace", "pass on"]


@asynccontextmanager
async def http_proxy(
    port: int, mode: Mode, forwarded: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Yield the address of a proxy for the server on `port`; it is an https address with `tls`.

    `forwarded` is what it writes into X-Forwarded-For: the client and, if other proxies come first, theirs.
    """

    ended: list[asyncio.Future[None]] = []

    async def serve(client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        head = (await client.readuntil(b"\r\n\r\n")).decode()
        if mode != "pass on":
            (sent,) = re.findall(r"(?i)^x-forwarded-for: (.*)\r$", head, re.M) or [None]
            value = forwarded if mode == "replace" or sent is None else f"{sent}, {forwarded}"
            head = re.sub(r"(?im)^x-forwarded-for: .*\r\n", "", head)
            head = head.replace("\r\n\r\n", f"\r\nX-Forwarded-For: {value}\r\n\r\n")
        ended.append(asyncio.get_running_loop().create_future())
        done = ended[-1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode())
        with suppress(OSError):
            while part := await reader.read(65_536):
                answer.write(part)
                await answer.drain()
        for stream in (answer, writer):
            stream.close()
            with suppress(OSError):
                await stream.wait_closed()
        done.set_result(None)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*ended)
