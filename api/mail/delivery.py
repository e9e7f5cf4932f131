"""A message leaves: to the SMTP server of SMTP_URL, or into a file."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib

from api.domain.mails import ClaimedMail
from api.settings import Settings

REPLY_TIMEOUT = 600
"""Seconds a server may take to answer a command of a mail. RFC 5321 wants ten minutes for its end: whoever
hangs up earlier sends again what was about to be accepted."""

CONNECT_TIMEOUT = 30
"""Seconds for connecting, and for each command before a mail."""


Accepted = Callable[[], Awaitable[None]]


class Refused(Exception):
    """The server will never take this mail; trying again is of no use."""


async def deliver(mail: ClaimedMail, message: EmailMessage, settings: Settings, accepted: Accepted) -> None:
    """Hand the message over, and call `accepted` at the very moment when somebody else answers for it.

    Raises `Refused`, or whatever went wrong this time.
    """
    if settings.smtp_url is None:
        await asyncio.to_thread(_write, mail, message, settings.outbox)
        await accepted()
    else:
        await _send(message, urlsplit(settings.smtp_url.get_secret_value()), accepted)


def _write(mail: ClaimedMail, message: EmailMessage, outbox: Path) -> None:
    """One file a mail, whose name tells its age; written once more, it is the same file."""
    outbox.mkdir(parents=True, exist_ok=True)
    path = outbox / f"{mail.created_at:%Y-%m-%dT%H-%M-%S}-{mail.id}.eml"
    unfinished = path.with_suffix(".part")
    # There may be a code in it, which is nobody else's.
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(message.as_bytes(policy=SMTPUTF8))
    unfinished.replace(path)


async def _send(message: EmailMessage, server: SplitResult, accepted: Accepted) -> None:
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
        try:
            await smtp.send_message(message, timeout=REPLY_TIMEOUT)
        except aiosmtplib.SMTPException as error:
            if _is_final(error):
                raise Refused(describe_refusal(error)) from error
            raise
        # Before the goodbye, which may take its time: a worker that is killed meanwhile would send it again.
        await accepted()
        with suppress(aiosmtplib.SMTPException, OSError):
            await smtp.quit(timeout=5)
    finally:
        smtp.close()


def _require_tls(smtp: aiosmtplib.SMTP, server: SplitResult) -> None:
    """Without it anybody on the way could read the password, or strip the offer of TLS to do so."""
    if smtp.get_transport_info("sslcontext") is None and server.hostname not in _THIS_MACHINE:
        raise aiosmtplib.SMTPException("the server offers no TLS, so the password of SMTP_URL was not sent")


_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def _is_final(error: aiosmtplib.SMTPException) -> bool:
    """Whether the server said no to this very mail for good (5xx); a no to our password is not one."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            return all(refused.code >= 500 for refused in error.recipients)
        case aiosmtplib.SMTPSenderRefused() | aiosmtplib.SMTPDataError():
            return error.code >= 500
    return isinstance(error, aiosmtplib.SMTPNotSupported)


def describe_refusal(error: BaseException) -> str:
    """What went wrong, in one line for an operator."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(describe_refusal(refused) for refused in error.recipients)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        told = f"{error.code} {error.message}"
    else:
        told = f"{type(error).__name__}: {error}"
    return " ".join(told.replace("\x00", "").split())[:500]
