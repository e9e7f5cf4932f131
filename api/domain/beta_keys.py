"""Beta keys: looked up, used once, changed, revoked."""

import asyncio
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from api.database.scopes import platform_scope
from api.database.shared_lookup import SharedLookup
from api.domain import audit, fields, rate_limits
from api.domain.audit import Actor, Client
from api.domain.changes import Editable, apply_changes, read_changes
from api.domain.errors import (
    BetaKeyRejected,
    BetaKeyRejection,
    Conflict,
    NotFound,
)
from tables import BetaKey

MAX_KEY_LENGTH = 20
"""Characters of the longest key; those of an old system may have other shapes than ours."""


class BetaKeyStatus(Enum):
    AVAILABLE = "AVAILABLE"
    USED = "USED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class KeyState:
    """What a look-up tells of a key."""

    id: UUID
    key: str
    status: BetaKeyStatus
    used_by_tenant_id: UUID | None
    recipient_email: str | None


async def validate_key(typed: str, client: Client) -> BetaKeyRejection | None:
    """Why `typed` would not admit a business now; None when it would. Raises `RateLimited`."""
    address = rate_limits.address_of(client)
    await rate_limits.count(rate_limits.VALIDATE, address)
    refused = rejection(await find_key(typed))
    # A key that is used or expired was issued to somebody: whoever asks about it does not guess.
    wrong = refused is BetaKeyRejection.NOT_FOUND
    await rate_limits.settle_guess(rate_limits.WRONG_KEYS, address, wrong=wrong)
    return refused


def message_code(reason: BetaKeyRejection | None) -> str:
    """Which sentence tells of the outcome of `validate_key`."""
    return "BETA_KEY_VALID" if reason is None else BetaKeyRejected(reason).message_code


def rejection(state: KeyState | None, email: str | None = None) -> BetaKeyRejection | None:
    """Why a key would not admit a business now, or not one whose owner has this address."""
    if state is None:
        return BetaKeyRejection.NOT_FOUND
    if state.status is not BetaKeyStatus.AVAILABLE:
        return BetaKeyRejection(state.status.value)
    if (
        None not in (email, state.recipient_email)
        and str(email).lower() != str(state.recipient_email).lower()
    ):
        return BetaKeyRejection.OTHER_RECIPIENT
    return None


async def find_key(typed: str) -> KeyState | None:
    """The key that somebody typed, forgiving case, spaces and dashes."""
    spellings = _spellings(typed)
    if len(spellings) == 1:
        return await _lookup.get(spellings[0])
    states = await asyncio.gather(*map(_lookup.get, spellings))
    return next((state for state in states if state is not None), None)


def canonical(key: str) -> str | None:
    """A key as it is stored, so that whoever types it finds it; None for what cannot be one."""
    spellings = _spellings(key)
    return spellings[0] if spellings else None


_OUR_KEY = re.compile(r"BETA-[0-9A-Z]{5}-[0-9A-Z]{5}")

_OUR_SHAPE = re.compile(r"BETA([0-9A-Z]{5})([0-9A-Z]{5})")


def _spellings(typed: str) -> list[str]:
    """The keys that `typed` may mean, the likeliest first.

    Anything that cannot be a key is left out, because PostgreSQL takes neither NUL nor lone surrogates.
    """
    if _OUR_KEY.fullmatch(typed):
        return [typed]
    if len(typed) > 10 * MAX_KEY_LENGTH:
        return []
    typed = typed.strip()
    compact = "".join(
        character
        for character in typed.upper()
        if not character.isspace() and unicodedata.category(character) != "Pd"
    )
    spellings = [typed, typed.upper()]
    if ours := _OUR_SHAPE.fullmatch(compact):
        spellings.insert(0, f"BETA-{ours[1]}-{ours[2]}")
    return [key for key in dict.fromkeys(spellings) if 0 < len(key) <= MAX_KEY_LENGTH and key.isprintable()]


STATUS = """
CASE WHEN "isUsed" THEN 'USED' WHEN "revokedAt" IS NOT NULL THEN 'REVOKED'
     WHEN "expiresAt" <= now() THEN 'EXPIRED' ELSE 'AVAILABLE' END
"""


async def _select_states(keys: list[str]) -> dict[str, KeyState]:
    rows = await BetaKey.raw(
        f'SELECT key, id, {STATUS} AS status, "usedByTenantId", "recipientEmail"'
        " FROM beta_keys WHERE key = ANY({})",
        keys,
    )
    return {
        row["key"]: KeyState(
            row["id"], row["key"], BetaKeyStatus(row["status"]), row["usedByTenantId"], row["recipientEmail"]
        )
        for row in rows
    }


_lookup: SharedLookup[KeyState] = SharedLookup(_select_states)


EDITABLE = {
    "notes": Editable("notes", fields.text(500), required=False),
    "expiresAt": Editable("expires_at", fields.future, required=False),
}


async def claim_key(key_id: UUID, tenant_id: UUID, email: str) -> None:
    """Use the key for `tenant_id`, whose owner has this address, in the transaction that is open.

    Of any number of transactions that try, one gets it; the others raise `BetaKeyRejected`.
    """
    claimed = await BetaKey.raw(
        'UPDATE beta_keys SET "isUsed" = true, "usedByTenantId" = {}, "usedAt" = now(), "updatedAt" = now()'
        ' WHERE id = {} AND NOT "isUsed" AND "revokedAt" IS NULL'
        ' AND ("expiresAt" IS NULL OR "expiresAt" > now())'
        ' AND ("recipientEmail" IS NULL OR lower("recipientEmail") = lower({})) RETURNING id',
        tenant_id,
        key_id,
        email,
    )
    if not claimed:
        raise BetaKeyRejected(BetaKeyRejection.USED)


async def update_key(actor: Actor, key_id: UUID, given: Mapping[str, Any]) -> None:
    """Change a key; `given` are the fields of the API that the client wrote.

    Raises `InvalidInput` and `NotFound`.
    """
    changes = read_changes(given, EDITABLE)
    if "expires_at" in changes:
        # Whoever notices expiries looks at it anew.
        changes["expired_at"] = None
    async with platform_scope():
        key = await BetaKey.objects().where(BetaKey.id == key_id).lock_rows("UPDATE").first()
        if key is None:
            raise NotFound
        differences = apply_changes(key, changes, EDITABLE)
        if differences:
            key.expired_at = changes.get("expired_at", key.expired_at)
            key.updated_at = datetime.now(UTC)
            await key.save([BetaKey.notes, BetaKey.expires_at, BetaKey.expired_at, BetaKey.updated_at])
            await audit.record("beta_key.updated", actor, subject_id=key_id, detail={"changes": differences})


async def revoke_key(actor: Actor, key_id: UUID, reason: str | None) -> None:
    """Make an unused key admit nobody. It stays on record.

    Raises `InvalidArgument`, `NotFound`, or `Conflict` where it was used or revoked before.
    """
    if reason is not None:
        reason = fields.argument("reason", fields.text(500), reason)
    async with platform_scope():
        revoked = await BetaKey.raw(
            'UPDATE beta_keys SET "revokedAt" = now(), "revokedReason" = {}, "updatedAt" = now()'
            ' WHERE id = {} AND NOT "isUsed" AND "revokedAt" IS NULL RETURNING id',
            reason,
            key_id,
        )
        if not revoked:
            raise Conflict if await BetaKey.exists().where(BetaKey.id == key_id) else NotFound
        await audit.record("beta_key.revoked", actor, subject_id=key_id, detail={"reason": reason})


async def mark_expired(at_most: int) -> int:
    """Note which keys have expired, so that an index can tell; returns how many it noted, `at_most`."""
    async with platform_scope():
        marked = await BetaKey.raw(_MARK, at_most)
    return len(marked)


_MARK = """
UPDATE beta_keys SET "expiredAt" = now() FROM (
    SELECT id FROM beta_keys
     WHERE NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NULL AND "expiresAt" <= now()
     ORDER BY "expiresAt" LIMIT {} FOR UPDATE SKIP LOCKED
) due WHERE beta_keys.id = due.id RETURNING beta_keys.id
"""
