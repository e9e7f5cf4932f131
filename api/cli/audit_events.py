"""`gatehouse audit`"""

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from api.cli.terminal import json_of, run
from api.command_error import CommandError

if TYPE_CHECKING:
    from api.domain.audit_events.listing import Event, EventFilter

PAUSE = 1.0
"""Seconds between two looks."""


def audit(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    action: Annotated[str | None, typer.Option(help="Only these, such as tenant.suspended.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant: its tax id, or its id.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this address did.")] = None,
    since: Annotated[str | None, typer.Option(help="Such as 2027-01-31 or 2027-01-31T12:00, UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to then, and not of that moment.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, of the latest.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each.")] = False,
) -> None:
    """Show who did what, when, from where: a line for each event, the latest last."""
    from api.domain.audit_events.listing import EventFilter

    run(
        _show(follow, tenant, EventFilter(action, None, actor, _instant(since), _instant(until)), limit, json)
    )


def _instant(written: str | None) -> datetime | None:
    if written is None:
        return None
    from api.domain import fields

    try:
        return fields.instant(written)
    except fields.Problem:
        raise typer.BadParameter(f"{written!r} is not a time such as 2027-01-31T12:00") from None


async def _show(follow: bool, tenant: str | None, wanted: "EventFilter", limit: int, as_json: bool) -> None:
    from api.database.driver_errors import DISCONNECTED
    from api.domain.audit_events.listing import AuditTail

    tail = AuditTail(replace(wanted, tenant_id=await _tenant_id(tenant)))
    _print(await tail.start(limit), as_json)
    away = False
    while follow:
        await asyncio.sleep(PAUSE)
        try:
            _print(await tail.read_new(), as_json)
        except DISCONNECTED:
            # Whoever follows wants to see what happens after a night's outage too.
            if not away:
                sys.stderr.write("gatehouse: the database is away; going on when it is back\n")
            away = True
        else:
            away = False


async def _tenant_id(typed: str | None) -> Any:
    from api.domain.errors import NotFound
    from api.domain.tenants.listing import show_tenant

    if typed is None:
        return None
    try:
        return (await show_tenant(typed)).id
    except NotFound:
        raise CommandError(f"there is no tenant {typed!r}; see: gatehouse tenants list") from None


def _print(events: "list[Event]", as_json: bool) -> None:
    for event in events:
        line = json_of(_as_api(event)).decode() if as_json else _in_words(event)
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _as_api(event: "Event") -> dict[str, Any]:
    """With the field names of the API."""
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


def _in_words(event: "Event") -> str:
    who = event.actor_email or "-"
    told = [
        f"{event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        f"{event.action:28}",
        who if event.ip_address is None else f"{who} ({event.ip_address})",
        "" if event.tenant_id is None else f"tenant={event.tenant_id}",
        "" if event.subject_id in (None, event.tenant_id) else f"subject={event.subject_id}",
        # As JSON, which has no line breaks and none of a terminal's control codes.
        orjson.dumps(event.detail).decode() if event.detail else "",
    ]
    return " ".join(filter(None, told))
