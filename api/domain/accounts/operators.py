"""Operators: users without a tenant, who issue beta keys and manage tenants."""

import secrets
import string

from asyncpg import UniqueViolationError

from api.database.row_writes import insert_row
from api.database.scopes import platform_scope
from api.domain.accounts.passwords import hash_password
from api.domain.accounts.sessions import end_sessions
from api.domain.actors import SYSTEM_ACTOR, Actor
from api.domain.audit_events.recording import record_event
from api.domain.errors import EmailTaken, Forbidden
from api.domain.fields import Password, UserEmail
from api.domain.forms import Form
from api.domain.mails import Template, queue_mail
from api.domain.roles import Role
from api.domain.viewer import Viewer
from tables import User


def as_operator(viewer: Viewer) -> Actor:
    """The viewer as the actor of an operator's act. Raises `Forbidden` for staff."""
    if viewer.user.role != Role.SUPER_ADMIN.value:
        raise Forbidden
    return viewer.actor


class NewOperator(Form):
    email: UserEmail
    password: Password


async def add_operator(email: str, password: str) -> User:
    """Create an operator, or make a user without a tenant one, with the new password.

    Raises `InvalidInput`, and `EmailTaken` for the address of an operator or of staff.
    """
    form = NewOperator.read({"email": email, "password": password})
    operator = User(
        email=form.email,
        password=await hash_password(form.password),
        first_name=form.email.partition("@")[0][:60],
        last_name="",
        role=Role.SUPER_ADMIN.value,
    )
    try:
        async with platform_scope():
            await insert_row(operator)
            await record_event(
                "operator.added", SYSTEM_ACTOR, subject_id=operator.id, detail={"email": operator.email}
            )
    except UniqueViolationError:
        return await _promote(operator)
    return operator


_PROMOTE = f"""
UPDATE users SET role = '{Role.SUPER_ADMIN.value}', password = {{}}, "isActive" = true, "isOwner" = false,
       "updatedAt" = now()
 WHERE "emailLower" = lower({{}}) AND "tenantId" IS NULL AND role <> '{Role.SUPER_ADMIN.value}'
 RETURNING id, email, "firstName"
"""


async def _promote(operator: User) -> User:
    """Make the user of the same address an operator, who an old database had before it had tenants."""
    async with platform_scope():
        promoted = await User.raw(_PROMOTE, operator.password, operator.email)
        if not promoted:
            raise EmailTaken
        operator.id, operator.email = promoted[0]["id"], promoted[0]["email"]
        await end_sessions(operator.id)
        await record_event(
            "operator.added",
            SYSTEM_ACTOR,
            subject_id=operator.id,
            detail={"email": operator.email, "promoted": True},
        )
        await queue_mail(
            Template.PASSWORD_CHANGED,
            to=operator.email,
            language=SYSTEM_ACTOR.client.language,
            firstName=promoted[0]["firstName"],
        )
    return operator


def generate_password() -> str:
    """A random password of 20 characters that meets the password rules; about 120 bits."""
    symbols = [
        secrets.choice(alphabet)
        for alphabet in (string.ascii_lowercase, string.ascii_uppercase, string.digits)
    ]
    symbols += [secrets.choice(string.ascii_letters + string.digits) for _ in range(16)]
    secrets.SystemRandom().shuffle(symbols)
    return "-".join(("".join(symbols[:10]), "".join(symbols[10:])))


async def count_without_second_factor() -> int:
    """How many active operators have no second factor."""
    async with platform_scope():
        return await User.count().where(
            User.role == Role.SUPER_ADMIN.value, User.is_active.eq(True), User.second_factor_at.is_null()
        )


async def list_operators() -> list[User]:
    """All operators, in the order in which they were added."""
    async with platform_scope():
        return (
            await User.objects().where(User.role == Role.SUPER_ADMIN.value).order_by(User.created_at, User.id)
        )
