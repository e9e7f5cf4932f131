"""Businesses: found, changed by their administrators, and locked for whatever is done to them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from api.database.rows import read_optional_row, select_list
from api.database.scopes import read_platform, tenant_scope
from api.domain import fields
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import record_event
from api.domain.changes import Editable, apply_changes, read_changes
from api.domain.errors import Forbidden
from api.domain.roles import Role
from api.domain.tenants.locks import lock_tenant, save_changes
from api.domain.viewer import Viewer
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
    return read_optional_row(Tenant, "t", rows[0]) if rows else None


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
            await record_event(
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
