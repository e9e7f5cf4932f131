"""From a mail's template and values to the message that leaves."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from typing import Any

import jinja2
from email_validator import validate_email

from api.domain.mails import ClaimedMail

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("api.mail"),
    autoescape=jinja2.select_autoescape(("html",)),
    # A value that is missing is a mistake of ours, and must not leave as a gap in a sentence.
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def compose(mail: ClaimedMail, sender: Address) -> EmailMessage:
    """The message, HTML and plain text. However often it is composed, its Message-ID is the same one.

    The first line of the plain text is the subject, which no value fills.
    """
    values = {name: _one_line(value) for name, value in mail.values.items()}
    subject, _, text = _render(mail, "txt", values).partition("\n")
    message = EmailMessage(SMTPUTF8)
    message["From"] = sender
    message["To"] = _address(mail.recipient)
    message["Subject"] = subject
    message["Date"] = mail.created_at
    # By it a receiver, whose answer to the first try was lost, can tell that it has this mail already.
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text.lstrip("\n"))
    message.add_alternative(_render(mail, "html", values), subtype="html")
    # The bodies take such headers with them that are there before.
    message["Content-Language"] = mail.language
    return message


def _render(mail: ClaimedMail, kind: str, values: dict[str, Any]) -> str:
    template = _TEMPLATES.get_template(f"{mail.language}/{mail.template.value}.{kind}")
    return template.render(values)


def _one_line(value: Any) -> Any:
    """A name that an old system let have lines of its own could add a paragraph to the plain text."""
    return " ".join(value.split()) if isinstance(value, str) else value


def _address(text: str) -> Address:
    """With the domain as DNS has it; a server without SMTPUTF8 takes no other."""
    parts = validate_email(text, check_deliverability=False)
    return Address(username=parts.local_part, domain=parts.ascii_domain)
