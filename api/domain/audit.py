"""The record: what was done, by whom, from where."""

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from tables import AuditEvent, User


class Client(NamedTuple):
    """Where a request comes from, as far as it can be told, and which language it wants: `en` or `es`."""

    ip_address: str | None = None
    user_agent: str | None = None
    language: str = "en"


@dataclass(frozen=True)
class Actor:
    """Who acts, and from where."""

    id: UUID | None
    email: str | None
    client: Client

    @classmethod
    def of(cls, user: User, client: Client) -> "Actor":
        return cls(user.id, user.email, client)


TERMINAL = Actor(None, None, Client())
"""Whoever types the commands: they need no account, only the database."""


async def record(
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
