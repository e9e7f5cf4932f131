"""One-time codes for what an operator does to a tenant: valid for this act, tenant and operator only."""

from datetime import datetime
from uuid import UUID

from api.database.scopes import platform_scope
from api.domain import rate_limits
from api.domain.accounts.hash_queue import Share, takes_turns
from api.domain.accounts.one_time_codes import (
    DIGITS_OF_OPERATORS,
    ProvenCode,
    Purpose,
    make_code,
    prove_code,
    store_code,
)
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.errors import WrongCode
from api.domain.mails import Template, queue_mail
from tables import Tenant


@takes_turns(Share.CODE)
async def mail_code(
    action: str, actor: Actor, tenant: Tenant, purpose: Purpose, template: Template, **values: object
) -> datetime:
    """Mail a code to the operator, and record `action`; returns when the code expires.

    `values` are those of the template beside the tenant and the code. Raises `RateLimited`.
    """
    address = actor.email or ""
    await rate_limits.count_own_code(actor.client, actor.id)
    new = await make_code(DIGITS_OF_OPERATORS)
    async with platform_scope():
        expires_at = await store_code(
            new, purpose, address, actor.client, user_id=actor.id, tenant_id=tenant.id
        )
        await queue_mail(
            template,
            to=address,
            language=actor.client.language,
            expires_at=expires_at,
            businessName=tenant.business_name,
            nit=tenant.nit,
            code=new.code,
            minutes=new.minutes,
            **values,
        )
        await record_event(action, actor, tenant_id=tenant.id, subject_id=tenant.id)
    return expires_at


@takes_turns(Share.CODE)
async def prove_operator_code(actor: Actor, tenant_id: UUID, purpose: Purpose, code: str) -> ProvenCode:
    """Check a code of `mail_code`. Raises `WrongCode`."""
    proven = await prove_code(
        code, purpose, actor.email or "", actor.client, tenant_id=tenant_id, known_as=f"user {actor.id}"
    )
    if proven.user_id != actor.id:
        # The code was mailed to another operator, who had this email address before.
        raise WrongCode
    return proven
