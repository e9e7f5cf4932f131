"""Recording audit events: what was done, by whom, from where."""

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
    """Insert an event in the open transaction, so that it exists only if the act is committed.

    `detail` is stored as JSON and must contain no secrets.
    """
    # Raw, because every registration runs it twice: Piccolo takes 150 µs to build such a query.
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
