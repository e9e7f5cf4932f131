"""Businesses: found, changed by their administrators, and locked for whatever is done to them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from api.database.rows import read_row, select_list
from api.database.scopes import read_platform, tenant_scope
from api.domain import audit, fields
from api.domain.audit import Actor, Client
from api.domain.changes import Editable, apply_changes, read_changes
from api.domain.errors import Forbidden, NotFound, Unauthenticated
from api.domain.sessions import Viewer
from api.domain.users import Role
from tables import Tenant, User

_BY_ID = f"""
SELECT {select_list(Tenant, "t")} FROM tenants t WHERE t.id = {{}} AND t."deletedAt" IS NULL
"""


async def find_tenant(viewer: Viewer, tenant_id: UUID) -> Tenant | None:
    """A tenant that the viewer may see: operators see any, staff their own."""
    if viewer.tenant is not None:
        return viewer.tenant if str(viewer.tenant.id) == str(tenant_id) else None
    if viewer.user.role != Role.SUPER_ADMIN.value:
        return None
    return await find_any_tenant(tenant_id)


async def find_any_tenant(tenant_id: UUID) -> Tenant | None:
    """A tenant, whosever it is, unless it is deleted."""
    rows = await read_platform(_BY_ID, tenant_id)
    return read_row(Tenant, "t", rows[0]) if rows else None


EDITABLE = {
    "businessName": Editable("business_name", fields.text(200)),
    "businessType": Editable("business_type", fields.business_type),
    "address": Editable("address", fields.text(500)),
    "phone": Editable("phone", fields.phone, required=False),
    "email": Editable("email", fields.email(100), required=False),
}


async def update_tenant(viewer: Viewer, given: Mapping[str, Any], client: Client) -> Tenant:
    """Change the viewer's business; `given` are the fields of the API that the client wrote.

    Raises `Forbidden` for all but its admins, and `InvalidInput`.
    """
    tenant_id = _administers(viewer.user)
    changes = read_changes(given, EDITABLE)
    async with tenant_scope(tenant_id):
        tenant, actor = await lock_tenant(tenant_id, viewer)
        _administers(actor)
        differences = apply_changes(tenant, changes, EDITABLE)
        if differences:
            await save_changes(tenant, [EDITABLE[name].column for name in differences])
            await audit.record(
                "tenant.updated",
                Actor.of(actor, client),
                tenant_id=tenant_id,
                subject_id=tenant_id,
                detail={"changes": differences},
            )
    return tenant


def _administers(user: User) -> UUID:
    """The tenant that this user is an admin of. Raises `Forbidden`."""
    if user.tenant_id is None or user.role != Role.ADMIN.value:
        raise Forbidden
    return user.tenant_id


_LOCK = f"""
SELECT {select_list(Tenant, "t")} FROM tenants t WHERE t.id = {{}} AND t."isActive" FOR NO KEY UPDATE
"""

_ACTOR = f"""
SELECT {select_list(User, "u", leave_out=(User.password,))}
  FROM users u WHERE u."tenantId" = {{}} AND u.id = {{}} AND u."isActive"
"""


async def lock_tenant(tenant_id: UUID, viewer: Viewer) -> tuple[Tenant, User]:
    """The viewer's tenant, locked, and the viewer, each as it is now, in the transaction that is open.

    Of several acts on a tenant one goes first, and the next one sees what it did: who takes the last seat,
    and who has no say any more. The tenant is locked before its users, as registration makes them; signing in
    locks users alone. Raises `Unauthenticated` for a viewer who is gone or inactive by now.
    """
    for locked in await Tenant.raw(_LOCK, tenant_id):
        for row in await User.raw(_ACTOR, tenant_id, viewer.user.id):
            tenant, actor = read_row(Tenant, "t", locked), read_row(User, "u", row)
            if tenant is not None and actor is not None:
                return tenant, actor
    raise Unauthenticated


_LOCK_ANY = f"""
SELECT {select_list(Tenant, "t")} FROM tenants t
 WHERE t.id = {{}} AND t."deletedAt" IS NULL FOR NO KEY UPDATE
"""


async def lock_any_tenant(tenant_id: UUID) -> Tenant:
    """A tenant, locked for an operator, as it is now, in the transaction that is open.

    Raises `NotFound`, for one that is deleted too.
    """
    for row in await Tenant.raw(_LOCK_ANY, tenant_id):
        tenant = read_row(Tenant, "t", row)
        if tenant is not None:
            return tenant
    raise NotFound


async def save_changes(tenant: Tenant, columns: Sequence[str]) -> None:
    """Write columns, by Python name, of a tenant that is locked."""
    tenant.updated_at = datetime.now(UTC)
    await tenant.save([*columns, Tenant.updated_at])
