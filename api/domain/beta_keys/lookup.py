"""Looking a beta key up, and whether it admits a business now."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from api.database.shared_lookup import SharedLookup
from api.domain import rate_limits
from api.domain.actors import Client
from api.domain.beta_keys.key_format import spellings
from api.domain.beta_keys.status import STATUS, BetaKeyStatus
from api.domain.errors import BetaKeyRejected, BetaKeyRejection
from tables import BetaKey


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
    candidates = spellings(typed)
    if len(candidates) == 1:
        return await _lookup.get(candidates[0])
    states = await asyncio.gather(*map(_lookup.get, candidates))
    return next((state for state in states if state is not None), None)


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
