"""Deletion of a tenant: it is hidden, can be restored for `DELETION_GRACE_DAYS`, and is then erased."""

from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import ForeignKeyViolationError
from piccolo.custom_types import Combinable
from piccolo.query import Select
from piccolo.querystring import QueryString

from api.database.clock import NOW
from api.database.scopes import platform_scope, read_platform
from api.domain.accounts.one_time_codes import Purpose, consume_code
from api.domain.actors import SYSTEM_ACTOR, Actor, require_confirmed
from api.domain.audit_events.recording import record_event
from api.domain.errors import Conflict, FieldProblem, InvalidInput, NotFound
from api.domain.mails import Template
from api.domain.tenants.details import find_any_tenant
from api.domain.tenants.operator_codes import mail_code, prove_operator_code
from api.observability.logs import get_logger
from api.settings import get_settings
from tables import Session, Tenant, User

logger = get_logger()

BATCH = 1000
"""Rows that one DELETE erases. One of all rows would exceed the statement timeout."""


async def request_tenant_deletion(actor: Actor, tenant_id: UUID) -> datetime:
    """Mail a code to the operator; returns when it expires.

    The code is valid for this tenant and this operator only. Raises `InvalidInput` for the id of no tenant,
    and `RateLimited`.
    """
    tenant = await find_any_tenant(tenant_id)
    if tenant is None:
        raise InvalidInput([FieldProblem("id", "NOT_FOUND")])
    return await mail_code(
        "tenant.deletion_requested",
        actor,
        tenant,
        Purpose.TENANT_DELETION,
        Template.TENANT_DELETION_CODE,
        days=get_settings().deletion_grace_days,
    )


async def delete_tenant_with_code(actor: Actor, tenant_id: UUID, code: str) -> datetime:
    """Delete a tenant with the code of `request_tenant_deletion`; returns when it was deleted.

    Raises `StepUpRequired`, `NotFound`, `WrongCode`, and `Conflict` for a deleted tenant.
    """
    require_confirmed(actor)
    await _require_undeleted(tenant_id)
    proven = await prove_operator_code(actor, tenant_id, Purpose.TENANT_DELETION, code)
    async with platform_scope():
        await consume_code(proven)
        return await _hide(actor, tenant_id)


async def delete_tenant(actor: Actor, tenant_id: UUID) -> None:
    """Delete a tenant without a code. Raises `NotFound`, and `Conflict` for a deleted tenant."""
    await _require_undeleted(tenant_id)
    async with platform_scope():
        await _hide(actor, tenant_id)


async def _require_undeleted(tenant_id: UUID) -> None:
    rows = await read_platform('SELECT "deletedAt" FROM tenants WHERE id = {}', tenant_id)
    if not rows:
        raise NotFound
    if rows[0]["deletedAt"] is not None:
        raise Conflict


# A deleted tenant has a `suspendedAt` if it was suspended, so that restoring it keeps it suspended. An
# adopted database may lack the time of a suspension: then it is the time of deletion.
_HIDE = """
UPDATE tenants SET "deletedAt" = now(), "isActive" = false, "updatedAt" = now(),
       "suspendedAt" = CASE WHEN NOT "isActive" THEN coalesce("suspendedAt", now()) END
 WHERE id = {} AND "deletedAt" IS NULL RETURNING "businessName", nit, "deletedAt"
"""

# Every transaction that ends the sessions of a user locks that user first, and several users in the order of
# their ids. If this one locked the sessions first, it could deadlock with a password change.
_LOCK_USERS = 'SELECT id FROM users WHERE "tenantId" = {} ORDER BY id FOR NO KEY UPDATE'


async def _hide(actor: Actor, tenant_id: UUID) -> datetime:
    """Hide a tenant and end the sessions of its users, in the open transaction; returns the time."""
    hidden = await Tenant.raw(_HIDE, tenant_id)
    if not hidden:
        raise Conflict
    await User.raw(_LOCK_USERS, tenant_id)
    await Session.update({Session.revoked_at: NOW}).where(
        Session.user_id.is_in(_user_ids(tenant_id)), Session.revoked_at.is_null()
    )
    await record_event(
        "tenant.deleted",
        actor,
        tenant_id=tenant_id,
        subject_id=tenant_id,
        detail={"businessName": hidden[0]["businessName"], "nit": hidden[0]["nit"]},
    )
    return hidden[0]["deletedAt"]


def _user_ids(tenant_id: UUID) -> Select[User]:
    return User.select(User.id).where(User.tenant_id == tenant_id)


async def restore_tenant(actor: Actor, tenant_id: UUID) -> None:
    """Undo the deletion of a tenant, suspended or not as before; its users have to sign in again.

    Raises `NotFound`, also for an erased tenant, and `Conflict` for a tenant that is not deleted.
    """
    async with platform_scope():
        restored = await (
            Tenant.update(
                {
                    Tenant.deleted_at: None,
                    Tenant.is_active: QueryString('"suspendedAt" IS NULL'),
                    Tenant.updated_at: NOW,
                }
            )
            .where(Tenant.id == tenant_id, Tenant.deleted_at.is_not_null())
            .returning(Tenant.id)
        )
        if not restored:
            raise Conflict if await Tenant.exists().where(Tenant.id == tenant_id) else NotFound
        await record_event("tenant.restored", actor, tenant_id=tenant_id, subject_id=tenant_id)


async def erase_deleted_tenants() -> None:
    """Erase each tenant that was deleted more than `DELETION_GRACE_DAYS` ago, in a transaction of its own.

    In an adopted database, tables of the old system may refer to a tenant's users. Such a tenant cannot be
    erased: it is logged, skipped, and tried again at the next clean-up.
    """
    grace = timedelta(days=get_settings().deletion_grace_days)
    tried: list[UUID] = []
    while rows := await read_platform(_DUE, grace, tried):
        (tenant_id,) = rows[0].values()
        tried.append(tenant_id)
        try:
            await _erase(tenant_id, grace)
        except ForeignKeyViolationError as error:
            logger.error(
                "a deleted tenant cannot be erased: another table refers to its users",
                tenant=str(tenant_id),
                table=getattr(error, "table_name", None),
            )


_DUE = """
SELECT id FROM tenants WHERE "deletedAt" <= now() - {}::interval AND id <> ALL({}::uuid[])
 ORDER BY "deletedAt" LIMIT 1
"""

_LOCK_DUE = """
SELECT id FROM tenants WHERE id = {} AND "deletedAt" <= now() - {}::interval FOR UPDATE SKIP LOCKED
"""


async def _erase(tenant_id: UUID, grace: timedelta) -> None:
    async with platform_scope():
        if not await Tenant.raw(_LOCK_DUE, tenant_id, grace):
            # Another process erases it now, or an operator has restored it.
            return
        await User.raw(_LOCK_USERS, tenant_id)
        # Before their users, whose deletion would cascade to them without a limit of rows.
        await _delete_in_batches(Session, Session.user_id.is_in(_user_ids(tenant_id)))
        await _delete_in_batches(User, User.tenant_id == tenant_id)
        await Tenant.delete().where(Tenant.id == tenant_id)
        # Without a detail: nothing that identifies an erased tenant remains.
        await record_event("tenant.erased", SYSTEM_ACTOR, tenant_id=tenant_id, subject_id=tenant_id)
    logger.info("erased a deleted tenant", tenant=str(tenant_id))


async def _delete_in_batches(table: type[Session] | type[User], condition: Combinable) -> None:
    batch = table.select(table.id).where(condition).limit(BATCH)
    while len(await table.delete().where(table.id.is_in(batch)).returning(table.id)) == BATCH:
        pass
