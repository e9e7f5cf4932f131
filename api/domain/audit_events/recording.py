"""The record: what was done, by whom, from where."""

from typing import Any
from uuid import UUID

import orjson

from api.domain.actors import Actor
from tables import AuditEvent


async def record_event(
    action: str,
    actor: Actor,
    *,
    tenant_id: UUID | None = None,
    subject_id: UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Add an event to the transaction that is open, so that it exists exactly when what it tells of does."""
    await AuditEvent.raw(
        "INSERT INTO audit_events"
        ' ("actorId", "actorEmail", "tenantId", action, "subjectId", detail, "ipAddress")'
        " VALUES ({}, {}, {}, {}, {}, {}, {})",
        actor.id,
        actor.email,
        tenant_id,
        action,
        subject_id,
        orjson.dumps(detail or {}).decode(),
        actor.client.ip_address,
    )
