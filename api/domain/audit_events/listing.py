"""Reading audit events: page by page, and as a tail of new events."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from api import typed_text
from api.database.readers import may_read_replica
from api.database.scopes import read_platform, read_tenants
from api.domain.email_addresses import as_registered
from api.domain.errors import Forbidden
from api.domain.fields import can_be_stored
from api.domain.pagination import Page, Position, cut
from api.domain.roles import Role
from api.domain.viewer import Viewer


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; None does not filter. The span includes `since` and excludes `until`."""

    action: str | None = None
    tenant_id: UUID | None = None
    actor_email: str | None = None
    """In upper or lower case."""
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
    viewer: Viewer, event_filter: EventFilter, first: int, after: Position | None = None
) -> Page[Event]:
    """A page of all events for operators, and of their tenant's events for admins. Raises `Forbidden`."""
    within = tenant_of_events(viewer)
    return await list_events(event_filter, first, after, within=within)


def tenant_of_events(viewer: Viewer) -> UUID | None:
    """The tenant whose events the viewer may list; None if those of all. Raises `Forbidden`."""
    if viewer.user.role == Role.SUPER_ADMIN.value:
        return None
    if viewer.user.role != Role.ADMIN.value or viewer.tenant is None:
        raise Forbidden
    return viewer.tenant.id


@may_read_replica
async def list_events(
    event_filter: EventFilter, first: int, after: Position | None = None, within: UUID | None = None
) -> Page[Event]:
    """The next `first` events after `after`, the newest first; with `within`, only those of that tenant."""
    if after is not None and event_filter.until is not None and after.created_at < event_filter.until:
        # `after` implies `until`. Given both bounds, PostgreSQL may start its scan at the later one and skip
        # all events between them.
        event_filter = replace(event_filter, until=None)
    conditions, values = _conditions(event_filter)
    if within is not None:
        conditions.append('"tenantId" = {}')
        values.append(within)
    if after is not None:
        conditions.append("(at, id) < ({}, {})")
        values += after
    events = _EVENTS if within is None else _EVENTS_OF_TENANT
    query = f"{events} WHERE {' AND '.join(conditions)} ORDER BY at DESC, id DESC LIMIT {{}}"
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

OPERATOR = "operator"
"""The actor whom a tenant sees in place of an operator's address."""

_ACTS_OF_STAFF = (
    "account.%",
    "beta_key.used",
    "email.%",
    "guesses.refused",
    "password.%",
    "second_factor.%",
    "session.%",
    "staff.%",
    "tenant.registered",
    "tenant.updated",
)
"""What users do to their own tenant or account. The actor of any other act is masked, also of a new one."""


def _quoted(patterns: tuple[str, ...]) -> str:
    """Patterns of this file as texts of SQL."""
    return ", ".join(f"'{pattern}'" for pattern in patterns)


# An actor who is no user of the tenant is a removed user if staff do such acts, and an operator if not. Only
# operators reset a second factor.
# Masked before the conditions, so that no filter by actor confirms the address of an operator.
_EVENTS_OF_TENANT = f"""
SELECT id, at, action, "actorEmail" AS actor_email, "tenantId" AS tenant_id, "subjectId" AS subject_id,
       detail, "ipAddress" AS ip_address
  FROM (SELECT id, at, action, e."tenantId", "subjectId", detail,
               CASE WHEN {{is_operator}} THEN '{OPERATOR}' ELSE "actorEmail" END AS "actorEmail",
               CASE WHEN {{is_operator}} THEN NULL ELSE "ipAddress" END AS "ipAddress"
          FROM audit_events e) audit_events
""".replace(
    "{is_operator}",
    f"""e."actorId" IS NOT NULL AND (action NOT LIKE ALL(ARRAY[{_quoted(_ACTS_OF_STAFF)}])
             OR action = 'second_factor.reset')
        AND NOT EXISTS (SELECT FROM users u WHERE u.id = e."actorId" AND u."tenantId" = e."tenantId")""",
)


def _conditions(event_filter: EventFilter) -> tuple[list[str], list[Any]]:
    """SQL conditions, and a value for each `{}` in them."""
    every = {
        "action = {}": event_filter.action and typed_text.fold(event_filter.action[:100]),
        '"tenantId" = {}': event_filter.tenant_id,
        'lower("actorEmail") = lower({})': event_filter.actor_email
        and as_registered(event_filter.actor_email),
        "at >= {}": event_filter.since,
        "at < {}": event_filter.until,
    }
    used = {condition: value for condition, value in every.items() if value is not None}
    if not all(can_be_stored(value) for value in used.values() if isinstance(value, str)):
        return ["false"], []
    return ["true", *used], list(used.values())


def _event(row: Mapping[str, Any]) -> Event:
    return Event(**{**row, "detail": orjson.loads(row["detail"])})


class AuditTail:
    """Returns each new event exactly once, like `tail -f`.

    The time of an event is when its transaction began, so a long transaction commits events that are older
    than ones returned before. Each read therefore starts at the oldest transaction that was open at the
    previous read, and skips the events that were returned already.
    """

    def __init__(self, event_filter: EventFilter) -> None:
        self._filter = event_filter
        self._oldest_open = 0
        self._returned: set[UUID] = set()

    async def start(self, count: int) -> list[Event]:
        """The latest `count` events, the oldest first. `read_new` continues after them."""
        self._oldest_open = await self._find_oldest_open()
        # With a long transaction open, more than `count` events may be newer than it. None of them is new.
        before = await self._committed_since(self._oldest_open)
        events = (await list_events(self._filter, count)).items[::-1]
        self._returned = {event.id for event in (*before, *events)}
        return events

    async def read_new(self) -> list[Event]:
        """The events that were committed since the previous read, the oldest first."""
        oldest_open = await self._find_oldest_open()
        events = await self._committed_since(self._oldest_open)
        new = [event for event in events if event.id not in self._returned]
        self._oldest_open, self._returned = oldest_open, {event.id for event in events}
        return new

    async def _find_oldest_open(self) -> int:
        """The number of the oldest open transaction."""
        (row,) = await read_platform("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest")
        return row["oldest"]

    async def _committed_since(self, transaction: int) -> list[Event]:
        """The committed events of that transaction and of later ones."""
        conditions, values = _conditions(self._filter)
        query = f"{_EVENTS} WHERE {' AND '.join([*conditions, _SINCE])} ORDER BY at, id"
        return [_event(row) for row in await read_platform(query, *values, transaction)]


# A row has the lower 32 bits of the number of its transaction, which wrap around: hence modulo 2^32, where
# less than half the circle ahead is later. The condition on `at` is for the index; no transaction lasts a
# day.
_SINCE = """
at > now() - interval '1 day'
AND ((xmin::text::bigint - {}::bigint) & 4294967295) < 2147483648
"""
