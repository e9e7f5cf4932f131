"""`gatehouse keys …`"""

import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import orjson
import typer

from api.cli.terminal import Json, cell, print_json, print_table, run
from api.domain.errors import Conflict, NotFound
from api.errors import CommandFailed

T = TypeVar("T")

keys = typer.Typer(help="Issue beta keys and look after them.", no_args_is_help=True)


@keys.command("issue")
def keys_issue(
    count: Annotated[int, typer.Option(min=1, help="How many keys.")] = 1,
    notes: Annotated[str | None, typer.Option(help="What they are for; shown in listings.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="When they end: 30d, 12h, 45m, 2w, or a date such as 2027-01-31.")
    ] = None,
    json: Json = False,
) -> None:
    """Make new beta keys, all or none."""
    expires_at = None if expires is None else _instant(expires)
    from api.domain.audit import TERMINAL
    from api.domain.beta_keys import issue_keys

    issued = issue_keys(TERMINAL, count, notes=notes, expires_at=expires_at)
    if json:
        run(_stream_json(issued))
    else:
        _show_keys(run(_all(issued)), json)


async def _stream_json(rows: AsyncIterator[dict[str, Any]]) -> None:
    """Print rows in constant memory, and none of them before all are there."""
    with tempfile.TemporaryFile() as spool:
        before = b"["
        async for row in rows:
            spool.write(before + orjson.dumps(row, default=str, option=orjson.OPT_UTC_Z))
            before = b",\n"
        spool.write(b"]\n")
        spool.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(spool, sys.stdout.buffer)


async def _all(rows: AsyncIterator[T]) -> list[T]:
    return [row async for row in rows]


def _instant(written: str) -> datetime:
    units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    try:
        if relative := re.fullmatch(r"(\d{1,6})([mhdw])", written):
            instant = datetime.now(UTC) + timedelta(**{units[relative[2]]: int(relative[1])})
        else:
            instant = datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{written!r} is neither 30d, 12h, 45m, 2w nor a date") from None
    if instant <= datetime.now(UTC):
        raise typer.BadParameter(f"{written!r} is in the past")
    return instant


class Status(StrEnum):
    """The statuses of the API, in lower case, as a terminal takes them."""

    available = "available"
    used = "used"
    expired = "expired"
    revoked = "revoked"


@keys.command("list")
def keys_list(
    status: Annotated[Status | None, typer.Option(help="Only those of this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 100,
    json: Json = False,
) -> None:
    """List beta keys, the newest first."""
    from api.domain.beta_keys import BetaKeyStatus, list_keys

    wanted = None if status is None else BetaKeyStatus[status.name.upper()]
    _show_keys(run(list_keys(status=wanted, limit=limit)), json)


@keys.command("show")
def keys_show(key: str, json: Json = False) -> None:
    """Show one beta key."""
    from api.domain.beta_keys import show_key

    found = _run_on(key, show_key(key))
    if json:
        print_json(found)
    else:
        _show_keys([found], json)


@keys.command("revoke")
def keys_revoke(
    key: str,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the key.")] = None,
    json: Json = False,
) -> None:
    """Make an unused beta key admit nobody. It stays on record."""
    from api.domain.audit import TERMINAL
    from api.domain.beta_keys import revoke_key

    try:
        revoked = _run_on(key, revoke_key(TERMINAL, key, reason))
    except Conflict:
        raise CommandFailed(
            "this key is used or revoked already, so it cannot be revoked; see: gatehouse keys show"
        ) from None
    if json:
        print_json(revoked)
    else:
        _show_keys([revoked], json)


def _run_on(key: str, work: Coroutine[Any, Any, T]) -> T:
    try:
        return run(work)
    except NotFound:
        raise CommandFailed(f"there is no beta key {key!r}; see: gatehouse keys list") from None


def _show_keys(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    print_table(
        ("key", "status", "expires", "notes", "history"),
        [(row["key"], row["status"], row["expiresAt"], row["notes"], _history(row)) for row in rows],
    )


def _history(row: dict[str, Any]) -> str | None:
    if row["usedAt"] is not None:
        by = row["usedBy"]["businessName"] if row["usedBy"] else "a business that is gone"
        return f"used by {by}, {cell(row['usedAt'])}"
    if row["revokedAt"] is not None:
        return f"revoked {cell(row['revokedAt'])}: {row['revokedReason'] or 'no reason given'}"
    return None
