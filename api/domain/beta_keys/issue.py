"""Making beta keys: any number, all or none."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from asyncpg import UniqueViolationError

from api.database.scopes import copy_rows, platform_scope
from api.domain import fields
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from tables import BetaKey

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""30 symbols that nobody mistakes for one another: no 0 O 1 I L U."""

CHUNK = 5000
"""Keys that one COPY makes."""

MAX_AT_ONCE = 10_000
"""Keys of one request, whose answer holds them all."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the keys of one issue have in common."""

    notes: str | None = None
    batch: str | None = None
    expires_at: datetime | None = None
    recipient_email: str | None = None
    """The one who may use the key; there is one key then."""
    issued_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class NewKey(NamedTuple):
    id: UUID
    key: str


def read_terms(
    count: int,
    *,
    at_most: int | None = None,
    notes: str | None = None,
    batch: str | None = None,
    expires_at: datetime | None = None,
    recipient_email: str | None = None,
) -> Terms:
    """Raises `InvalidInput` with all that is wrong, `count` included."""
    read = fields.Fields()
    read("count", _between(1, at_most), count)
    terms = Terms(
        notes=read.optional("notes", fields.key_notes, notes),
        batch=read.optional("batch", fields.batch, batch),
        expires_at=read.optional("expiresAt", fields.future, expires_at),
        recipient_email=read.optional("recipientEmail", _recipient(count), recipient_email),
    )
    read.check()
    return terms


def _between(least: int, most: int | None) -> Callable[[int], int]:
    def check(value: int) -> int:
        if value < least:
            raise fields.Problem("TOO_SMALL", min=least)
        if most is not None and value > most:
            raise fields.Problem("TOO_LARGE", max=most)
        return value

    return check


def _recipient(count: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        address = fields.user_email(value)
        if count > 1:
            raise fields.Problem("ONE_KEY_EACH")
        return address

    return check


async def issue_keys(actor: Actor, count: int, terms: Terms, take: Callable[[list[NewKey]], object]) -> None:
    """Make `count` keys, all or none. `take` is given them, some thousands at a time, before they are issued.

    What it raises leaves none.
    """
    issued, new = 0, []
    async with platform_scope() as transaction:
        while issued < count:
            new = [NewKey(uuid4(), key) for key in generate_keys(min(CHUNK, count - issued))]
            savepoint = await transaction.savepoint()
            try:
                await _store(new, terms, actor)
            except UniqueViolationError:
                # Of a million keys one in a thousand times one is there already: these are drawn again.
                await savepoint.rollback_to()
                continue
            await savepoint.release()
            issued += len(new)
            take(new)
        await record_event(
            "beta_key.issued",
            actor,
            subject_id=new[0].id if count == 1 else None,
            detail={
                "count": count,
                "notes": terms.notes,
                "batch": terms.batch,
                "expiresAt": terms.expires_at,
                "recipientEmail": terms.recipient_email,
            },
        )


def generate_keys(count: int) -> Iterable[str]:
    """Keys of `BETA-` and two groups of five symbols, each drawn by itself: 49 bits a key."""
    symbols = ""
    while len(symbols) < 10 * count:
        # Bytes that would make some symbols likelier than others are left out.
        drawn = secrets.token_bytes(11 * count + 50).translate(_SYMBOLS, _LEFT_OUT)
        symbols += drawn.decode()
    return (
        f"BETA-{symbols[start : start + 5]}-{symbols[start + 5 : start + 10]}"
        for start in range(0, 10 * count, 10)
    )


_EVEN = 256 - 256 % len(ALPHABET)
_SYMBOLS = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256))
_LEFT_OUT = bytes(range(_EVEN, 256))


async def _store(keys: Iterable[NewKey], terms: Terms, actor: Actor) -> None:
    common = (
        terms.notes, terms.batch, terms.expires_at, terms.recipient_email,
        actor.id, terms.issued_at, terms.issued_at,
    )  # fmt: skip
    columns = [
        "id", "key", "notes", "batch", "expiresAt", "recipientEmail",
        "issuedById", "createdAt", "updatedAt",
    ]  # fmt: skip
    await copy_rows("beta_keys", columns, (key + common for key in keys))


async def any_key() -> bool:
    """Whether a key was ever issued."""
    (row,) = await BetaKey.raw("SELECT EXISTS (SELECT FROM beta_keys) AS one")
    return row["one"]
