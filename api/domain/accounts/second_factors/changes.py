"""Turning a second factor on and off, and resetting that of a lost device."""

from dataclasses import dataclass
from uuid import UUID

from api.database.scopes import platform_scope
from api.domain.accounts.second_factors import authenticator_apps, recovery_codes
from api.domain.accounts.second_factors.proofs import Proof, check_code, check_proof
from api.domain.accounts.second_factors.state import (
    delete_all,
    mail_change,
    record_change,
    set_second_factor,
)
from api.domain.accounts.sessions import end_sessions
from api.domain.actors import Actor, require_confirmed
from api.domain.errors import Conflict, NotFound, OwnAccount, RequiredSecondFactor
from api.domain.mails import Template
from api.domain.second_factor_policy import is_available, is_required
from tables import User


@dataclass(frozen=True, slots=True)
class Setup:
    """A new authenticator app: its secret, and the address that its QR code contains."""

    secret: str
    address: str


async def start_second_factor(user: User, actor: Actor) -> Setup:
    """Make the secret of an app, which counts from `confirm_second_factor` on.

    Raises `StepUpRequired`, since the thief of a session could lock its user out, and `Conflict` if the user
    has an app, or is an operator and `OPERATOR_SECOND_FACTOR` is `off`.
    """
    require_confirmed(actor)
    if not is_available(user.role):
        raise Conflict
    async with platform_scope():
        secret = await authenticator_apps.store_new_app(user.id)
        await record_change("second_factor.started", actor, user)
    return Setup(secret, authenticator_apps.app_address(user.email, secret))


async def confirm_second_factor(user: User, actor: Actor, code: str, session_id: UUID | None) -> list[str]:
    """Turn the second factor on with a code of the new app; returns the recovery codes.

    Ends all sessions but `session_id`: they were opened without the second factor. Raises `WrongCode`,
    `Conflict` if the user has a confirmed app, and `RateLimited`.
    """
    await check_code(user, actor, code, of_new_app=True)
    async with platform_scope():
        await set_second_factor(user.id, is_on=True)
        await authenticator_apps.confirm_app(user.id)
        codes = await recovery_codes.replace_codes(user.id)
        await end_sessions(user.id, except_id=session_id)
        await record_change("second_factor.turned_on", actor, user)
        await mail_change(Template.SECOND_FACTOR_ON, actor, user)
    return codes


async def renew_recovery_codes(user: User, actor: Actor, proof: Proof) -> list[str]:
    """Replace the recovery codes; returns the new ones. Raises as `check_proof`."""
    await check_proof(user, actor, proof)
    async with platform_scope():
        codes = await recovery_codes.replace_codes(user.id)
        await record_change("second_factor.codes_renewed", actor, user)
    return codes


async def turn_off_second_factor(user: User, actor: Actor, proof: Proof) -> None:
    """Sign in with the password alone from now on. The app and all passkeys are deleted.

    Raises `RequiredSecondFactor`, and as `check_proof`, also without a second factor.
    """
    if is_required(user.role):
        raise RequiredSecondFactor
    await check_proof(user, actor, proof)
    async with platform_scope():
        await delete_all(user.id)
        await record_change("second_factor.turned_off", actor, user)
        await mail_change(Template.SECOND_FACTOR_OFF, actor, user)


async def reset_second_factor(actor: Actor, user_id: UUID) -> User:
    """Delete the second factor of a user who has lost it, and end their sessions.

    Raises `StepUpRequired`, `NotFound`, `OwnAccount`, since a stolen session must not do so, and `Conflict`
    without one.
    """
    require_confirmed(actor)
    if user_id == actor.id:
        raise OwnAccount
    async with platform_scope():
        user = await User.objects().where(User.id == user_id).first()
        if user is None:
            raise NotFound
        if not await delete_all(user_id):
            raise Conflict
        await end_sessions(user_id)
        await record_change("second_factor.reset", actor, user)
        await mail_change(Template.SECOND_FACTOR_OFF, actor, user)
    return user
