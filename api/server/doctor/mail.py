"""The checks of mail: the server of SMTP_URL, with a test mail if it is asked for, and the queue."""

from email.message import EmailMessage
from email.policy import SMTPUTF8

import aiosmtplib
from email_validator import EmailNotValidError

from api.domain.mails import count_mails, count_overdue_mails
from api.mail.compose import read_recipient
from api.mail.delivery import describe_failure
from api.mail.smtp_connections import connect
from api.server.doctor.check import Outcome
from api.settings import get_settings

TEST_MAIL = "This mail shows that Gatehouse can send mails. It was sent by: gatehouse doctor --mail-to\n"


async def check_mail_server(mail_to: str | None) -> Outcome:
    """Connect and sign in; with `mail_to`, send a test mail there."""
    settings = get_settings()
    if settings.smtp_url is None:
        where = "wait in the database" if settings.outbox is None else f"are files in {settings.outbox}"
        return Outcome("warning", f"mails {where}; set SMTP_URL and MAIL_FROM")
    try:
        message = None if mail_to is None else _test_mail(mail_to)
        async with connect(settings.smtp_url.get_secret_value()) as smtp:
            tls = "with TLS" if smtp.get_transport_info("sslcontext") else "without TLS"
            if message is not None:
                await smtp.send_message(message)
    except EmailNotValidError as error:
        return Outcome("failure", f"--mail-to: {error}")
    except aiosmtplib.SMTPAuthenticationError as error:
        return Outcome("failure", f"{describe_failure(error)}; check user and password in SMTP_URL")
    except (
        aiosmtplib.SMTPSenderRefused,
        aiosmtplib.SMTPRecipientsRefused,
        aiosmtplib.SMTPDataError,
    ) as error:
        return Outcome("failure", f"the test mail was refused: {describe_failure(error)}; check MAIL_FROM")
    except (aiosmtplib.SMTPException, OSError) as error:
        return Outcome("failure", f"{describe_failure(error)}; check SMTP_URL and the mail server")
    if mail_to is None:
        return Outcome("ok", f"accepts connections {tls}; to send a test mail, add --mail-to ADDRESS")
    return Outcome("ok", f"accepted a test mail to {mail_to}, {tls}")


def _test_mail(mail_to: str) -> EmailMessage:
    message = EmailMessage(SMTPUTF8)
    message["From"] = get_settings().sender
    message["To"] = read_recipient(mail_to)
    message["Subject"] = "Gatehouse: test mail"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(TEST_MAIL)
    return message


async def check_mail_queue() -> Outcome:
    waiting, failed = await count_mails()
    text = f"{waiting} waiting, {failed} failed"
    if get_settings().smtp_url is not None and (overdue := await count_overdue_mails()):
        return Outcome("failure", f"{text}, {overdue} overdue; no worker sends them: run gatehouse worker")
    if failed:
        return Outcome("warning", f"{text}; see: gatehouse mail failed")
    return Outcome("ok", text)
