"""Delivers messages to the SMTP server of SMTP_URL, or writes them to files."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path

import aiosmtplib

from api.database.private_folder import create_outbox
from api.domain.mails import ClaimedMail
from api.mail.smtp_connections import SmtpConnections
from api.settings import Settings

REPLY_TIMEOUT = 600
"""Seconds for each reply while a message is sent. RFC 5321 (4.5.3.2.6) requires ten minutes after its end: a
client that disconnects earlier sends again what the server was about to accept."""

OnAccepted = Callable[[], Awaitable[None]]


class PermanentFailure(Exception):
    """The server rejects this message permanently (SMTP 5xx), so a retry is useless."""


async def deliver(
    mail: ClaimedMail,
    message: EmailMessage,
    settings: Settings,
    smtp_connections: SmtpConnections | None,
    on_accepted: OnAccepted,
) -> None:
    """Deliver the message, and call `on_accepted` as soon as the server has accepted it or the file exists.

    Raises `PermanentFailure`. All other exceptions mean that a retry may succeed.
    """
    if smtp_connections is not None:
        await _send(message, smtp_connections, on_accepted)
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


async def _send(message: EmailMessage, connections: SmtpConnections, on_accepted: OnAccepted) -> None:
    async with connections.connection() as smtp:
        try:
            await smtp.send_message(message, timeout=REPLY_TIMEOUT)
        except aiosmtplib.SMTPException as error:
            if _is_permanent(error):
                raise PermanentFailure(describe_failure(error)) from error
            raise
        # Before anything else on the connection: a worker that is killed during it would send the mail again.
        await on_accepted()


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
