"""Connections to the mail server, which are used for many mails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib

CONNECT_TIMEOUT = 30
"""Seconds for connecting, and for each reply before a message is sent."""

IDLE_TIMEOUT = 10.0
"""Seconds after which an unused connection is closed. Servers keep few, and close them after minutes."""

MAX_MAILS = 100
"""Mails of one connection. Some servers refuse more."""


class _Idle(NamedTuple):
    smtp: aiosmtplib.SMTP
    mails: int
    since: float


class SmtpConnections:
    """Connections to one server. Connecting takes several replies and a TLS handshake, a mail takes three."""

    def __init__(self, smtp_url: str) -> None:
        self._smtp_url = smtp_url
        self._idle: list[_Idle] = []

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection for one mail. After an error it is closed.

        Raises `SMTPException` of aiosmtplib, or `OSError`.
        """
        smtp, mails = await self._take()
        try:
            yield smtp
        except BaseException:
            smtp.close()
            raise
        if mails + 1 < MAX_MAILS:
            self._idle.append(_Idle(smtp, mails + 1, monotonic()))
        else:
            await disconnect(smtp)

    async def _take(self) -> tuple[aiosmtplib.SMTP, int]:
        while self._idle:
            smtp, mails, _ = self._idle.pop()
            try:
                # The server may have closed it. A mail on such a connection would count as a failed try.
                await smtp.rset(timeout=5)
            except (aiosmtplib.SMTPException, OSError):
                smtp.close()
            else:
                return smtp, mails
        return await open_connection(self._smtp_url), 0

    async def close_unused(self, *, all_of_them: bool = False) -> None:
        """Close the connections that are not in use, if they are older than `IDLE_TIMEOUT`."""
        limit = monotonic() - IDLE_TIMEOUT
        closed = [one for one in self._idle if all_of_them or one.since < limit]
        self._idle = [one for one in self._idle if one not in closed]
        for one in closed:
            await disconnect(one.smtp)


@asynccontextmanager
async def connect(smtp_url: str) -> AsyncIterator[aiosmtplib.SMTP]:
    """A connection for one use. Raises `SMTPException` of aiosmtplib, or `OSError`."""
    smtp = await open_connection(smtp_url)
    try:
        yield smtp
    finally:
        await disconnect(smtp)


async def open_connection(smtp_url: str) -> aiosmtplib.SMTP:
    """A connection to the mail server, signed in. Raises `SMTPException` of aiosmtplib, or `OSError`."""
    server = urlsplit(smtp_url)
    smtp = aiosmtplib.SMTP(
        hostname=server.hostname,
        port=server.port,
        # None: STARTTLS where the server offers it.
        use_tls=server.scheme == "smtps",
        start_tls=False if server.scheme == "smtps" else None,
        timeout=CONNECT_TIMEOUT,
    )
    try:
        await smtp.connect()
        if server.username is not None:
            _require_tls(smtp, server)
            await smtp.login(unquote(server.username), unquote(server.password or ""))
    except BaseException:
        smtp.close()
        raise
    return smtp


async def disconnect(smtp: aiosmtplib.SMTP) -> None:
    """Say QUIT. What the server answers to it does not matter."""
    try:
        with suppress(aiosmtplib.SMTPException, OSError):
            await smtp.quit(timeout=5)
    finally:
        smtp.close()


def _require_tls(smtp: aiosmtplib.SMTP, server: SplitResult) -> None:
    """Without TLS the network can read the password; an attacker can remove the server's STARTTLS offer."""
    if smtp.get_transport_info("sslcontext") is None and server.hostname not in _LOCAL_HOSTS:
        raise aiosmtplib.SMTPException("the server offers no TLS, so the password of SMTP_URL was not sent")


_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
