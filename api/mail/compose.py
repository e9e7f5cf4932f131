"""Makes the email message of a queued mail from its template and values."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from typing import Any

import jinja2
from email_validator import validate_email

from api import written_times
from api.domain.mails import ClaimedMail
from api.domain.web_addresses import unlinked

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("api.mail"),
    autoescape=jinja2.select_autoescape(("html",)),
    # A missing value is a bug, and must not be sent as a gap in a sentence.
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _in_words(time: str, language: str) -> str:
    """A filter of the templates, for a time in ISO 8601. A date, as earlier releases queued it, stays."""
    moment = datetime.fromisoformat(time)
    return time if moment.tzinfo is None else written_times.in_words(moment, language)


_TEMPLATES.filters["in_words"] = _in_words


def compose(mail: ClaimedMail, sender: Address) -> EmailMessage:
    """The message in plain text and HTML. Each call returns the same Message-ID for the same mail.

    The first line of the plain-text template is the subject. It contains no values.
    """
    values = {name: _for_people(name, value) for name, value in mail.values.items()}
    subject, _, text = _render(mail, "txt", values).partition("\n")
    message = EmailMessage(SMTPUTF8)
    message["From"] = sender
    message["To"] = read_recipient(mail.recipient)
    message["Subject"] = subject
    message["Date"] = mail.created_at
    # If the server's reply is lost, the mail is sent again. By its id a mail client can drop the duplicate.
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text.lstrip("\n"))
    message.add_alternative(_render(mail, "html", values), subtype="html")
    # Set last, because `set_content` and `add_alternative` move existing Content headers into the parts.
    message["Content-Language"] = mail.language
    return message


def _render(mail: ClaimedMail, kind: str, values: dict[str, Any]) -> str:
    template = _TEMPLATES.get_template(f"{mail.language}/{mail.template.value}.{kind}")
    return template.render(values)


_NAMES = ("firstName", "businessName", "inviterName")


def _for_people(name: str, value: Any) -> Any:
    """The value in one line; a name has no links either.

    Adopted databases may hold names with line breaks, which could add a paragraph to the plain text, and with
    web addresses.
    """
    if not isinstance(value, str):
        return value
    line = " ".join(value.split())
    return unlinked(line) if name in _NAMES else line


def read_recipient(text: str) -> Address:
    """The address with its domain in ASCII (IDNA), because a server may lack SMTPUTF8.

    Raises email_validator's `EmailNotValidError`.
    """
    parts = validate_email(text, check_deliverability=False)
    return Address(username=parts.local_part, domain=parts.ascii_domain)
