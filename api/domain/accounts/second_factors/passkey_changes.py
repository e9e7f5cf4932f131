"""Adding passkeys to an account and removing them. The first one turns the second factor on."""

from typing import NamedTuple
from uuid import UUID

from asyncpg import UniqueViolationError

from api.database.scopes import platform_scope
from api.domain import fields
from api.domain.accounts.one_time_codes import Purpose
from api.domain.accounts.passkeys import ceremonies, passkeys
from api.domain.accounts.passkeys.challenges import store_challenge, use_challenge
from api.domain.accounts.passkeys.relying_party import RelyingParty, relying_party
from api.domain.accounts.second_factors import recovery_codes
from api.domain.accounts.second_factors.proofs import Proof, check_proof
from api.domain.accounts.second_factors.state import (
    delete_all,
    has_any_factor,
    mail_change,
    record_change,
    set_second_factor,
)
from api.domain.accounts.sessions import end_sessions
from api.domain.actors import Actor, require_confirmed
from api.domain.errors import Conflict, NotFound, RequiredSecondFactor, WrongPasskey
from api.domain.mails import Template
from api.domain.second_factor_policy import is_available, is_required
from tables import Passkey, User

MAX_NAME = 60


async def start_registration(user: User, actor: Actor) -> str:
    """The options of WebAuthn with which a browser makes a passkey for the user.

    Raises `StepUpRequired`, since the thief of a session could lock its user out, `PasskeysUnavailable`, and
    `Conflict` for an operator if `OPERATOR_SECOND_FACTOR` is `off`.
    """
    require_confirmed(actor)
    if not is_available(user.role):
        raise Conflict
    party = relying_party()
    async with platform_scope():
        challenge = await store_challenge(Purpose.PASSKEY_REGISTRATION, user)
        existing = await passkeys.passkeys_for(party, user.id)
        await record_change("second_factor.started", actor, user)
    return ceremonies.creation_options(party, user, challenge, existing)


class Registered(NamedTuple):
    """A new passkey; with the first one come recovery codes, which are shown once."""

    passkey: Passkey
    recovery_codes: list[str]


async def finish_registration(
    user: User, actor: Actor, response: str, name: str, session_id: UUID
) -> Registered:
    """Store the passkey that a browser has made.

    The first one turns the second factor on, and ends all sessions but `session_id`, which were opened
    without it. Raises `InvalidInput` for the name, `WrongPasskey`, `PasskeysUnavailable`, and `Conflict` for
    a passkey that is stored already, or one too many.
    """
    cleaned = fields.input_field("name", fields.text(MAX_NAME), name)
    party = relying_party()
    challenge = ceremonies.challenge_of_new(response)
    try:
        async with platform_scope():
            registered = None
            if new := await _use(user, response, challenge, party):
                registered = await _store(user, actor, passkeys.NewPasskey(party, new, cleaned), session_id)
    except UniqueViolationError:
        raise Conflict from None
    if registered is None:
        raise WrongPasskey
    return registered


async def _use(
    user: User, response: str, challenge: bytes, party: RelyingParty
) -> ceremonies.NewCredential | None:
    """What the browser has made, in the open transaction; None if it is not valid.

    Raises nothing for that, because an error would roll back that the challenge is used.
    """
    if not await use_challenge(Purpose.PASSKEY_REGISTRATION, user, challenge):
        return None
    try:
        return ceremonies.read_new(response, challenge, party)
    except WrongPasskey:
        return None


async def _store(user: User, actor: Actor, new: passkeys.NewPasskey, session_id: UUID) -> Registered:
    was_on = await set_second_factor(user.id, is_on=True)
    passkey = await passkeys.insert_passkey(user.id, new)
    await record_change("second_factor.passkey_added", actor, user)
    if was_on:
        await mail_change(Template.PASSKEYS_CHANGED, actor, user)
        return Registered(passkey, [])
    codes = await recovery_codes.replace_codes(user.id)
    await end_sessions(user.id, except_id=session_id)
    await record_change("second_factor.turned_on", actor, user)
    await mail_change(Template.SECOND_FACTOR_ON, actor, user)
    return Registered(passkey, codes)


async def start_confirmation(user: User) -> str:
    """The options of WebAuthn with which a passkey of the user proves the second factor.

    Raises `PasskeysUnavailable`, and `Conflict` for a user who has no passkey for this deployment.
    """
    party = relying_party()
    async with platform_scope():
        allowed = await passkeys.passkeys_for(party, user.id)
        if not allowed:
            raise Conflict
        challenge = await store_challenge(Purpose.PASSKEY_CONFIRMATION, user)
    return ceremonies.request_options(party, challenge, allowed)


async def remove_passkey(user: User, actor: Actor, passkey_id: UUID, proof: Proof) -> None:
    """Delete a passkey. Without an app and another passkey, this turns the second factor off.

    Raises `NotFound`, which uses no proof up, `WrongCode`, `WrongPasskey`, `RateLimited`,
    `PasskeysUnavailable`, and `RequiredSecondFactor` for the last one of a user who needs one.
    """
    if passkey_id not in {passkey.id for passkey in await passkeys.list_passkeys(user.id)}:
        raise NotFound
    await check_proof(user, actor, proof)
    async with platform_scope():
        # Locks the user, so that of two concurrent removals the second one sees that none is left.
        await set_second_factor(user.id, is_on=True)
        await passkeys.delete_passkey(user.id, passkey_id)
        await record_change("second_factor.passkey_removed", actor, user)
        if await has_any_factor(user.id):
            await mail_change(Template.PASSKEYS_CHANGED, actor, user)
            return
        if is_required(user.role):
            raise RequiredSecondFactor
        await delete_all(user.id)
        await record_change("second_factor.turned_off", actor, user)
        await mail_change(Template.SECOND_FACTOR_OFF, actor, user)
