"""The record as it is read: page by page, and by whoever follows it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from api.database.scopes import read_platform, read_tenants
from api.domain.errors import Forbidden
from api.domain.fields import can_be_stored
from api.domain.pagination import Page, Position, cut
from api.domain.roles import Role
from api.domain.viewer import Viewer


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; `since` belongs to the span, `until` does not."""

    action: str | None = None
    tenant_id: UUID | None = None
    actor_email: str | None = None
    """In any case."""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    id: UUID
    at: datetime
    action: str
    actor_email: str | None
    tenant_id: UUID | None
    subject_id: UUID | None
    detail: dict[str, Any]
    ip_address: str | None


async def list_events_for(
    viewer: Viewer, wanted: EventFilter, first: int, after: Position | None = None
) -> Page[Event]:
    """A page of all events for operators, of their tenant's for admins. Raises `Forbidden`."""
    if viewer.user.role == Role.SUPER_ADMIN.value:
        return await list_events(wanted, first, after)
    if viewer.user.role != Role.ADMIN.value or viewer.tenant is None:
        raise Forbidden
    return await list_events(wanted, first, after, within=viewer.tenant.id)


async def list_events(
    wanted: EventFilter, first: int, after: Position | None = None, within: UUID | None = None
) -> Page[Event]:
    """The `first` events that come after `after`, the newest first; with `within`, of that tenant alone."""
    if after is not None and wanted.until is not None and after.created_at < wanted.until:
        # Of two bounds PostgreSQL begins at the one that it likes, and passes over all between them.
        wanted = replace(wanted, until=None)
    conditions, values = _conditions(wanted)
    if within is not None:
        conditions.append('"tenantId" = {}')
        values.append(within)
    if after is not None:
        conditions.append("(at, id) < ({}, {})")
        values += after
    query = f"{_EVENTS} WHERE {' AND '.join(conditions)} ORDER BY at DESC, id DESC LIMIT {{}}"
    values.append(first + 1)
    if within is None:
        rows = await read_platform(query, *values)
    else:
        rows = await read_tenants([within], query, *values)
    return cut([_event(row) for row in rows], first)


_EVENTS = """
SELECT id, at, action, "actorEmail" AS actor_email, "tenantId" AS tenant_id, "subjectId" AS subject_id,
       detail, "ipAddress" AS ip_address
  FROM audit_events
"""


def _conditions(wanted: EventFilter) -> tuple[list[str], list[Any]]:
    """Conditions, and a value for each place in them."""
    given = {
        "action = {}": wanted.action,
        '"tenantId" = {}': wanted.tenant_id,
        'lower("actorEmail") = lower({})': wanted.actor_email,
        "at >= {}": wanted.since,
        "at < {}": wanted.until,
    }
    found = {condition: value for condition, value in given.items() if value is not None}
    if not all(can_be_stored(value) for value in found.values() if isinstance(value, str)):
        return ["false"], []
    return ["true", *found], list(found.values())


def _event(row: Mapping[str, Any]) -> Event:
    return Event(**{**row, "detail": orjson.loads(row["detail"])})


class Following:
    """Tells each event once, however late its transaction ends.

    An event bears the time at which its transaction began, so that one may turn up behind others that were
    told before. Therefore each reading goes back to the oldest transaction that was open at the one before.
    """

    def __init__(self, wanted: EventFilter) -> None:
        self._wanted = wanted
        self._oldest_open = 0
        self._told: set[UUID] = set()

    async def begin(self, count: int) -> list[Event]:
        """The last `count` events until now, the oldest first; what comes after them is news."""
        self._oldest_open = await self._find_oldest_open()
        # Beside a long transaction there may be more of them than are told, and these are no news either.
        before = await self._since(self._oldest_open)
        events = (await list_events(self._wanted, count)).items[::-1]
        self._told = {event.id for event in (*before, *events)}
        return events

    async def news(self) -> list[Event]:
        """What has been committed since the last time, the oldest first."""
        oldest_open = await self._find_oldest_open()
        events = await self._since(self._oldest_open)
        news = [event for event in events if event.id not in self._told]
        self._oldest_open, self._told = oldest_open, {event.id for event in events}
        return news

    async def _since(self, oldest_open: int) -> list[Event]:
        """What that transaction and those after it wrote, as far as it is committed."""
        conditions, values = _conditions(self._wanted)
        query = f"{_EVENTS} WHERE {' AND '.join([*conditions, _SINCE])} ORDER BY at, id"
        return [_event(row) for row in await read_platform(query, *values, oldest_open)]

    async def _find_oldest_open(self) -> int:
        (row,) = await read_platform("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest")
        return row["oldest"]


# A row knows the lower half of the number of its transaction, which is compared as on a clock's face. The day
# is there for the index; no transaction lasts as long.
_SINCE = """
at > now() - interval '1 day'
AND ((xmin::text::bigint - {}::bigint) & 4294967295) < 2147483648
"""
