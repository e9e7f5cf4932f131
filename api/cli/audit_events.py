"""`gatehouse audit`: the audit events, and new ones as they happen."""

import asyncio
import sys
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from api.cli.terminal import print_row, say, to_json
from api.command_error import CommandError

if TYPE_CHECKING:
    from uuid import UUID

    from api.domain.audit_events.listing import Event, EventFilter

POLL_INTERVAL = 1.0
"""Seconds between two queries for new events."""


def audit(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new events until Ctrl-C.")
    ] = False,
    action: Annotated[
        str | None, typer.Option(help="Only events with this action, such as tenant.suspended.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Only events of the tenant with this tax id or id.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Only events whose actor has this email address.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Only events from this day or time on: 2027-01-31 or '2027-01-31 12:00', in TIME_ZONE."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only events before this time, or until this day ends, in TIME_ZONE.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="The largest number of events; the newest are printed.")
    ] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each event.")] = False,
) -> None:
    """Show audit events: who did what, when and from where, the newest last."""
    from api.domain import times
    from api.domain.audit_events.listing import EventFilter

    earliest, latest = _parse_time(since), _parse_time(until)
    event_filter = EventFilter(
        action,
        None,
        actor,
        None if earliest is None else times.start(earliest),
        None if latest is None else times.next_start(latest),
    )
    asyncio.run(_print_events(event_filter, tenant, limit, follow=follow, as_json=json))


def _parse_time(text: str | None) -> date | None:
    if text is None:
        return None
    from api.domain import times
    from api.domain.errors import Problem

    try:
        return times.read_typed(text)
    except Problem:
        raise typer.BadParameter(f"{text!r} is not a time such as 2027-01-31 or '2027-01-31 12:00'") from None


async def _print_events(
    event_filter: "EventFilter", tenant: str | None, limit: int, *, follow: bool, as_json: bool
) -> None:
    from api.database.driver_errors import DISCONNECTED
    from api.domain.audit_events.listing import AuditTail

    tail = AuditTail(replace(event_filter, tenant_id=await _find_tenant_id(tenant)))
    if not as_json and not sys.stdout.isatty():
        print_row("at", "action", "actor", "address", "tenant", "subject", "detail")
    _print_lines(await tail.start(limit), as_json)
    disconnected = False
    while follow:
        await asyncio.sleep(POLL_INTERVAL)
        try:
            _print_lines(await tail.read_new(), as_json)
        except DISCONNECTED:
            # The command goes on, so that a tail survives an outage of a night.
            if not disconnected:
                say("gatehouse: the database cannot be reached; trying again every second", err=True)
            disconnected = True
        else:
            disconnected = False


async def _find_tenant_id(typed: str | None) -> "UUID | None":
    from api.domain.errors import NotFound
    from api.domain.tenants.listing import show_tenant

    if typed is None:
        return None
    try:
        return (await show_tenant(typed)).id
    except NotFound:
        raise CommandError(f"tenant {typed!r} not found; see: gatehouse tenants list") from None


def _print_lines(events: "list[Event]", as_json: bool) -> None:
    for event in events:
        if as_json:
            sys.stdout.write(f"{to_json(_event_fields(event)).decode()}\n")
        elif sys.stdout.isatty():
            sys.stdout.write(f"{_as_text(event)}\n")
        else:
            _print_row(event)
    sys.stdout.flush()


def _event_fields(event: "Event") -> dict[str, Any]:
    """An event with the field names of the API."""
    return {
        "id": event.id,
        "at": event.at,
        "action": event.action,
        "actorEmail": event.actor_email,
        "tenantId": event.tenant_id,
        "subjectId": event.subject_id,
        "detail": event.detail,
        "ipAddress": event.ip_address,
    }


def _print_row(event: "Event") -> None:
    from api import written_times

    print_row(
        written_times.short(event.at, seconds=True),
        event.action,
        event.actor_email,
        event.ip_address,
        event.tenant_id,
        event.subject_id,
        orjson.dumps(event.detail).decode() if event.detail else None,
    )


def _as_text(event: "Event") -> str:
    from api import written_times

    actor = event.actor_email or "-"
    parts = [
        written_times.short(event.at, seconds=True),
        f"{event.action:28}",
        actor if event.ip_address is None else f"{actor} ({event.ip_address})",
        "" if event.tenant_id is None else f"tenant={event.tenant_id}",
        "" if event.subject_id in (None, event.tenant_id) else f"subject={event.subject_id}",
        # JSON escapes line breaks and the control codes of terminals.
        orjson.dumps(event.detail).decode() if event.detail else "",
    ]
    return " ".join(filter(None, parts))
