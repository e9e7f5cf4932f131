"""Users without a tenant: people whom the old system had before it had tenants."""

from typing import Any
from uuid import UUID

from asyncpg import ForeignKeyViolationError

from api import typed_text
from api.database.rows import read_row, select_list
from api.database.scopes import platform_scope, read_platform
from api.domain import email_addresses
from api.domain.actors import Actor
from api.domain.audit_events.recording import INSERT_EVENT, event_values, record_event
from api.domain.errors import Conflict, NotFound
from api.domain.roles import Role
from api.domain.tenants.locks import lock_any_tenant
from api.domain.tenants.seats import require_free_seat
from tables import AuditEvent, Tenant, User

_USER = select_list(User, "u")

WITHOUT_TENANT = f"""u."tenantId" IS NULL AND u.role <> '{Role.SUPER_ADMIN.value}'"""


async def list_users_without_tenant(first: int) -> list[User]:
    """The `first` users who have no tenant and are no operators, the oldest account first."""
    rows = await read_platform(
        f'SELECT {_USER} FROM users u WHERE {WITHOUT_TENANT} ORDER BY u."createdAt", u.id LIMIT {{}}', first
    )
    return [read_row(User, "u", row) for row in rows]


async def find_user(typed: str) -> User:
    """The user with this id, or this address in any spelling, with a tenant or without. Raises `NotFound`."""
    user_id = typed_text.read_uuid(typed)
    spellings = email_addresses.spellings(typed) or [None]
    rows = await read_platform(
        f'SELECT {_USER} FROM users u WHERE u.id = {{}} OR u."emailLower" IN (lower({{}}), lower({{}}))'
        " LIMIT 1",
        user_id,
        spellings[0],
        spellings[-1],
    )
    if not rows:
        raise NotFound
    return read_row(User, "u", rows[0])


async def attach_user(
    actor: Actor, user_id: UUID, tenant_id: UUID, role: Role, *, is_owner: bool = False
) -> User:
    """Make a user without a tenant staff of one, or its owner, who is an admin.

    Raises `NotFound` for an unknown or deleted tenant, `NoSeat`, and `Conflict` if the user has a tenant or
    is an operator, and for a second owner.
    """
    if role is Role.SUPER_ADMIN:
        raise Conflict
    role = Role.ADMIN if is_owner else role
    async with platform_scope():
        tenant = await lock_any_tenant(tenant_id)
        rows = await User.raw(_LOCK, user_id)
        if not rows or (is_owner and await _has_owner(tenant)):
            raise Conflict
        user = read_row(User, "u", rows[0])
        if user.is_active:
            await require_free_seat(tenant, role)
        await User.raw(_ATTACH, tenant_id, role.value, is_owner, user_id)
        user.tenant_id, user.role, user.is_owner = tenant_id, role.value, is_owner
        await record_attached(actor, user)
    return user


_LOCK = f"SELECT {_USER} FROM users u WHERE u.id = {{}} AND {WITHOUT_TENANT} FOR NO KEY UPDATE"

_ATTACH = """
UPDATE users SET "tenantId" = {}, role = {}, "isOwner" = {}, "updatedAt" = now() WHERE id = {}
"""


async def _has_owner(tenant: Tenant) -> bool:
    return await User.exists().where(User.tenant_id == tenant.id, User.is_owner.eq(True))


async def record_attached(actor: Actor, user: User) -> None:
    """Record in the open transaction that a user without a tenant has one now."""
    await AuditEvent.raw(INSERT_EVENT, *attached_event(actor, user))


def attached_event(actor: Actor, user: User) -> list[Any]:
    """The `event_values` for a user without a tenant who has one now."""
    return event_values(
        "user.attached",
        actor,
        tenant_id=user.tenant_id,
        subject_id=user.id,
        detail={"email": user.email, "role": user.role, "isOwner": user.is_owner},
    )


async def remove_user(actor: Actor, user_id: UUID) -> None:
    """Delete a user without a tenant, whose email can then be used again.

    Raises `Conflict` if the user has a tenant or is an operator, or if another table refers to the user.
    """
    try:
        async with platform_scope():
            rows = await User.raw(
                f"DELETE FROM users u WHERE u.id = {{}} AND {WITHOUT_TENANT} RETURNING u.email, u.role",
                user_id,
            )
            if not rows:
                raise Conflict
            await record_event("user.removed", actor, subject_id=user_id, detail=dict(rows[0]))
    except ForeignKeyViolationError:
        raise Conflict from None


async def find_active_without_tenant(email: str) -> User | None:
    """The active user without a tenant who has this address in any spelling."""
    rows = await read_platform(
        f'SELECT {_USER} FROM users u WHERE u."emailLower" = lower({{}}) AND u."isActive"'
        f" AND {WITHOUT_TENANT}",
        email,
    )
    return read_row(User, "u", rows[0]) if rows else None
