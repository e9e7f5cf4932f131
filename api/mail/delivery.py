"""Delivers messages to the SMTP server of SMTP_URL, or writes them to files."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib

from api.database.private_folder import create_outbox
from api.domain.mails import ClaimedMail
from api.settings import Settings

REPLY_TIMEOUT = 600
"""Seconds for each reply while a message is sent. RFC 5321 (4.5.3.2.6) requires ten minutes after its end: a
client that disconnects earlier sends again what the server was about to accept."""

CONNECT_TIMEOUT = 30
"""Seconds for connecting, and for each reply before a message is sent."""


OnAccepted = Callable[[], Awaitable[None]]


class PermanentFailure(Exception):
    """The server rejects this message permanently (SMTP 5xx), so a retry is useless."""


async def deliver(
    mail: ClaimedMail, message: EmailMessage, settings: Settings, on_accepted: OnAccepted
) -> None:
    """Deliver the message, and call `on_accepted` as soon as the server has accepted it or the file exists.

    Raises `PermanentFailure`. All other exceptions mean that a retry may succeed.
    """
    if settings.smtp_url is not None:
        await _send(message, settings.smtp_url.get_secret_value(), on_accepted)
    elif settings.outbox is not None:
        await asyncio.to_thread(_write, mail, message, settings.outbox)
        await on_accepted()
    else:
        raise RuntimeError("SMTP_URL is unset")


def _write(mail: ClaimedMail, message: EmailMessage, outbox: Path) -> None:
    """One file for each mail, named after its creation time and its id, so a retry replaces it."""
    create_outbox(outbox)
    path = outbox / f"{mail.created_at:%Y-%m-%dT%H-%M-%S}-{mail.id}.eml"
    unfinished = path.with_suffix(".part")
    # Only its owner may read the file, because it may contain a one-time code.
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(message.as_bytes(policy=SMTPUTF8))
    unfinished.replace(path)


async def _send(message: EmailMessage, smtp_url: str, on_accepted: OnAccepted) -> None:
    async with connect(smtp_url) as smtp:
        try:
            await smtp.send_message(message, timeout=REPLY_TIMEOUT)
        except aiosmtplib.SMTPException as error:
            if _is_permanent(error):
                raise PermanentFailure(describe_failure(error)) from error
            raise
        # Before QUIT, which may be slow: a worker that is killed during it would send the mail again.
        await on_accepted()


@asynccontextmanager
async def connect(smtp_url: str) -> AsyncIterator[aiosmtplib.SMTP]:
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
        yield smtp
        with suppress(aiosmtplib.SMTPException, OSError):
            await smtp.quit(timeout=5)
    finally:
        smtp.close()


def _require_tls(smtp: aiosmtplib.SMTP, server: SplitResult) -> None:
    """Without TLS the network can read the password; an attacker can remove the server's STARTTLS offer."""
    if smtp.get_transport_info("sslcontext") is None and server.hostname not in _LOCAL_HOSTS:
        raise aiosmtplib.SMTPException("the server offers no TLS, so the password of SMTP_URL was not sent")


_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


def _is_permanent(error: aiosmtplib.SMTPException) -> bool:
    """Whether the server rejected this message with 5xx. A rejected password is no failure of the message."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            return all(rejected.code >= 500 for rejected in error.recipients)
        case aiosmtplib.SMTPSenderRefused() | aiosmtplib.SMTPDataError():
            return error.code >= 500
    return isinstance(error, aiosmtplib.SMTPNotSupported)


def describe_failure(error: BaseException) -> str:
    """The SMTP reply or the exception, in one line for an operator."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(describe_failure(rejected) for rejected in error.recipients)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = f"{error.code} {error.message}"
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.replace("\x00", "").split())[:500]
