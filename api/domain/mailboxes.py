"""Mailboxes as mail programs write them: `ana@example.com`, `Ana <ana@example.com>`, and lists of them."""

import re

from api import typed_text

_ADDRESS = r"[^\s,;<>\"()|]+@[^\s,;<>\"()|]+"
_NAME = r'"(?:[^"\\]|\\.)*"|[^"<>@,;|\t]*'
_MAILBOX = re.compile(
    rf"(?:mailto:)?(?P<bare>{_ADDRESS})|(?:{_NAME})\s*<\s*(?:mailto:)?(?P<in_brackets>{_ADDRESS})\s*>",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+|$")


def mailboxes(text: str) -> list[re.Match[str]] | None:
    """The mailboxes of a list that commas, semicolons or spaces separate; None for another text.

    Their addresses may not be valid.
    """
    text = typed_text.clean(text)
    found: list[re.Match[str]] = []
    position = 0
    while position < len(text):
        mailbox = _MAILBOX.match(text, position)
        separator = _SEPARATOR.match(text, mailbox.end()) if mailbox else None
        if mailbox is None or separator is None:
            return None
        found.append(mailbox)
        position = separator.end()
    return found


def address_of(mailbox: re.Match[str]) -> str:
    """The address, without the name beside it."""
    return mailbox["bare"] or mailbox["in_brackets"]


def has_name(mailbox: re.Match[str]) -> bool:
    """Whether the address is in brackets, as it is beside a name."""
    return mailbox["bare"] is None
