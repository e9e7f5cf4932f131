"""The record: what was done, by whom, from where."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from tables import AuditEvent


@dataclass(frozen=True)
class Client:
    """Where a request comes from, as far as it can be told, and which language it wants: `en` or `es`."""

    ip_address: str | None = None
    user_agent: str | None = None
    language: str = "en"


async def record(
    action: str,
    *,
    actor_id: UUID | None = None,
    actor_email: str | None = None,
    tenant_id: UUID | None = None,
    subject_id: UUID | None = None,
    detail: dict[str, Any] | None = None,
    client: Client | None = None,
) -> None:
    """Add an event to the transaction that is open, so that it exists exactly when what it tells of does."""
    await AuditEvent.raw(
        "INSERT INTO audit_events"
        ' ("actorId", "actorEmail", "tenantId", action, "subjectId", detail, "ipAddress")'
        " VALUES ({}, {}, {}, {}, {}, {}, {})",
        actor_id,
        actor_email,
        tenant_id,
        action,
        subject_id,
        orjson.dumps(detail or {}).decode(),
        client.ip_address if client else None,
    )
