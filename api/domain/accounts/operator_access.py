"""Ending and restoring the access of operators, and replacing their passwords."""

import secrets
from datetime import datetime
from uuid import UUID

from asyncpg import ForeignKeyViolationError

from api.database.row_writes import update_row
from api.database.rows import read_row, select_list
from api.database.scopes import platform_scope, read_platform
from api.domain import fields, rate_limits
from api.domain.accounts.hash_queue import Share, takes_turns
from api.domain.accounts.one_time_codes import DIGITS_OF_OPERATORS, make_code
from api.domain.accounts.password_reset import mail_reset_code
from api.domain.accounts.passwords import hash_password
from api.domain.accounts.sessions import end_sessions
from api.domain.actors import Actor, require_confirmed
from api.domain.audit_events.recording import record_event
from api.domain.errors import Conflict, LastOperator, NotFound, OwnAccount, Unauthenticated
from api.domain.mails import Template, queue_mail
from api.domain.password_rules import texts_about
from api.domain.roles import Role
from tables import User


async def remove_operator(actor: Actor, operator_id: UUID) -> None:
    """Delete an operator and their sessions; the email address can be used again.

    Raises `NotFound`, `OwnAccount`, `LastOperator`, and `Conflict` if tables of an adopted database refer to
    the operator, who can then only be deactivated.
    """
    try:
        async with platform_scope():
            subject = await _lock_other(actor, operator_id, ends_access=True)
            await User.delete().where(User.id == subject.id)
            await _record("operator.removed", actor, subject)
    except ForeignKeyViolationError:
        raise Conflict from None


async def deactivate_operator(actor: Actor, operator_id: UUID) -> User:
    """End the access of an operator from the next request on.

    Raises `NotFound`, `OwnAccount`, `LastOperator`, and `Conflict` for an inactive operator.
    """
    async with platform_scope():
        subject = await _lock_other(actor, operator_id, ends_access=True)
        if not subject.is_active:
            raise Conflict
        await update_row(subject, {"is_active": False})
        # Sessions left open would give access again if the operator is reactivated later.
        await end_sessions(subject.id)
        await _record("operator.deactivated", actor, subject)
    return subject


async def reactivate_operator(actor: Actor, operator_id: UUID) -> User:
    """Let a deactivated operator sign in again. Raises `NotFound`, and `Conflict` for an active one."""
    async with platform_scope():
        subject = await _lock_other(actor, operator_id)
        if subject.is_active:
            raise Conflict
        await update_row(subject, {"is_active": True})
        await _record("operator.reactivated", actor, subject)
    return subject


async def set_operator_password(actor: Actor, operator_id: UUID, password: str) -> User:
    """Give an operator a new password, and end their sessions. Raises `InvalidInput` and `NotFound`."""
    fields.input_field("password", fields.password_for(), password)
    await _require_operator(actor, operator_id)
    password_hash = await hash_password(password)
    async with platform_scope():
        subject = await _lock_other(actor, operator_id)
        fields.input_field("password", fields.password_for(*texts_about(subject, None)), password)
        await _replace_password(actor, subject, password_hash)
    return subject


@takes_turns(Share.CODE)
async def reset_operator_password(actor: Actor, operator_id: UUID) -> datetime:
    """Make the password of an operator invalid, end their sessions, and mail them a code for a new one.

    Returns when the code expires. So no operator knows the password of another one. Raises `NotFound`,
    `OwnAccount`, `Conflict` for an inactive operator, and `RateLimited`.
    """
    await rate_limits.count(rate_limits.CODES, *rate_limits.networks_of(actor.client))
    await _require_operator(actor, operator_id)
    new = await make_code(DIGITS_OF_OPERATORS)
    unknown = await hash_password(secrets.token_urlsafe(32))
    async with platform_scope():
        subject = await _lock_other(actor, operator_id)
        if not subject.is_active:
            raise Conflict
        await _replace_password(actor, subject, unknown)
        return await mail_reset_code(new, subject.email, subject, actor.client)


async def _require_operator(actor: Actor, operator_id: UUID) -> None:
    """Raises `StepUpRequired` and `NotFound`, before a password is hashed for nothing."""
    require_confirmed(actor)
    role = Role.SUPER_ADMIN.value
    if not await read_platform("SELECT FROM users WHERE id = {} AND role = {}", operator_id, role):
        raise NotFound


async def _replace_password(actor: Actor, subject: User, password_hash: str) -> None:
    await update_row(subject, {"password": password_hash})
    await end_sessions(subject.id)
    await _record("operator.password_reset", actor, subject)
    await queue_mail(
        Template.PASSWORD_CHANGED,
        to=subject.email,
        language=actor.client.language,
        firstName=subject.first_name,
    )


# All operators are locked, in the order of their ids. If only the subject was, two operators who remove each
# other at the same time would leave none.
_LOCK_ALL = f"""
SELECT {select_list(User, "u", leave_out=(User.password,))}
  FROM users u WHERE u."tenantId" IS NULL AND u.role = '{Role.SUPER_ADMIN.value}'
 ORDER BY u.id FOR NO KEY UPDATE
"""


async def _lock_other(actor: Actor, operator_id: UUID, *, ends_access: bool = False) -> User:
    """Lock the operators in the open transaction; returns the one with this id, as stored now.

    Raises `StepUpRequired`, `Unauthenticated` if the acting operator is gone or inactive by now, `NotFound`,
    `OwnAccount`, and with `ends_access` `LastOperator` for the only active operator.
    """
    require_confirmed(actor)
    operators = {row["u.id"]: read_row(User, "u", row) for row in await User.raw(_LOCK_ALL)}
    active = {operator.id for operator in operators.values() if operator.is_active}
    if actor.id is not None and actor.id not in active:
        raise Unauthenticated
    subject = operators.get(operator_id)
    if subject is None:
        raise NotFound
    if ends_access and active == {subject.id}:
        raise LastOperator
    if subject.id == actor.id:
        raise OwnAccount
    return subject


async def _record(action: str, actor: Actor, subject: User) -> None:
    await record_event(action, actor, subject_id=subject.id, detail={"email": subject.email})
