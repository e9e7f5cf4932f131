"""The record: who did what, when, from where."""

from datetime import datetime

import strawberry

from api.domain import pagination
from api.domain.audit_events import listing
from api.domain.audit_events.listing import Event, EventFilter
from api.domain.pagination import Page, Position
from api.schema.context import Info
from api.schema.inputs import uuid_of
from api.schema.pagination import Connection, edges_of, page_info_of, read_cursor
from api.schema.scalars import Json


@strawberry.type
class AuditEvent:
    id: strawberry.ID
    at: datetime
    action: str
    actor_email: str | None
    tenant_id: strawberry.ID | None
    subject_id: strawberry.ID | None
    detail: Json
    ip_address: str | None

    @classmethod
    def of(cls, event: Event) -> "AuditEvent":
        return cls(
            id=strawberry.ID(str(event.id)),
            at=event.at,
            action=event.action,
            actor_email=event.actor_email,
            tenant_id=None if event.tenant_id is None else strawberry.ID(str(event.tenant_id)),
            subject_id=None if event.subject_id is None else strawberry.ID(str(event.subject_id)),
            detail=Json(event.detail),
            ip_address=event.ip_address,
        )


@strawberry.input
class AuditEventFilter:
    action: str | None = strawberry.UNSET
    tenant_id: strawberry.ID | None = strawberry.UNSET
    actor_email: str | None = strawberry.UNSET
    since: datetime | None = strawberry.UNSET
    until: datetime | None = strawberry.UNSET

    def read(self) -> EventFilter:
        return EventFilter(
            action=self.action or None,
            tenant_id=uuid_of(self.tenant_id) if self.tenant_id else None,
            actor_email=self.actor_email or None,
            since=self.since or None,
            until=self.until or None,
        )


@strawberry.type
class AuditEventConnection(Connection[AuditEvent]):
    @classmethod
    def of(cls, page: Page[Event], after: str | None) -> "AuditEventConnection":
        edges = edges_of(page, position=lambda event: Position(event.at, event.id), present=AuditEvent.of)
        return cls(edges=edges, page_info=page_info_of(page, edges, after))


async def list_audit_events(
    info: Info,
    first: int = 20,
    after: str | None = strawberry.UNSET,
    filter: AuditEventFilter | None = strawberry.UNSET,  # noqa: A002
) -> AuditEventConnection:
    viewer = await info.context.signed_in()
    wanted = filter.read() if filter else EventFilter()
    pagination.check_page_size(first)
    after = after or None
    page = await listing.list_events_for(viewer, wanted, first, read_cursor("after", after))
    return AuditEventConnection.of(page, after)
