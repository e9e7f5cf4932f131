"""Locks on a tenant: acts on one tenant run one after the other."""

from uuid import UUID

from api.database.rows import read_row, select_list
from api.domain.errors import NotFound, Unauthenticated
from api.domain.viewer import Viewer
from tables import Tenant, User

_LOCK_ACTIVE = f"""
SELECT {select_list(Tenant, "t")} FROM tenants t WHERE t.id = {{}} AND t."isActive" FOR NO KEY UPDATE
"""

_ACTIVE_USER = f"""
SELECT {select_list(User, "u", leave_out=(User.password,))}
  FROM users u WHERE u."tenantId" = {{}} AND u.id = {{}} AND u."isActive"
"""


async def lock_tenant(tenant_id: UUID, viewer: Viewer) -> tuple[Tenant, User]:
    """Lock the viewer's tenant in the open transaction; returns the tenant and the user as stored now.

    The next transaction that locks the tenant sees the result of this one: two cannot take the last seat, and
    a role that was just taken away allows nothing. Lock the tenant before its users, the order of
    registration; sign-in locks a user only. Raises `Unauthenticated` if either is gone or inactive by now.
    """
    tenants = await Tenant.raw(_LOCK_ACTIVE, tenant_id)
    users = await User.raw(_ACTIVE_USER, tenant_id, viewer.user.id) if tenants else []
    if not users:
        raise Unauthenticated
    return read_row(Tenant, "t", tenants[0]), read_row(User, "u", users[0])


_LOCK_ANY = f"""
SELECT {select_list(Tenant, "t")} FROM tenants t
 WHERE t.id = {{}} AND t."deletedAt" IS NULL FOR NO KEY UPDATE
"""


async def lock_any_tenant(tenant_id: UUID) -> Tenant:
    """Lock a tenant for an operator in the open transaction; returns it as stored now.

    Raises `NotFound`, also for a deleted tenant.
    """
    rows = await Tenant.raw(_LOCK_ANY, tenant_id)
    if not rows:
        raise NotFound
    return read_row(Tenant, "t", rows[0])
