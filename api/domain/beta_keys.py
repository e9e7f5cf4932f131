"""Beta keys: made, looked up, used once, revoked."""

import asyncio
import re
import secrets
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from api.database.scopes import platform_scope
from api.database.shared_lookup import SharedLookup
from api.domain import audit, rate_limits
from api.domain.audit import Actor, Client
from api.domain.errors import (
    BetaKeyRejected,
    BetaKeyRejection,
    Conflict,
    FieldProblem,
    InvalidInput,
    NotFound,
)
from tables import BetaKey

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""30 symbols that nobody mistakes for one another: no 0 O 1 I L U."""

MAX_KEY_LENGTH = 20
"""Characters of the longest key; those of an old system may have other shapes than ours."""

STATEMENT_KEYS = 1000
"""Keys that one INSERT makes."""


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


def rejection(state: KeyState | None) -> BetaKeyRejection | None:
    if state is None:
        return BetaKeyRejection.NOT_FOUND
    return None if state.status is BetaKeyStatus.AVAILABLE else BetaKeyRejection(state.status.value)


async def find_key(typed: str) -> KeyState | None:
    """The key that somebody typed, forgiving case, spaces and dashes."""
    spellings = _spellings(typed)
    if len(spellings) == 1:
        return await _lookup.get(spellings[0])
    states = await asyncio.gather(*map(_lookup.get, spellings))
    return next((state for state in states if state is not None), None)


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


_STATUS = """
CASE WHEN "isUsed" THEN 'USED' WHEN "revokedAt" IS NOT NULL THEN 'REVOKED'
     WHEN "expiresAt" <= now() THEN 'EXPIRED' ELSE 'AVAILABLE' END
"""


async def _select_states(keys: list[str]) -> dict[str, KeyState]:
    rows = await BetaKey.raw(
        f'SELECT key, id, {_STATUS} AS status, "usedByTenantId" FROM beta_keys WHERE key = ANY({{}})',
        keys,
    )
    return {
        row["key"]: KeyState(row["id"], row["key"], BetaKeyStatus(row["status"]), row["usedByTenantId"])
        for row in rows
    }


_lookup: SharedLookup[KeyState] = SharedLookup(_select_states)


async def claim_key(key_id: UUID, tenant_id: UUID) -> None:
    """Use the key for `tenant_id` in the transaction that is open.

    Of any number of transactions that try, one gets it; the others raise `BetaKeyRejected`.
    """
    claimed = await BetaKey.raw(
        'UPDATE beta_keys SET "isUsed" = true, "usedByTenantId" = {}, "usedAt" = now(), "updatedAt" = now()'
        ' WHERE id = {} AND NOT "isUsed" AND "revokedAt" IS NULL'
        ' AND ("expiresAt" IS NULL OR "expiresAt" > now()) RETURNING id',
        tenant_id,
        key_id,
    )
    if not claimed:
        raise BetaKeyRejected(BetaKeyRejection.USED)


def generate_key() -> str:
    symbols = "".join(secrets.choice(ALPHABET) for _ in range(10))
    return f"BETA-{symbols[:5]}-{symbols[5:]}"


async def issue_keys(
    actor: Actor, count: int, *, notes: str | None = None, expires_at: datetime | None = None
) -> AsyncIterator[dict[str, Any]]:
    """Make `count` keys, all or none; they are issued once the last one has been taken from here.

    A thousand are in memory at once. Raises `InvalidInput`.
    """
    if count < 1:
        raise InvalidInput([FieldProblem("count", "TOO_SMALL", {"min": 1})])
    issued = 0
    async with platform_scope():
        while issued < count:
            rows = await BetaKey.raw(
                'INSERT INTO beta_keys (key, notes, "expiresAt")'
                " SELECT unnest({}::varchar[]), {}::text, {}::timestamptz"
                f" ON CONFLICT (key) DO NOTHING RETURNING {_COLUMNS}",
                [generate_key() for _ in range(min(STATEMENT_KEYS, count - issued))],
                notes,
                expires_at,
            )
            issued += len(rows)
            for row in rows:
                yield _present(row)
        await audit.record("beta_key.issued", actor, detail={"count": count, "notes": notes})


_COLUMNS = f"""
beta_keys.id, key, {_STATUS} AS status, notes, "expiresAt", "usedAt", "revokedAt", "revokedReason",
beta_keys."createdAt"
"""

_SELECT = f"""
SELECT {_COLUMNS}, t.id AS "usedById", t."businessName"
  FROM beta_keys LEFT JOIN tenants t ON t.id = "usedByTenantId"
"""


def _present(row: dict[str, Any]) -> dict[str, Any]:
    """A key as a dictionary with the field names of the API."""
    used_by = row.pop("usedById", None)
    name = row.pop("businessName", None)
    return {**row, "usedBy": None if used_by is None else {"id": used_by, "businessName": name}}


async def any_key() -> bool:
    """Whether a key was ever issued."""
    (row,) = await BetaKey.raw("SELECT EXISTS (SELECT FROM beta_keys) AS one")
    return row["one"]


async def list_keys(*, status: BetaKeyStatus | None, limit: int) -> list[dict[str, Any]]:
    """The keys that were issued last, newest first, as dictionaries with the field names of the API."""
    async with platform_scope():
        rows = await BetaKey.raw(
            f"{_SELECT} WHERE {{}}::varchar IS NULL OR {_STATUS} = {{}}"
            ' ORDER BY beta_keys."createdAt" DESC, beta_keys.id DESC LIMIT {}',
            status and status.value,
            status and status.value,
            limit,
        )
    return [_present(row) for row in rows]


async def count_keys() -> dict[BetaKeyStatus, int]:
    """How many keys there are of each status."""
    rows = await BetaKey.raw(f"SELECT {_STATUS} AS status, count(*) AS keys FROM beta_keys GROUP BY 1")
    counted = {row["status"]: row["keys"] for row in rows}
    return {status: counted.get(status.value, 0) for status in BetaKeyStatus}


async def show_key(typed: str) -> dict[str, Any]:
    """One key, as in `list_keys`. Raises `NotFound`."""
    state = await find_key(typed)
    if state is None:
        raise NotFound
    async with platform_scope():
        (row,) = await BetaKey.raw(f"{_SELECT} WHERE beta_keys.id = {{}}", state.id)
    return _present(row)


async def revoke_key(actor: Actor, typed: str, reason: str | None) -> dict[str, Any]:
    """Make an unused key admit nobody.

    Raises `NotFound`, or `Conflict` where it was used or revoked before.
    """
    state = await find_key(typed)
    if state is None:
        raise NotFound
    async with platform_scope():
        rows = await BetaKey.raw(
            'UPDATE beta_keys SET "revokedAt" = now(), "revokedReason" = {}, "updatedAt" = now()'
            f' WHERE id = {{}} AND NOT "isUsed" AND "revokedAt" IS NULL RETURNING {_COLUMNS}',
            reason,
            state.id,
        )
        if not rows:
            raise Conflict
        await audit.record("beta_key.revoked", actor, subject_id=state.id, detail={"reason": reason})
    return _present(rows[0])
