"""Issuing beta keys: any number in one transaction, all or none."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from asyncpg import UniqueViolationError

from api.database.scopes import copy_rows, platform_scope
from api.domain import fields
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.key_shape import ALPHABET, SYMBOLS, format_key
from tables import BetaKey

CHUNK = 5000
"""Keys of one COPY."""

MAX_PER_REQUEST = 10_000
"""Keys that one API request may issue, because its answer contains them all."""


@dataclass(frozen=True, slots=True)
class IssueOptions:
    """What all keys of one issue have in common."""

    notes: str | None = None
    batch: str | None = None
    expires_at: datetime | None = None
    recipient_email: str | None = None
    """The only address that can use the key. Requires a count of 1."""


class NewKey(NamedTuple):
    id: UUID
    key: str
    created_at: datetime


def read_options(
    count: int,
    *,
    max_count: int | None = None,
    notes: str | None = None,
    batch: str | None = None,
    expires_at: datetime | None = None,
    recipient_email: str | None = None,
) -> IssueOptions:
    """Validate the options and `count`. Raises `InvalidInput` with every problem."""
    read = fields.Fields()
    read("count", _between(1, max_count), count)
    options = IssueOptions(
        notes=read.optional("notes", fields.key_notes, notes),
        batch=read.optional("batch", fields.batch, batch),
        expires_at=read.optional("expiresAt", fields.future, expires_at),
        recipient_email=read.optional("recipientEmail", _recipient(count), recipient_email),
    )
    read.check()
    return options


def _between(minimum: int, maximum: int | None) -> Callable[[int], int]:
    def check(value: int) -> int:
        if value < minimum:
            raise fields.Problem("TOO_SMALL", min=minimum)
        if maximum is not None and value > maximum:
            raise fields.Problem("TOO_LARGE", max=maximum)
        return value

    return check


def _recipient(count: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        address = fields.user_email(value)
        if count > 1:
            raise fields.Problem("ONE_KEY_EACH")
        return address

    return check


async def issue_keys(
    actor: Actor, count: int, options: IssueOptions, receive: Callable[[list[NewKey]], object]
) -> None:
    """Issue `count` keys, all or none.

    `receive` is called with at most `CHUNK` keys at a time, before the commit. An error that it raises rolls
    all keys back.
    """
    issued, new = 0, []
    async with platform_scope() as transaction:
        (clock,) = await BetaKey.raw("SELECT now()")
        while issued < count:
            new = [NewKey(uuid4(), key, clock["now"]) for key in generate_keys(min(CHUNK, count - issued))]
            savepoint = await transaction.savepoint()
            try:
                await _insert(new, options, actor)
            except UniqueViolationError:
                # Random keys can exist already: one issue of a million keys in a thousand meets such a key.
                await savepoint.rollback_to()
                continue
            await savepoint.release()
            issued += len(new)
            receive(new)
        await record_event(
            "beta_key.issued",
            actor,
            subject_id=new[0].id if count == 1 else None,
            detail={
                "count": count,
                "notes": options.notes,
                "batch": options.batch,
                "expiresAt": options.expires_at,
                "recipientEmail": options.recipient_email,
            },
        )


def generate_keys(count: int) -> Iterable[str]:
    """Random keys from the operating system's generator."""
    symbols = ""
    while len(symbols) < SYMBOLS * count:
        drawn = secrets.token_bytes((SYMBOLS + 1) * count + 50)
        symbols += drawn.translate(_SYMBOL_OF_BYTE, _BIASED_BYTES).decode()
    return (format_key(symbols[start : start + SYMBOLS]) for start in range(0, SYMBOLS * count, SYMBOLS))


# 256 is no multiple of 30. Without the last bytes every symbol is equally likely.
_UNBIASED = 256 - 256 % len(ALPHABET)
_SYMBOL_OF_BYTE = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256))
_BIASED_BYTES = bytes(range(_UNBIASED, 256))


async def _insert(keys: Iterable[NewKey], options: IssueOptions, actor: Actor) -> None:
    columns = [
        "id", "key", "createdAt", "updatedAt",
        "notes", "batch", "expiresAt", "recipientEmail", "issuedById",
    ]  # fmt: skip
    common = (options.notes, options.batch, options.expires_at, options.recipient_email, actor.id)
    await copy_rows("beta_keys", columns, ((*key, key.created_at, *common) for key in keys))


async def any_key() -> bool:
    """Whether any key was ever issued."""
    return await BetaKey.exists()
