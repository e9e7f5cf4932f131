"""Staff: the users of a tenant. Which roles manage which: `api.domain.tenants.staff_roles`."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from asyncpg import ForeignKeyViolationError, UniqueViolationError

from api.database.readers import may_read_replica
from api.database.row_writes import insert_row, update_row
from api.database.rows import read_row, select_list
from api.database.scopes import read_tenants, tenant_scope
from api.domain import rate_limits
from api.domain.accounts.holders import is_taken
from api.domain.accounts.passwords import hash_password
from api.domain.accounts.sessions import end_sessions, lock_and_end_sessions
from api.domain.audit_events.recording import record_event
from api.domain.errors import Conflict, EmailTaken, Forbidden, InvitationRequired, NotFound
from api.domain.fields import DocumentId, NoneIfBlank, Password, PersonName, Phone
from api.domain.forms import Changes
from api.domain.mails import Template, queue_mail
from api.domain.pagination import Page, Position, cut
from api.domain.rate_limits import Subject
from api.domain.roles import Role
from api.domain.tenants.locks import lock_tenant
from api.domain.tenants.seats import check_free_seat, require_free_seat
from api.domain.tenants.staff_invitations import NewInvitation
from api.domain.tenants.staff_roles import StaffRole, managed_tenant, require_can_give, require_can_manage
from api.domain.viewer import Viewer
from api.settings import get_settings
from tables import Tenant, User

_USER = select_list(User, "u", leave_out=(User.password,))


async def find_owners(tenant_ids: Sequence[UUID]) -> dict[UUID, User | None]:
    """The owner of each tenant. An adopted database may have several: then the oldest account."""
    owners: dict[UUID, User | None] = dict.fromkeys(tenant_ids)
    for row in await read_tenants(tenant_ids, _OWNERS, tenant_ids):
        owners[row["u.tenant_id"]] = read_row(User, "u", row)
    return owners


_OWNERS = f"""
SELECT DISTINCT ON (u."tenantId") {_USER}
  FROM users u WHERE u."tenantId" = ANY({{}}::uuid[]) AND u."isOwner"
 ORDER BY u."tenantId", u."createdAt", u.id
"""


@may_read_replica
async def count_staff(tenant_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The number of users of each tenant, active or not."""
    rows = await read_tenants(
        tenant_ids,
        'SELECT "tenantId", count(*) FROM users WHERE "tenantId" = ANY({}::uuid[]) GROUP BY "tenantId"',
        tenant_ids,
    )
    return dict.fromkeys(tenant_ids, 0) | {row["tenantId"]: row["count"] for row in rows}


@may_read_replica
async def list_staff(
    tenant_ids: Sequence[UUID], first: int, after: Position | None
) -> dict[UUID, Page[User]]:
    """The `first` users of each tenant after the position `after`, oldest account first."""
    rows = await read_tenants(
        tenant_ids,
        f"""SELECT {", ".join(f'u."{name}"' for name in _USER_NAMES)}
              FROM unnest({{}}::uuid[]) asked(id) CROSS JOIN LATERAL (
                   SELECT {_USER} FROM users u
                    WHERE u."tenantId" = asked.id {"" if after is None else _AFTER}
                    ORDER BY u."createdAt", u.id LIMIT {{}}) u""",
        tenant_ids,
        *(after or ()),
        first + 1,
    )
    staff: dict[UUID, list[User]] = {tenant_id: [] for tenant_id in tenant_ids}
    for row in rows:
        staff[row["u.tenant_id"]].append(read_row(User, "u", row))
    return {tenant_id: cut(users, first) for tenant_id, users in staff.items()}


_AFTER = 'AND (u."createdAt", u.id) > ({}, {})'

_USER_NAMES = [f"u.{column._meta.name}" for column in User._meta.columns if column is not User.password]


# Acts


class NewStaff(NewInvitation):
    """The account that an admin or a manager creates, with a password that both know."""

    password: Password


async def create_staff(viewer: Viewer, values: Mapping[str, object]) -> tuple[User, Tenant]:
    """Create an account in the viewer's tenant, and mail the person; `values` are the fields of `NewStaff`.

    Raises `Forbidden` unless the viewer manages that role, `InvitationRequired` where addresses have to be
    verified, `InvalidInput`, `NoSeat`, `RateLimited` and `EmailTaken`.
    """
    managed = managed_tenant(viewer)
    require_can_give(viewer.user, values)
    if get_settings().require_verified_email:
        raise InvitationRequired
    form = NewStaff.read({**values, "businessName": managed.business_name})
    role = Role(form.role)
    # Checked here and under the lock: without a seat, no password is hashed, and no taken email is revealed.
    await check_free_seat(managed, role)
    await rate_limits.count(rate_limits.NEW_STAFF, Subject(f"user {viewer.user.id}"))
    # Before the hash, which would let an admin who tries addresses keep the sign-ins of others waiting.
    if await is_taken(form.email):
        raise EmailTaken
    columns = form.model_dump(exclude={"password"})
    subject = User(**columns, password=await hash_password(form.password), tenant_id=managed.id)
    try:
        async with tenant_scope(managed.id):
            tenant, user = await lock_tenant(managed.id, viewer)
            require_can_manage(user, role)
            await require_free_seat(tenant, role)
            await insert_row(subject)
            await _record("staff.created", viewer, subject, _summary(subject))
            await queue_mail(
                Template.STAFF_CREATED,
                to=subject.email,
                language=viewer.client.language,
                firstName=subject.first_name,
                businessName=tenant.business_name,
                inviterName=f"{user.first_name} {user.last_name}".strip(),
            )
    except UniqueViolationError:
        raise EmailTaken from None
    return subject, tenant


class StaffChanges(Changes):
    """What an admin or a manager may change of an account."""

    first_name: PersonName = ""
    last_name: PersonName = ""
    role: StaffRole = ""
    is_active: bool = True
    document_id: NoneIfBlank[DocumentId] = None
    phone_number: NoneIfBlank[Phone] = None


async def update_staff(viewer: Viewer, subject_id: UUID, values: Mapping[str, object]) -> tuple[User, Tenant]:
    """Change an account of the viewer's tenant; `values` are the fields of `StaffChanges`.

    A deactivated user has no access from the next request on, and occupies no seat. Raises `Forbidden`,
    `InvalidInput`, `NotFound`, `NoSeat`, and `Conflict` for acts that are never allowed: changing one's own
    role, deactivating oneself, demoting or deactivating the owner.
    """
    tenant_id = managed_tenant(viewer).id
    require_can_give(viewer.user, values)
    async with tenant_scope(tenant_id):
        tenant, user = await lock_tenant(tenant_id, viewer)
        subject = await _find_user(tenant_id, subject_id)
        require_can_manage(user, Role(subject.role))
        if subject.is_owner and subject.id != user.id and not values.keys() & {"role", "isActive"}:
            raise Forbidden
        # After the subject, because the problems of fields are for those who may change it.
        changes = StaffChanges.read(values)
        seat_before = _seat(subject)
        differences = changes.apply(subject)
        require_can_manage(user, Role(subject.role))
        if differences.keys() & {"role", "isActive"} and (subject.is_owner or subject.id == user.id):
            raise Conflict
        if subject.is_owner and subject.id != user.id:
            raise Forbidden
        seat = _seat(subject)
        if seat is not None and seat is not seat_before:
            await require_free_seat(tenant, seat)
        if differences:
            await update_row(subject, changes.columns)
            if not subject.is_active:
                # Sessions left open would give access again if the account is activated later.
                await end_sessions(subject.id)
            await _record("staff.updated", viewer, subject, {"changes": differences})
    return subject, tenant


async def _find_user(tenant_id: UUID, user_id: UUID) -> User:
    """Raises `NotFound`, also for a user of another tenant."""
    rows = await User.raw(_BY_ID, tenant_id, user_id)
    if not rows:
        raise NotFound
    return read_row(User, "u", rows[0])


_BY_ID = f'SELECT {_USER} FROM users u WHERE u."tenantId" = {{}} AND u.id = {{}}'


def _seat(user: User) -> Role | None:
    """The role whose seat the user occupies; None for an inactive user."""
    return Role(user.role) if user.is_active else None


async def remove_staff(viewer: Viewer, subject_id: UUID) -> None:
    """Delete an account and its sessions; the email can be used again, and the audit event names the account.

    Raises `Forbidden`, `NotFound`, and `Conflict` for the owner, for the viewer's own account, and for a user
    to whom tables of an adopted database refer, who can only be deactivated.
    """
    tenant_id = managed_tenant(viewer).id
    try:
        async with tenant_scope(tenant_id):
            _, user = await lock_tenant(tenant_id, viewer)
            subject = await _find_user(tenant_id, subject_id)
            require_can_manage(user, Role(subject.role))
            if subject.is_owner or subject.id == user.id:
                raise Conflict
            await User.delete().where((User.tenant_id == tenant_id) & (User.id == subject_id))
            await _record("staff.removed", viewer, subject, _summary(subject))
    except ForeignKeyViolationError:
        raise Conflict from None


async def end_staff_sessions(viewer: Viewer, subject_id: UUID) -> None:
    """Sign a user of the viewer's tenant out on all devices.

    Raises `NotFound`, and `Forbidden` unless the viewer manages that role; the owner's sessions are ended by
    the owner only.
    """
    tenant_id = managed_tenant(viewer).id
    async with tenant_scope(tenant_id):
        _, user = await lock_tenant(tenant_id, viewer)
        subject = await _find_user(tenant_id, subject_id)
        require_can_manage(user, Role(subject.role))
        if subject.is_owner and subject.id != user.id:
            raise Forbidden
        await lock_and_end_sessions(subject.id)
        await _record("staff.signed_out", viewer, subject, _summary(subject))


def _summary(user: User) -> dict[str, Any]:
    """Identifies the account in an audit event, which may outlive it."""
    return {"email": user.email, "role": user.role}


async def _record(action: str, viewer: Viewer, subject: User, detail: dict[str, Any]) -> None:
    await record_event(
        action, viewer.actor, tenant_id=viewer.user.tenant_id, subject_id=subject.id, detail=detail
    )
