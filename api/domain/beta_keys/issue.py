"""Issuing beta keys: any number in one transaction, all or none."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID, uuid4

from asyncpg import UniqueViolationError
from pydantic import AfterValidator, ValidationInfo

from api.database.scopes import copy_rows, platform_scope
from api.domain.actors import CONFIRMATION_LIFETIME, Actor, require_confirmed
from api.domain.audit_events.recording import record_event
from api.domain.errors import Problem
from api.domain.fields import Batch, FutureTime, KeyNotes, NoneIfBlank, UserEmail, whole_number
from api.domain.forms import Form
from api.key_shape import ALPHABET, SYMBOLS, format_key
from tables import AuditEvent, BetaKey

CHUNK = 5000
"""Keys of one COPY."""

MAX_PER_REQUEST = 10_000
"""Keys that one API request may issue, because its answer contains them all."""


def _require_single_key(address: str, info: ValidationInfo[Mapping[str, Any]]) -> str:
    # From the context, because `info.data` lacks a count that is not valid.
    if info.context["count"] > 1:
        raise Problem("ONE_KEY_EACH")
    return address


MAX_UNCONFIRMED = 100
"""Keys that an operator may issue in `CONFIRMATION_LIFETIME` without having confirmed lately who they are."""


class IssueOptions(Form):
    """How many keys to issue, and what they have in common."""

    count: Annotated[int, AfterValidator(whole_number(1))]
    notes: NoneIfBlank[KeyNotes]
    batch: NoneIfBlank[Batch]
    expires_at: NoneIfBlank[FutureTime]
    recipient_email: NoneIfBlank[Annotated[UserEmail, AfterValidator(_require_single_key)]]
    """The only address that can use the key. Requires a count of 1."""


class ApiIssueOptions(IssueOptions):
    """The options of an API request, which issues at most `MAX_PER_REQUEST` keys."""

    count: Annotated[int, AfterValidator(whole_number(1, MAX_PER_REQUEST))]


class NewKey(NamedTuple):
    id: UUID
    key: str
    created_at: datetime


async def issue_keys(actor: Actor, options: IssueOptions, receive: Callable[[list[NewKey]], object]) -> None:
    """Issue the keys, all or none.

    `receive` is called with at most `CHUNK` keys at a time, before the commit. An error that it raises rolls
    all keys back. Raises `StepUpRequired` for more than `MAX_UNCONFIRMED` keys, in one request or several.
    """
    if options.count > MAX_UNCONFIRMED:
        require_confirmed(actor)
    count, issued, new = options.count, 0, []
    async with platform_scope() as transaction:
        if not actor.is_confirmed and await _issued_lately(actor) + count > MAX_UNCONFIRMED:
            require_confirmed(actor)
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
            detail=options.model_dump(by_alias=True),
        )


async def _issued_lately(actor: Actor) -> int:
    """How many keys the actor has issued in `CONFIRMATION_LIFETIME`. Concurrent requests wait in turn."""
    await BetaKey.raw("SELECT pg_advisory_xact_lock(hashtextextended({}, 0))", f"issue keys {actor.id}")
    (row,) = await AuditEvent.raw(_ISSUED_LATELY, actor.id, CONFIRMATION_LIFETIME)
    return row["count"]


_ISSUED_LATELY = """
SELECT coalesce(sum((detail->>'count')::int), 0) AS count FROM audit_events
 WHERE action = 'beta_key.issued' AND "actorId" = {} AND at > clock_timestamp() - {}::interval
"""


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
