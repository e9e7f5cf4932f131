"""Suspension: a tenant is kept out, and let in again, at the very next request of each of its people.

Nobody's account is touched: who was deactivated before stays so, and who had a session goes on with it.
"""

from datetime import UTC, datetime
from uuid import UUID

from api.database.scopes import platform_scope
from api.domain import fields
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.errors import Conflict
from api.domain.tenants.locks import lock_any_tenant, save_changes
from tables import Tenant

_COLUMNS = ["is_active", "suspended_at", "suspended_reason"]


async def suspend_tenant(actor: Actor, tenant_id: UUID, reason: str) -> Tenant:
    """Keep all people of a tenant out; they are told the reason.

    Raises `InvalidArgument`, `NotFound`, and `Conflict` for one that is suspended.
    """
    reason = fields.argument("reason", fields.text(500), reason)
    async with platform_scope():
        tenant = await lock_any_tenant(tenant_id)
        if not tenant.is_active:
            raise Conflict
        tenant.is_active, tenant.suspended_at, tenant.suspended_reason = False, datetime.now(UTC), reason
        await save_changes(tenant, _COLUMNS)
        await _record("tenant.suspended", actor, tenant_id, reason)
    return tenant


async def reactivate_tenant(actor: Actor, tenant_id: UUID) -> Tenant:
    """Let the people of a suspended tenant in again.

    Raises `NotFound`, and `Conflict` for one that is not suspended.
    """
    async with platform_scope():
        tenant = await lock_any_tenant(tenant_id)
        if tenant.is_active:
            raise Conflict
        reason = tenant.suspended_reason
        tenant.is_active, tenant.suspended_at, tenant.suspended_reason = True, None, None
        await save_changes(tenant, _COLUMNS)
        await _record("tenant.reactivated", actor, tenant_id, reason)
    return tenant


async def _record(action: str, actor: Actor, tenant_id: UUID, reason: str | None) -> None:
    await record_event(action, actor, tenant_id=tenant_id, subject_id=tenant_id, detail={"reason": reason})
