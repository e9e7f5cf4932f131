"""Typed codes of a second factor: of the authenticator app, or a recovery code. Each is accepted once."""

from enum import Enum

from api import typed_text
from api.database.scopes import platform_scope
from api.domain import rate_limits
from api.domain.accounts.second_factors.authenticator_apps import use_app_code
from api.domain.accounts.second_factors.recovery_codes import use_recovery_code
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.errors import WrongCode
from tables import User

MAX_TYPED = 100
"""Characters of the longest text that is read as a code: with spaces and dashes."""


class Method(Enum):
    """How a user proved the second factor."""

    AUTHENTICATOR_APP = "AUTHENTICATOR_APP"
    RECOVERY_CODE = "RECOVERY_CODE"


async def check_code(user: User, actor: Actor, code: str, *, of_new_app: bool = False) -> Method:
    """Use a code up, in a transaction of its own, so that no rollback of the caller makes it valid again.

    With `of_new_app` only a code of the unconfirmed app is accepted. Raises `WrongCode`, which is recorded,
    and `RateLimited`.
    """
    # Not by the address, whose counts a completed reset forgets: it proves the mailbox only.
    account = rate_limits.Subject(f"second factor {user.id}")
    await rate_limits.check(rate_limits.WRONG_SECOND_FACTORS, account)
    typed = typed_text.compact(code[:MAX_TYPED]).upper()
    method: Method | None = None
    async with platform_scope():
        if await use_app_code(user.id, typed, is_confirmed=not of_new_app):
            method = Method.AUTHENTICATOR_APP
        elif not of_new_app and await use_recovery_code(user.id, typed):
            method = Method.RECOVERY_CODE
        else:
            await record_event("second_factor.refused", actor, tenant_id=user.tenant_id, subject_id=user.id)
    await rate_limits.settle_guess(rate_limits.WRONG_SECOND_FACTORS, account, wrong=method is None)
    if method is None:
        raise WrongCode
    return method
