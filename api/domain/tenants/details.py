"""A tenant's details: reading them, and changing them as one of its admins."""

from collections.abc import Mapping
from uuid import UUID

from api.database.row_writes import update_row
from api.database.rows import read_row, select_list
from api.database.scopes import read_platform, tenant_scope
from api.domain.audit_events.recording import record_event
from api.domain.errors import Forbidden
from api.domain.fields import Address, BusinessEmail, BusinessName, BusinessTypeName, NoneIfBlank, Phone
from api.domain.forms import Changes
from api.domain.roles import Role
from api.domain.tenants.locks import lock_tenant
from api.domain.viewer import Viewer
from tables import Tenant, User

_BY_ID = f"""
SELECT {select_list(Tenant, "t")} FROM tenants t WHERE t.id = {{}} AND t."deletedAt" IS NULL
"""


async def find_tenant(viewer: Viewer, tenant_id: UUID) -> Tenant | None:
    """A tenant that the viewer may see: operators see every tenant, staff their own."""
    if viewer.tenant is not None:
        return viewer.tenant if str(viewer.tenant.id) == str(tenant_id) else None
    if viewer.user.role != Role.SUPER_ADMIN.value:
        return None
    return await find_any_tenant(tenant_id)


async def find_any_tenant(tenant_id: UUID) -> Tenant | None:
    """The tenant with this id, unless it is deleted."""
    rows = await read_platform(_BY_ID, tenant_id)
    return read_row(Tenant, "t", rows[0]) if rows else None


class TenantChanges(Changes):
    """What an admin may change of their tenant."""

    business_name: BusinessName = ""
    business_type: BusinessTypeName = ""
    address: Address = ""
    phone: NoneIfBlank[Phone] = None
    email: NoneIfBlank[BusinessEmail] = None


async def update_tenant(viewer: Viewer, values: Mapping[str, object]) -> Tenant:
    """Change the viewer's tenant; `values` are the fields of `TenantChanges`.

    Raises `InvalidInput`, and `Forbidden` unless the viewer is one of its admins.
    """
    tenant_id = _administered_tenant_id(viewer.user)
    changes = TenantChanges.read(values)
    async with tenant_scope(tenant_id):
        tenant, user = await lock_tenant(tenant_id, viewer)
        _administered_tenant_id(user)
        differences = changes.apply(tenant)
        if differences:
            await update_row(tenant, changes.columns)
            await record_event(
                "tenant.updated",
                viewer.actor,
                tenant_id=tenant_id,
                subject_id=tenant_id,
                detail={"changes": differences},
            )
    return tenant


def _administered_tenant_id(user: User) -> UUID:
    """The id of the tenant that `user` is an admin of. Raises `Forbidden`."""
    if user.tenant_id is None or user.role != Role.ADMIN.value:
        raise Forbidden
    return user.tenant_id
