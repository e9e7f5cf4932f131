"""`gatehouse keys …`"""

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine
from csv import writer
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from api.cli.files import new_file, progress, write_out
from api.cli.terminal import Json, cell, json_of, print_json, print_table, run
from api.command_error import CommandError
from api.domain.errors import Conflict, NotFound

if TYPE_CHECKING:
    from uuid import UUID

    from api.domain.actors import Actor
    from api.domain.beta_keys.issue import IssueOptions, NewKey
    from api.domain.beta_keys.listing import ListedKey
    from api.domain.beta_keys.status import BetaKeyStatus

    Issue = Callable[[Callable[[list[NewKey]], object]], Coroutine[Any, Any, None]]

T = TypeVar("T")

MAX_PRINTED = 10_000
"""Keys of a table, which is laid out in memory."""


class Language(StrEnum):
    """Of invitations."""

    en = "en"
    es = "es"


keys = typer.Typer(help="Issue beta keys and look after them.", no_args_is_help=True)


@keys.command("issue")
def keys_issue(
    count: Annotated[int, typer.Option(min=1, help="How many keys.")] = 1,
    notes: Annotated[str | None, typer.Option(help="What they are for; shown in listings.")] = None,
    batch: Annotated[str | None, typer.Option(help="What they are listed, counted and sent by.")] = None,
    recipient: Annotated[str | None, typer.Option(help="The address that one key is for.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="When they end: 30d, 12h, 45m, 2w, or a date such as 2027-01-31.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="A new file to write them to.")] = None,
    json: Json = False,
) -> None:
    """Make new beta keys, all or none."""
    if csv is not None and json:
        raise typer.BadParameter("--csv and --json exclude one another")
    if count > MAX_PRINTED and csv is None and not json:
        raise typer.BadParameter(f"more than {MAX_PRINTED:,} keys want a file: --csv keys.csv")
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.beta_keys.issue import issue_keys, read_options

    options = read_options(
        count,
        notes=notes,
        batch=batch,
        recipient_email=recipient,
        expires_at=None if expires is None else _instant(expires),
    )
    issue = partial(issue_keys, SYSTEM_ACTOR, count, options)
    if csv is not None:
        _issue_csv(csv, count, options, issue)
        typer.echo(f"{count} keys in {csv}")
    elif json:
        _issue_json(options, issue)
    else:
        issued: list[NewKey] = []
        run(issue(issued.extend))
        _show_keys([_as_new(new, options) for new in issued], json)


def _issue_csv(path: Path, count: int, options: "IssueOptions", issue: "Issue") -> None:
    """Nothing is issued that is not on the disk by then, and the file gets its name once it is issued."""
    from api.domain.beta_keys.file_export import formula_safe

    common = [formula_safe(text or "") for text in (options.notes, options.batch, options.recipient_email)]
    expires = options.expires_at.isoformat() if options.expires_at else ""
    left, issued = count, False
    try:
        with new_file(path) as file, progress(count) as advance:
            lines = writer(file)
            lines.writerow(("key", "notes", "batch", "recipientEmail", "expiresAt"))

            def take(keys: "list[NewKey]") -> None:
                nonlocal left
                lines.writerows((new.key, *common, expires) for new in keys)
                advance(len(keys))
                left -= len(keys)
                if left == 0:
                    write_out(file)

            run(issue(take))
            issued = True
    except CommandError as failed:
        if not issued:
            raise
        raise CommandError(f"the keys are issued, but {failed}; see: gatehouse keys export") from None


def _issue_json(options: "IssueOptions", issue: "Issue") -> None:
    """Print rows in constant memory, and none of them before all are there."""
    with tempfile.TemporaryFile() as spool:

        def take(keys: "list[NewKey]") -> None:
            for new in keys:
                spool.write((b",\n" if spool.tell() else b"[") + json_of(_as_new(new, options)))

        run(issue(take))
        spool.write(b"]\n")
        spool.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(spool, sys.stdout.buffer)


def _as_new(new: "NewKey", options: "IssueOptions") -> dict[str, Any]:
    """With the field names of the API."""
    return {
        "id": new.id,
        "key": new.key,
        "status": "AVAILABLE",
        "notes": options.notes,
        "batch": options.batch,
        "recipientEmail": options.recipient_email,
        "expiresAt": options.expires_at,
        "sentAt": None,
        "usedAt": None,
        "usedBy": None,
        "revokedAt": None,
        "revokedReason": None,
        "createdAt": new.created_at,
    }


def _as_listed(listed: "ListedKey") -> dict[str, Any]:
    row, by = listed.row, listed.used_by
    return {
        "id": row.id,
        "key": row.key,
        "status": listed.status.value,
        "notes": row.notes,
        "batch": row.batch,
        "recipientEmail": row.recipient_email,
        "expiresAt": row.expires_at,
        "sentAt": row.sent_at,
        "usedAt": row.used_at,
        "usedBy": None if by is None else {"id": by.id, "businessName": by.business_name},
        "revokedAt": row.revoked_at,
        "revokedReason": row.revoked_reason,
        "createdAt": row.created_at,
    }


def _instant(written: str) -> datetime:
    from api.domain import fields

    units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    try:
        if relative := re.fullmatch(r"(\d{1,6})([mhdw])", written):
            instant = datetime.now(UTC) + timedelta(**{units[relative[2]]: int(relative[1])})
        else:
            instant = fields.instant(written)
    except (fields.Problem, OverflowError):
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
    batch: Annotated[str | None, typer.Option(help="Only those of this batch.")] = None,
    search: Annotated[str | None, typer.Option(help="Part of the key, the notes or the recipient.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 100,
    json: Json = False,
) -> None:
    """List beta keys, the newest first."""
    from api.domain.beta_keys.listing import KeyFilter, list_keys

    wanted = KeyFilter(known_status(status), batch, search)
    _show_keys([_as_listed(listed) for listed in run(list_keys(wanted, limit)).items], json)


def known_status(status: Status | None) -> "BetaKeyStatus | None":
    from api.domain.beta_keys.status import BetaKeyStatus

    return None if status is None else BetaKeyStatus[status.name.upper()]


@keys.command("stats")
def keys_stats(
    batch: Annotated[str | None, typer.Option(help="Of this batch only.")] = None, json: Json = False
) -> None:
    """Count beta keys by what has become of them."""
    from api.domain.beta_keys.listing import key_stats

    stats = run(key_stats(batch))
    counts = {**asdict(stats), "usagePercentage": stats.usage_percentage}
    if json:
        print_json(counts)
    else:
        print_table(tuple(counts), [tuple(counts.values())])


@keys.command("show")
def keys_show(key: str, json: Json = False) -> None:
    """Show one beta key."""
    _show_key(_run_on(key, _look_up(key)), json)


@keys.command("update")
def keys_update(
    key: str,
    notes: Annotated[str | None, typer.Option(help="What it is for; '' for none.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="When it ends, as keys issue takes it; '' for never.")
    ] = None,
    json: Json = False,
) -> None:
    """Change the notes of a beta key, or when it ends; what is not given stays."""
    given: dict[str, Any] = {}
    if notes is not None:
        given["notes"] = notes
    if expires is not None:
        given["expiresAt"] = _instant(expires) if expires else None
    if not given:
        raise typer.BadParameter("give --notes, --expires or both")
    _show_key(_run_on(key, _update(key, given)), json)


@keys.command("invite")
def keys_invite(
    key: str,
    email: Annotated[str, typer.Argument(help="The address that the key is for from then on.")],
    language: Annotated[Language, typer.Option(help="Of the invitation.")] = Language.en,
    json: Json = False,
) -> None:
    """Mail somebody an invitation with a beta key; again to the same address, after a pause."""
    try:
        invited = _run_on(key, _invite(key, email, language))
    except Conflict:
        raise CommandError(
            "this key admits nobody, or is somebody else's, so it cannot be sent; see: gatehouse keys show"
        ) from None
    _show_key(invited, json)


@keys.command("revoke")
def keys_revoke(
    key: str,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the key.")] = None,
    json: Json = False,
) -> None:
    """Make an unused beta key admit nobody. It stays on record."""
    try:
        revoked = _run_on(key, _revoke(key, reason))
    except Conflict:
        raise CommandError(
            "this key is used or revoked already, so it cannot be revoked; see: gatehouse keys show"
        ) from None
    _show_key(revoked, json)


async def _look_up(key: str) -> dict[str, Any]:
    from api.domain.beta_keys.listing import show_key

    return _as_listed(await show_key(key))


def at_a_terminal(language: Language) -> "Actor":
    """Whoever types the command, who wants what is mailed in this language."""
    from api.domain.actors import Actor, Client

    return Actor(None, None, Client(language=language.value))


async def _update(key: str, given: dict[str, Any]) -> dict[str, Any]:
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.beta_keys.editing import update_key

    await update_key(SYSTEM_ACTOR, await _id_of(key), given)
    return await _look_up(key)


async def _invite(key: str, email: str, language: Language) -> dict[str, Any]:
    from api.domain.beta_keys.invitations import send_key

    await send_key(at_a_terminal(language), await _id_of(key), email)
    return await _look_up(key)


async def _revoke(key: str, reason: str | None) -> dict[str, Any]:
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.beta_keys.editing import revoke_key

    await revoke_key(SYSTEM_ACTOR, await _id_of(key), reason)
    return await _look_up(key)


async def _id_of(key: str) -> "UUID":
    from api.domain.beta_keys.lookup import find_key

    state = await find_key(key)
    if state is None:
        raise NotFound
    return state.id


def _show_key(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(row)
    else:
        _show_keys([row], as_json)


def _run_on(key: str, work: Coroutine[Any, Any, T]) -> T:
    try:
        return run(work)
    except NotFound:
        raise CommandError(f"there is no beta key {key!r}; see: gatehouse keys list") from None


def _show_keys(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    print_table(
        ("key", "status", "batch", "for", "expires", "notes", "history"),
        [
            (
                row["key"],
                row["status"],
                row["batch"],
                row["recipientEmail"],
                row["expiresAt"],
                row["notes"],
                _history(row),
            )
            for row in rows
        ],
    )


def _history(row: dict[str, Any]) -> str | None:
    if row["usedAt"] is not None:
        by = row["usedBy"]["businessName"] if row["usedBy"] else "a business that is gone"
        return f"used by {by}, {cell(row['usedAt'])}"
    if row["revokedAt"] is not None:
        return f"revoked {cell(row['revokedAt'])}: {row['revokedReason'] or 'no reason given'}"
    return None if row["sentAt"] is None else f"sent {cell(row['sentAt'])}"
