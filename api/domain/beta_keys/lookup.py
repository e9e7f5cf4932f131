"""Finding a typed beta key, and deciding whether it admits a business now."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from api.database.readers import Reader, may_read_replica, read_as
from api.database.shared_lookup import SharedLookup
from api.domain import rate_limits
from api.domain.actors import Actor, Client
from api.domain.beta_keys.key_format import candidate_keys, is_beginning
from api.domain.beta_keys.status import STATUS, BetaKeyStatus
from api.domain.errors import BetaKeyRejected, BetaKeyRejection
from api.domain.guesses import settle_guess
from api.settings import get_settings
from tables import BetaKey


@dataclass(frozen=True, slots=True)
class KeyState:
    """A stored key and its status at the time of the look-up."""

    id: UUID
    key: str
    status: BetaKeyStatus
    used_by_tenant_id: UUID | None
    recipient_email: str | None


async def validate_key(typed: str, client: Client, *, is_signed_in: bool) -> BetaKeyRejection | None:
    """Why the key would be rejected now; None for a valid one. Raises `RateLimited`."""
    networks = rate_limits.networks_of(client)
    await rate_limits.count(rate_limits.VALIDATE, *networks)
    state = None
    if get_settings().read_replica_beta_keys and not is_signed_in:
        state = await _find(typed, _lookup_of_replicas)
    # A standby may lack a key that has just been issued.
    reason = rejection(state or await find_key(typed))
    # Only an unknown key counts as a wrong guess: a used or expired one was issued to the person who asks.
    # The beginning of a key does not count: the old front end asks at each letter that a person types.
    wrong = reason is BetaKeyRejection.NOT_FOUND and not is_beginning(typed)
    await settle_guess(rate_limits.WRONG_KEYS, Actor(None, None, client), *networks, wrong=wrong)
    return reason


def message_code(reason: BetaKeyRejection | None) -> str:
    """The code of the message for a result of `validate_key`."""
    return "BETA_KEY_VALID" if reason is None else BetaKeyRejected(reason).message_code


def rejection(state: KeyState | None, email: str | None = None) -> BetaKeyRejection | None:
    """Why a key is rejected; None for a valid one. With `email`, the key must be for that address."""
    if state is None:
        return BetaKeyRejection.NOT_FOUND
    if state.status is not BetaKeyStatus.AVAILABLE:
        return BetaKeyRejection(state.status.value)
    recipient = state.recipient_email
    if email is not None and recipient is not None and email.lower() != recipient.lower():
        return BetaKeyRejection.OTHER_RECIPIENT
    return None


async def find_key(typed: str) -> KeyState | None:
    """The key that a person typed in any spelling, or None."""
    return await _find(typed, _lookup)


async def _find(typed: str, lookup: "SharedLookup[KeyState]") -> KeyState | None:
    candidates = candidate_keys(typed)
    if len(candidates) == 1:
        return await lookup.get(candidates[0])
    states = await asyncio.gather(*map(lookup.get, candidates))
    return next((state for state in states if state is not None), None)


async def _select_states(keys: list[str]) -> dict[str, KeyState]:
    # Raw, because every validateBetaKey runs it: Piccolo takes 150 µs to build such a query.
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


@may_read_replica
async def _select_states_of_replica(keys: list[str]) -> dict[str, KeyState]:
    read_as(Reader())
    return await _select_states(keys)


_lookup_of_replicas: SharedLookup[KeyState] = SharedLookup(_select_states_of_replica)
