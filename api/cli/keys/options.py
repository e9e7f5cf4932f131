"""The arguments and options that several commands for beta keys have."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.terminal import format_value

if TYPE_CHECKING:
    from api.domain.accounts.holders import Holder
    from api.domain.actors import Actor
    from api.domain.beta_keys.listing import KeyFilter


class Status(StrEnum):
    """The statuses of the API in lower case, as they are typed at a terminal."""

    available = "available"
    used = "used"
    expired = "expired"
    revoked = "revoked"


class Language(StrEnum):
    """The languages of invitations."""

    en = "en"
    es = "es"


KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="The beta key; case, spaces and dashes do not matter.")
]
StatusOption = Annotated[Status | None, typer.Option("--status", help="Only keys with this status.")]
BatchOption = Annotated[str | None, typer.Option("--batch", help="Only keys of this batch.")]
SearchOption = Annotated[
    str | None,
    typer.Option("--search", help="Only keys with this text in the key, the notes or the recipient."),
]
LanguageOption = Annotated[Language, typer.Option("--language", help="The language of the mail.")]

YesOption = Annotated[
    bool, typer.Option("--yes", help="Send without asking, also to an address that has an account.")
]


def build_filter(status: Status | None, batch: str | None, search: str | None) -> "KeyFilter":
    from api.domain.beta_keys.listing import KeyFilter
    from api.domain.beta_keys.status import BetaKeyStatus

    return KeyFilter(None if status is None else BetaKeyStatus[status.name.upper()], batch, search)


def parse_expiry(text: str) -> datetime:
    """A time in the future: a span from now such as 30d, or the end of a day. Raises `BadParameter`."""
    from api import typed_text
    from api.domain import times
    from api.domain.errors import Problem

    text = typed_text.fold(text)
    units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    try:
        if span := re.fullmatch(r"(\d{1,6})([mhdw])", text):
            expiry = datetime.now(UTC) + timedelta(**{units[span[2]]: int(span[1])})
        else:
            expiry = times.end(times.read_typed(text))
    except (Problem, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is not a time such as 30d, 12h, 45m, 2w, 2027-01-31 or '2027-01-31 12:00'"
        ) from None
    if expiry <= datetime.now(UTC):
        raise typer.BadParameter(f"{text!r} is in the past")
    return expiry


def actor_with_language(language: Language) -> "Actor":
    """The actor of a command whose mails are in `language`."""
    from api.domain.actors import Actor, Client

    return Actor(None, None, Client(language=language.value))


def describe_holder(holder: "Holder") -> str:
    """What an operator needs to know of the account that holds an address."""
    if holder.business_name is None:
        return "has an account"
    if holder.erased_at is None:
        return f"has an account of {holder.business_name}, tax id {holder.nit}"
    return (
        f"has an account of {holder.business_name}, tax id {holder.nit}, which is deleted, and is erased "
        f"{format_value(holder.erased_at)} (to restore it: gatehouse tenants restore {holder.nit})"
    )
