"""The end of a tenant: hidden at once, erased after a time in which it can be had back."""

from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import ForeignKeyViolationError

from api.database.scopes import platform_scope, read_platform
from api.domain import rate_limits
from api.domain.accounts.one_time_codes import Purpose, consume_code, make_code, prove_code, store_code
from api.domain.actors import SYSTEM_ACTOR, Actor
from api.domain.audit_events.recording import record_event
from api.domain.errors import Conflict, FieldProblem, InvalidInput, NotFound, WrongCode
from api.domain.mails import Template, queue_mail
from api.domain.tenants.details import find_any_tenant
from api.observability.logs import get_logger
from api.settings import get_settings
from tables import Session, Tenant, User

logger = get_logger()

BATCH = 1000
"""Rows a statement: one for all would take longer than a statement may."""


async def request_tenant_deletion(actor: Actor, tenant_id: UUID) -> datetime:
    """Mail a code to the operator who asks; returns when it expires.

    It is good for this tenant, and for this operator alone. Raises `InvalidInput` for an id that no tenant
    has, and `RateLimited`.
    """
    address = actor.email or ""
    tenant = await find_any_tenant(tenant_id)
    if tenant is None:
        raise InvalidInput([FieldProblem("id", "NOT_FOUND")])
    await rate_limits.count_code(actor.client, address)
    new = await make_code()
    async with platform_scope():
        expires_at = await store_code(
            new, Purpose.TENANT_DELETION, address, user_id=actor.id, tenant_id=tenant_id
        )
        await queue_mail(
            Template.TENANT_DELETION_CODE,
            to=address,
            language=actor.client.language,
            expires_at=expires_at,
            businessName=tenant.business_name,
            nit=tenant.nit,
            code=new.code,
            minutes=new.minutes,
            days=get_settings().deletion_grace_days,
        )
        await record_event("tenant.deletion_requested", actor, tenant_id=tenant_id, subject_id=tenant_id)
    return expires_at


async def delete_tenant_with_code(actor: Actor, tenant_id: UUID, code: str) -> None:
    """Delete a tenant with the code that was mailed to this operator for it.

    Raises `NotFound`, `WrongCode`, and `Conflict` for a tenant that is deleted already.
    """
    await _refuse_unless_there(tenant_id)
    proven = await prove_code(code, Purpose.TENANT_DELETION, actor.email or "", tenant_id=tenant_id)
    if proven.user_id != actor.id:
        # Somebody else had that address when the code was mailed.
        raise WrongCode
    async with platform_scope():
        await consume_code(proven)
        await _hide(actor, tenant_id)


async def delete_tenant(actor: Actor, tenant_id: UUID) -> None:
    """Delete a tenant at once. Raises `NotFound`, and `Conflict` for one that is deleted already."""
    await _refuse_unless_there(tenant_id)
    async with platform_scope():
        await _hide(actor, tenant_id)


async def _refuse_unless_there(tenant_id: UUID) -> None:
    rows = await read_platform('SELECT "deletedAt" FROM tenants WHERE id = {}', tenant_id)
    if not rows:
        raise NotFound
    if rows[0]["deletedAt"] is not None:
        raise Conflict


# Whether it was suspended is kept, for when it is had back; an old system may not have noted since when.
_HIDE = """
UPDATE tenants SET "deletedAt" = now(), "isActive" = false, "updatedAt" = now(),
       "suspendedAt" = CASE WHEN NOT "isActive" THEN coalesce("suspendedAt", now()) END
 WHERE id = {} AND "deletedAt" IS NULL RETURNING "businessName", nit
"""

# Before their sessions, as everybody locks them who ends several; otherwise two could wait for one another.
_LOCK_PEOPLE = 'SELECT id FROM users WHERE "tenantId" = {} ORDER BY id FOR NO KEY UPDATE'

_SIGN_OUT = """
UPDATE sessions SET "revokedAt" = now() FROM users u
 WHERE u.id = sessions."userId" AND u."tenantId" = {} AND sessions."revokedAt" IS NULL
"""


async def _hide(actor: Actor, tenant_id: UUID) -> None:
    """Hide a tenant and sign its people out, in the transaction that is open."""
    hidden = await Tenant.raw(_HIDE, tenant_id)
    if not hidden:
        raise Conflict
    await User.raw(_LOCK_PEOPLE, tenant_id)
    await Session.raw(_SIGN_OUT, tenant_id)
    await record_event(
        "tenant.deleted",
        actor,
        tenant_id=tenant_id,
        subject_id=tenant_id,
        detail={"businessName": hidden[0]["businessName"], "nit": hidden[0]["nit"]},
    )


async def restore_tenant(actor: Actor, tenant_id: UUID) -> None:
    """Have a deleted tenant back as it was; its people sign in again.

    Raises `NotFound`, after the erasure too, and `Conflict` for one that is not deleted.
    """
    async with platform_scope():
        restored = await Tenant.raw(
            'UPDATE tenants SET "deletedAt" = NULL, "isActive" = "suspendedAt" IS NULL, "updatedAt" = now()'
            ' WHERE id = {} AND "deletedAt" IS NOT NULL RETURNING id',
            tenant_id,
        )
        if not restored:
            raise Conflict if await Tenant.exists().where(Tenant.id == tenant_id) else NotFound
        await record_event("tenant.restored", actor, tenant_id=tenant_id, subject_id=tenant_id)


async def erase_deleted_tenants() -> None:
    """Erase the tenants whose `DELETION_GRACE_DAYS` are over, each whole or not at all.

    One to whose people a table of an old system refers cannot be erased: the log names it, and it stays for
    the next time. The others do not wait for it.
    """
    grace = timedelta(days=get_settings().deletion_grace_days)
    tried: list[UUID] = []
    while due := await read_platform(_DUE, grace, tried):
        tried.append(due[0]["id"])
        try:
            await _erase(due[0]["id"], grace)
        except ForeignKeyViolationError as error:
            logger.error(
                "a deleted tenant cannot be erased: another table refers to its people",
                tenant=str(due[0]["id"]),
                table=getattr(error, "table_name", None),
            )


_DUE = """
SELECT id FROM tenants WHERE "deletedAt" <= now() - {}::interval AND id <> ALL({}::uuid[])
 ORDER BY "deletedAt" LIMIT 1
"""

_LOCK_DUE = """
SELECT id FROM tenants WHERE id = {} AND "deletedAt" <= now() - {}::interval FOR UPDATE SKIP LOCKED
"""

# In this order, because whoever is erased takes along what is left of the next kind.
_ERASE = (
    (
        Session,
        'DELETE FROM sessions WHERE id IN (SELECT s.id FROM sessions s JOIN users u ON u.id = s."userId"'
        ' WHERE u."tenantId" = {} LIMIT {}) RETURNING id',
    ),
    (
        User,
        'DELETE FROM users WHERE id IN (SELECT id FROM users WHERE "tenantId" = {} LIMIT {}) RETURNING id',
    ),
)


async def _erase(tenant_id: UUID, grace: timedelta) -> None:
    async with platform_scope():
        if not await Tenant.raw(_LOCK_DUE, tenant_id, grace):
            # Another clean-up is at it, or somebody has had it back.
            return
        await User.raw(_LOCK_PEOPLE, tenant_id)
        for table, statement in _ERASE:
            while len(await table.raw(statement, tenant_id, BATCH)) == BATCH:
                pass
        await Tenant.raw("DELETE FROM tenants WHERE id = {}", tenant_id)
        # Nothing here tells who that was.
        await record_event("tenant.erased", SYSTEM_ACTOR, tenant_id=tenant_id, subject_id=tenant_id)
    logger.info("erased a deleted tenant", tenant=str(tenant_id))
