"""Changing the viewer's email address: a code that is mailed to the new one proves that the viewer reads it.

A taken address gets the same answer, after the same work: its holder gets a mail, and the viewer no code.
"""

from datetime import datetime

from asyncpg import UniqueViolationError

from api.database.rows import read_row, select_list
from api.database.scopes import platform_scope
from api.domain import email_addresses, fields, rate_limits
from api.domain.accounts.hash_queue import Share, takes_turns
from api.domain.accounts.one_time_codes import (
    Purpose,
    consume_code,
    digits_for,
    make_code,
    prove_code,
    store_code,
)
from api.domain.actors import require_confirmed
from api.domain.audit_events.recording import record_event
from api.domain.errors import EmailTaken, FieldProblem, InvalidInput, WrongCode
from api.domain.mails import Template, queue_mail
from api.domain.viewer import Viewer
from tables import User


@takes_turns(Share.CODE)
async def request_email_change(viewer: Viewer, email: str) -> datetime:
    """Mail a code to a new address of the viewer, within its limit; returns when the code expires.

    Raises `StepUpRequired`, `InvalidInput`, also for the address of now, and `RateLimited`.
    """
    require_confirmed(viewer.actor)
    address = fields.input_field("email", email_addresses.user_email, email)
    if address.lower() == viewer.user.email.lower():
        raise InvalidInput([FieldProblem("email", "SAME_EMAIL")])
    is_mailed = await rate_limits.count_code(viewer.client, address)
    new = await make_code(await digits_for(viewer.user.role, address))
    async with platform_scope():
        # Stored for a taken address too: only the holder, who is not mailed the code, could use it.
        expires_at = await store_code(
            new, Purpose.EMAIL_CHANGE, address, viewer.client, user_id=viewer.user.id, is_mailed=is_mailed
        )
        await _record("account.email_change_requested", viewer, email=address)
        holders = await User.raw(_HOLDER, address)
        if holders:
            await queue_mail(
                Template.EMAIL_CHANGE_OF_HOLDER,
                to=holders[0]["email"] if is_mailed else None,
                language=viewer.client.language,
                firstName=holders[0]["firstName"],
            )
        else:
            await queue_mail(
                Template.EMAIL_CHANGE_CODE,
                to=address if is_mailed else None,
                language=viewer.client.language,
                expires_at=expires_at,
                firstName=viewer.user.first_name,
                code=new.code,
                minutes=new.minutes,
            )
    return expires_at


_HOLDER = 'SELECT email, "firstName" FROM users WHERE "emailLower" = lower({})'


@takes_turns(Share.CODE)
async def confirm_email_change(viewer: Viewer, email: str, code: str) -> User:
    """Give the viewer the new address, and tell the old one. Sessions stay open.

    Raises `StepUpRequired`, `WrongCode`, `RateLimited`, and with the right code `EmailTaken` if an account
    has the address by now.
    """
    require_confirmed(viewer.actor)
    await rate_limits.count(rate_limits.LOGIN, *rate_limits.networks_of(viewer.client))
    address = email_addresses.as_registered(email)
    proven = await prove_code(
        code, Purpose.EMAIL_CHANGE, address, viewer.client, known_as=f"user {viewer.user.id}"
    )
    if proven.user_id != viewer.user.id:
        # The code was mailed for another user, who asked for the same address.
        raise WrongCode
    try:
        async with platform_scope():
            changed = await User.raw(_CHANGE, address, viewer.user.id, viewer.user.email)
            if not changed:
                raise WrongCode
            await consume_code(proven)
            await _record("account.email_changed", viewer, changes={"email": [viewer.user.email, address]})
            await queue_mail(
                Template.EMAIL_CHANGED,
                to=viewer.user.email,
                language=viewer.client.language,
                firstName=viewer.user.first_name,
            )
    except UniqueViolationError:
        raise EmailTaken from None
    return read_row(User, "u", changed[0])


# Locks the user before the code, as the reset of a password does. Of two concurrent changes the second one
# finds another address than that of its request.
_CHANGE = f"""
UPDATE users AS u SET email = {{}}, "updatedAt" = now() WHERE u.id = {{}} AND u.email = {{}} AND u."isActive"
RETURNING {select_list(User, "u", leave_out=(User.password,))}
"""


async def _record(action: str, viewer: Viewer, **detail: object) -> None:
    await record_event(
        action, viewer.actor, tenant_id=viewer.user.tenant_id, subject_id=viewer.user.id, detail=detail
    )
