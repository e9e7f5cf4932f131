"""Suspension: the users of a suspended tenant have no access, from their next request on.

Their accounts and sessions do not change, so reactivation gives each user the access of before.
"""

from datetime import datetime
from uuid import UUID

from api.database.clock import NOW
from api.database.row_writes import update_row
from api.database.scopes import platform_scope
from api.domain import fields
from api.domain.accounts.one_time_codes import Purpose, consume_code
from api.domain.actors import Actor, require_confirmed
from api.domain.audit_events.recording import record_event
from api.domain.errors import Conflict, NotFound
from api.domain.mails import Template
from api.domain.tenants.details import find_any_tenant
from api.domain.tenants.locks import lock_any_tenant
from api.domain.tenants.operator_codes import mail_code, prove_operator_code
from tables import Tenant


async def suspend_tenant(actor: Actor, tenant_id: UUID, reason: str) -> Tenant:
    """Refuse access to all users of a tenant; they see the reason.

    Raises `StepUpRequired`, `InvalidArgument`, `NotFound`, and `Conflict` for a suspended tenant.
    """
    require_confirmed(actor)
    reason = fields.argument("reason", fields.reason, reason)
    async with platform_scope():
        return await _suspend(actor, tenant_id, reason)


async def request_tenant_suspension(actor: Actor, tenant_id: UUID) -> datetime:
    """Mail a code to the operator; returns when it expires.

    The code is valid for this tenant and this operator only. Raises `NotFound`, `Conflict` for a suspended
    tenant, and `RateLimited`.
    """
    tenant = await find_any_tenant(tenant_id)
    if tenant is None:
        raise NotFound
    if not tenant.is_active:
        raise Conflict
    return await mail_code(
        "tenant.suspension_requested",
        actor,
        tenant,
        Purpose.TENANT_SUSPENSION,
        Template.TENANT_SUSPENSION_CODE,
    )


async def suspend_tenant_with_code(actor: Actor, tenant_id: UUID, code: str) -> Tenant:
    """Suspend a tenant without a reason, with the code of `request_tenant_suspension`.

    Raises `StepUpRequired`, `WrongCode`, also for an unknown tenant, and `Conflict` for a suspended tenant.
    """
    require_confirmed(actor)
    proven = await prove_operator_code(actor, tenant_id, Purpose.TENANT_SUSPENSION, code)
    async with platform_scope():
        tenant = await _suspend(actor, tenant_id, None)
        await consume_code(proven)
    return tenant


async def _suspend(actor: Actor, tenant_id: UUID, reason: str | None) -> Tenant:
    """Suspend a tenant in the open transaction."""
    tenant = await lock_any_tenant(tenant_id)
    if not tenant.is_active:
        raise Conflict
    await update_row(tenant, {"is_active": False, "suspended_at": NOW, "suspended_reason": reason})
    await _record("tenant.suspended", actor, tenant_id, reason)
    return tenant


async def reactivate_tenant(actor: Actor, tenant_id: UUID) -> Tenant:
    """Give the users of a suspended tenant access again.

    Raises `NotFound`, and `Conflict` for a tenant that is not suspended.
    """
    async with platform_scope():
        tenant = await lock_any_tenant(tenant_id)
        if tenant.is_active:
            raise Conflict
        reason = tenant.suspended_reason
        await update_row(tenant, {"is_active": True, "suspended_at": None, "suspended_reason": None})
        await _record("tenant.reactivated", actor, tenant_id, reason)
    return tenant


async def _record(action: str, actor: Actor, tenant_id: UUID, reason: str | None) -> None:
    await record_event(action, actor, tenant_id=tenant_id, subject_id=tenant_id, detail={"reason": reason})
