"""Businesses: found, changed by their administrators, and locked for whatever is done to them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from api.database.rows import read_optional_row, select_list
from api.domain.errors import NotFound, Unauthenticated
from api.domain.viewer import Viewer
from tables import Tenant, User

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
            tenant, actor = read_optional_row(Tenant, "t", locked), read_optional_row(User, "u", row)
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
        tenant = read_optional_row(Tenant, "t", row)
        if tenant is not None:
            return tenant
    raise NotFound


async def save_changes(tenant: Tenant, columns: Sequence[str]) -> None:
    """Write columns, by Python name, of a tenant that is locked."""
    tenant.updated_at = datetime.now(UTC)
    await tenant.save([*columns, Tenant.updated_at])
