"""Proofs of a second factor: a code of the authenticator app, a recovery code, or the response of a passkey.

Each is accepted once.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import NamedTuple

from api import typed_text
from api.database.scopes import platform_scope
from api.domain import rate_limits
from api.domain.accounts.one_time_codes import Purpose
from api.domain.accounts.passkeys.challenges import use_challenge
from api.domain.accounts.passkeys.passkeys import challenge_of, use_passkey
from api.domain.accounts.second_factors.authenticator_apps import use_app_code
from api.domain.accounts.second_factors.guesses import subjects_of
from api.domain.accounts.second_factors.recovery_codes import has_shape, use_recovery_code
from api.domain.accounts.wrong_passwords import record_wrong_second_factor
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.errors import WrongCode, WrongPasskey
from api.domain.rate_limits import Subject
from tables import User

MAX_TYPED = 100
"""Characters of the longest text that is read as a code: with a label, spaces and dashes."""


class Method(Enum):
    """How a user proved the second factor."""

    AUTHENTICATOR_APP = "AUTHENTICATOR_APP"
    RECOVERY_CODE = "RECOVERY_CODE"
    PASSKEY = "PASSKEY"


class Proof(NamedTuple):
    """What a client sends as a proof. If both are given, the response of the passkey is checked."""

    code: str | None
    passkey: str | None


async def check_proof(user: User, actor: Actor, proof: Proof, challenge: bytes | None = None) -> Method:
    """Use a proof up. A passkey answers `challenge`, or one that was made for a confirmation.

    Raises `WrongCode`, `WrongPasskey`, `PasskeysUnavailable` and `RateLimited`.
    """
    response = proof.passkey
    if response is None:
        return await check_code(user, actor, proof.code or "")

    async def use() -> Method | None:
        # Caught here, because the error would roll back that the challenge is used.
        try:
            answered = challenge or await _use_confirmation(user, response)
            is_right = answered is not None and await use_passkey(user, response, answered)
        except WrongPasskey:
            return None
        return Method.PASSKEY if is_right else None

    # A response cannot be guessed, so wrong ones shut nothing. Those of a session are limited, because each
    # is recorded; those of a sign-in have the limits of its challenge and of `verifySecondFactor`.
    if actor.session_id is not None:
        await rate_limits.count(rate_limits.LOGIN, Subject(f"session {actor.session_id}"))
    return await _check(user, actor, use, WrongPasskey(), ())


async def _use_confirmation(user: User, response: str) -> bytes | None:
    challenge = challenge_of(response)
    is_open = await use_challenge(Purpose.PASSKEY_CONFIRMATION, user, challenge)
    return challenge if is_open else None


async def check_code(user: User, actor: Actor, code: str, *, of_new_app: bool = False) -> Method:
    """Use a code up. With `of_new_app` only one of the unconfirmed app is accepted.

    Raises `WrongCode` and `RateLimited`.
    """
    typed = read_code(code)

    async def use() -> Method | None:
        if await use_app_code(user.id, typed, is_confirmed=not of_new_app):
            return Method.AUTHENTICATOR_APP
        if not of_new_app and await use_recovery_code(user.id, typed):
            return Method.RECOVERY_CODE
        return None

    subjects = await subjects_of(user.id, actor, is_guessable=not has_shape(typed))
    return await _check(user, actor, use, WrongCode(), subjects, is_mailed=not of_new_app)


def read_code(typed: str) -> str:
    """The digits or the recovery code in a text such as `Código: *123 456*`, in capitals."""
    unwrapped = typed_text.unwrap(typed_text.fold(typed[:MAX_TYPED]))
    code = typed_text.unwrap(typed_text.without_label(unwrapped))
    return typed_text.compact(code).upper()


async def _check(
    user: User,
    actor: Actor,
    use: Callable[[], Awaitable[Method | None]],
    error: WrongCode,
    subjects: Sequence[Subject],
    *,
    is_mailed: bool = False,
) -> Method:
    """Run `use` in a transaction of its own, so that no rollback of the caller makes a proof valid again.

    Raises `error` for a wrong one, which is recorded, and `RateLimited`. With `is_mailed` the user hears of
    many wrong ones.
    """
    await rate_limits.check(rate_limits.WRONG_SECOND_FACTORS, *subjects)
    async with platform_scope():
        method = await use()
        if method is None:
            await record_event("second_factor.refused", actor, tenant_id=user.tenant_id, subject_id=user.id)
            if is_mailed:
                await record_wrong_second_factor(user, actor)
    await rate_limits.settle_guess(rate_limits.WRONG_SECOND_FACTORS, *subjects, wrong=method is None)
    if method is None:
        raise error
    return method
