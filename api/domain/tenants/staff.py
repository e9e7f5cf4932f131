"""Staff: who works for a tenant, and who looks after whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from asyncpg import ForeignKeyViolationError, UniqueViolationError

from api.database.rows import read_optional_row, select_list
from api.database.scopes import read_tenants, tenant_scope
from api.domain import fields
from api.domain.accounts.passwords import hash_password
from api.domain.accounts.sessions import end_sessions
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import record_event
from api.domain.changes import Editable, apply_changes, read_changes
from api.domain.errors import Conflict, EmailTaken, Forbidden, NotFound
from api.domain.pagination import Page, Position, cut
from api.domain.roles import Role
from api.domain.tenants.locks import lock_tenant
from api.domain.tenants.seats import find_seat, take_seat
from api.domain.viewer import Viewer
from tables import Tenant, User

LOOKS_AFTER: Mapping[Role, frozenset[Role]] = {
    Role.ADMIN: frozenset({Role.ADMIN, Role.MANAGER, Role.CASHIER}),
    Role.MANAGER: frozenset({Role.CASHIER}),
}
"""Whose accounts each role makes, changes and removes; the owner's is an admin's, with rules of its own."""


# Reading


_PERSON = select_list(User, "u", leave_out=(User.password,))


async def find_owners(tenant_ids: Sequence[UUID]) -> dict[UUID, User | None]:
    """The owner of each tenant; the first, should an adopted database know several."""
    owners: dict[UUID, User | None] = dict.fromkeys(tenant_ids)
    for row in await read_tenants(tenant_ids, _OWNERS, tenant_ids):
        owners[row["u.tenant_id"]] = read_optional_row(User, "u", row)
    return owners


_OWNERS = f"""
SELECT DISTINCT ON (u."tenantId") {_PERSON}
  FROM users u WHERE u."tenantId" = ANY({{}}::uuid[]) AND u."isOwner"
 ORDER BY u."tenantId", u."createdAt", u.id
"""


async def count_staff(tenant_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many people, active or not, each tenant has."""
    rows = await read_tenants(
        tenant_ids,
        'SELECT "tenantId", count(*) FROM users WHERE "tenantId" = ANY({}::uuid[]) GROUP BY "tenantId"',
        tenant_ids,
    )
    return dict.fromkeys(tenant_ids, 0) | {row["tenantId"]: row["count"] for row in rows}


async def list_staff(
    tenant_ids: Sequence[UUID], first: int, after: Position | None
) -> dict[UUID, Page[User]]:
    """The `first` people of each tenant who come after `after`, in the order in which they joined."""
    rows = await read_tenants(
        tenant_ids,
        f"""SELECT {", ".join(f'u."{name}"' for name in _PERSON_NAMES)}
              FROM unnest({{}}::uuid[]) asked(id) CROSS JOIN LATERAL (
                   SELECT {_PERSON} FROM users u
                    WHERE u."tenantId" = asked.id {"" if after is None else _AFTER}
                    ORDER BY u."createdAt", u.id LIMIT {{}}) u""",
        tenant_ids,
        *(after or ()),
        first + 1,
    )
    staff: dict[UUID, list[User]] = {tenant_id: [] for tenant_id in tenant_ids}
    for row in rows:
        person = read_optional_row(User, "u", row)
        if person is not None:
            staff[person.tenant_id].append(person)
    return {tenant_id: cut(people, first) for tenant_id, people in staff.items()}


_AFTER = 'AND (u."createdAt", u.id) > ({}, {})'

_PERSON_NAMES = [f"u.{column._meta.name}" for column in User._meta.columns if column is not User.password]


# Acts


@dataclass(frozen=True, kw_only=True)
class NewStaff:
    """What an admin or a manager writes about somebody new, as they wrote it."""

    email: str
    first_name: str
    last_name: str
    role: str
    password: str
    document_id: str | None
    phone_number: str | None


async def create_staff(viewer: Viewer, form: NewStaff, client: Client) -> tuple[User, Tenant]:
    """Make an account for somebody in the viewer's tenant.

    Raises `Forbidden` for whoever does not look after that role, `InvalidInput`, `NoSeat` and `EmailTaken`.
    """
    workplace = _workplace(viewer)
    columns, password = _read(form)
    role = Role(columns["role"])
    _refuse_unless_after(viewer.user, role)
    # Asked twice: here so that nobody without a seat has passwords hashed, or learns who has an account.
    await find_seat(workplace, role)
    person = User(**columns, password=await hash_password(password), tenant_id=workplace.id)
    try:
        async with tenant_scope(workplace.id):
            tenant, actor = await lock_tenant(workplace.id, viewer)
            _refuse_unless_after(actor, role)
            await take_seat(tenant, role)
            await User.insert(person)
            await _record("staff.created", actor, person, _summary(person), client)
    except UniqueViolationError:
        raise EmailTaken from None
    return person, tenant


def _workplace(viewer: Viewer) -> Tenant:
    """The tenant whose staff the viewer looks after, in part at least. Raises `Forbidden`."""
    if viewer.tenant is None or Role(viewer.user.role) not in LOOKS_AFTER:
        raise Forbidden
    return viewer.tenant


def _read(form: NewStaff) -> tuple[dict[str, Any], str]:
    """The columns, by Python name, and the password. Raises `InvalidInput` with all that is wrong."""
    read = fields.Fields()
    columns = {
        "email": read("email", fields.email(120), form.email),
        "first_name": read("firstName", fields.text(60), form.first_name),
        "last_name": read("lastName", fields.text(60), form.last_name),
        "role": read("role", _staff_role, form.role),
        "document_id": read.optional("documentId", fields.text(20), form.document_id),
        "phone_number": read.optional("phoneNumber", fields.phone, form.phone_number),
    }
    password = read("password", fields.password, form.password)
    read.check()
    return columns, password


def _staff_role(value: str) -> str:
    """A role that a tenant has seats for; nobody can make an operator here."""
    if value == Role.SUPER_ADMIN.value:
        raise fields.Problem("INVALID_CHOICE")
    return value


def _refuse_unless_after(actor: User, role: Role) -> None:
    if role not in LOOKS_AFTER.get(Role(actor.role), ()):
        raise Forbidden


EDITABLE = {
    "firstName": Editable("first_name", fields.text(60)),
    "lastName": Editable("last_name", fields.text(60)),
    "role": Editable("role", _staff_role),
    "isActive": Editable("is_active", bool),
    "documentId": Editable("document_id", fields.text(20), required=False),
    "phoneNumber": Editable("phone_number", fields.phone, required=False),
}


async def update_staff(
    viewer: Viewer, subject_id: UUID, given: Mapping[str, Any], client: Client
) -> tuple[User, Tenant]:
    """Change somebody of the viewer's tenant; `given` are the fields of the API that the client wrote.

    Whoever is deactivated has no access at the very next request, and holds no seat. Raises `Forbidden`,
    `InvalidInput`, `NotFound`, `NoSeat`, and `Conflict` for what nobody may do: change one's own role,
    deactivate oneself, demote or deactivate the owner.
    """
    tenant_id = _workplace(viewer).id
    changes = read_changes(given, EDITABLE)
    async with tenant_scope(tenant_id):
        tenant, actor = await lock_tenant(tenant_id, viewer)
        subject = await _find(tenant_id, subject_id)
        _refuse_unless_after(actor, Role(subject.role))
        held = _seat(subject)
        differences = apply_changes(subject, changes, EDITABLE)
        _refuse_unless_after(actor, Role(subject.role))
        if differences.keys() & {"role", "isActive"} and (subject.is_owner or subject.id == actor.id):
            raise Conflict
        if subject.is_owner and subject.id != actor.id:
            raise Forbidden
        wanted = _seat(subject)
        if wanted is not None and wanted is not held:
            await take_seat(tenant, wanted)
        if differences:
            subject.updated_at = datetime.now(UTC)
            await subject.save([*(EDITABLE[name].column for name in differences), User.updated_at])
            if not subject.is_active:
                # Otherwise whoever is let in again later would find their old devices signed in.
                await end_sessions(subject.id)
            await _record("staff.updated", actor, subject, {"changes": differences}, client)
    return subject, tenant


async def _find(tenant_id: UUID, subject_id: UUID) -> User:
    """Raises `NotFound`, for somebody of another tenant too."""
    for row in await User.raw(_BY_ID, tenant_id, subject_id):
        subject = read_optional_row(User, "u", row)
        if subject is not None:
            return subject
    raise NotFound


_BY_ID = f'SELECT {_PERSON} FROM users u WHERE u."tenantId" = {{}} AND u.id = {{}}'


def _seat(user: User) -> Role | None:
    """The seat that somebody holds."""
    return Role(user.role) if user.is_active else None


async def remove_staff(viewer: Viewer, subject_id: UUID, client: Client) -> None:
    """Erase somebody's account, and with it their sessions; the record keeps who it was.

    Their address is free afterwards. Raises `Forbidden`, `NotFound`, and `Conflict` for the owner, for
    oneself, and for somebody to whom tables of an adopted database refer: they can only be deactivated.
    """
    tenant_id = _workplace(viewer).id
    try:
        async with tenant_scope(tenant_id):
            _, actor = await lock_tenant(tenant_id, viewer)
            subject = await _find(tenant_id, subject_id)
            _refuse_unless_after(actor, Role(subject.role))
            if subject.is_owner or subject.id == actor.id:
                raise Conflict
            await User.delete().where((User.tenant_id == tenant_id) & (User.id == subject_id))
            await _record("staff.removed", actor, subject, _summary(subject), client)
    except ForeignKeyViolationError:
        raise Conflict from None


def _summary(person: User) -> dict[str, Any]:
    """Who it is: the record may outlive the account."""
    return {"email": person.email, "role": person.role}


async def _record(action: str, actor: User, subject: User, detail: dict[str, Any], client: Client) -> None:
    await record_event(
        action,
        Actor.of(actor, client),
        tenant_id=actor.tenant_id,
        subject_id=subject.id,
        detail=detail,
    )
