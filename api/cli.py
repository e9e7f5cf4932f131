"""`gatehouse …`: what operators and deployers type.

Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage; those of `db status` are
told with it.

Commands import what they need when they run: the database settings are read by importing `piccolo_conf`,
and `gatehouse --help` should neither need them nor wait for them.
"""

import asyncio
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.domain.errors import Conflict, DomainError, InvalidInput, NotFound
from api.errors import CommandFailed
from api.failures import terminal_line
from api.messages import message

T = TypeVar("T")

app = typer.Typer(
    name="gatehouse",
    help="The door of a closed beta.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="Issue beta keys and look after them.", no_args_is_help=True)
operators = typer.Typer(help="The people who look after keys and tenants.", no_args_is_help=True)
db = typer.Typer(help="The database and its migrations.", no_args_is_help=True)
mail = typer.Typer(help="The mails that Gatehouse sends.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(keys, name="keys")
app.add_typer(mail, name="mail")
app.add_typer(operators, name="operators")

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def main() -> None:
    """Run a command; every foreseeable failure is one line and exit code 1, never a traceback."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        # By default these end the process before the embedded server is stopped.
        signal.signal(ending, lambda number, _frame: sys.exit(128 + number))
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except DomainError as error:
        _fail(_tell(error))
    except Exception as error:
        if (told := terminal_line(error)) is None:
            raise
        _fail(told)


def _fail(told: str) -> None:
    sys.stderr.write(f"gatehouse: {' '.join(told.split())}\n")
    sys.exit(1)


def _tell(error: DomainError) -> str:
    if isinstance(error, InvalidInput):
        return "; ".join(
            f"{problem.name}: {message(problem.code, 'en', **problem.limits)}" for problem in error.problems
        )
    return message(error.code, "en")


@app.command()
def serve() -> None:
    """Serve the API on HOST and PORT until it is told to stop."""
    from api.serve import serve as run

    run()


@app.command()
def worker() -> None:
    """Send mails and clean up until it is told to stop; for servers that run with WORKER=off."""
    from api.mail.worker import run

    run()


@app.command()
def smoke(url: str) -> None:
    """Check a server that runs at URL; say what is wrong with it, and exit with 1 if anything is."""
    from api.smoke import run_smoke

    failed = run_smoke(url)
    for what in failed:
        typer.echo(what)
    if failed:
        raise typer.Exit(1)
    typer.echo("all is well")


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
    from api.domain.beta_keys import issue_keys

    issued = issue_keys(count, notes=notes, expires_at=expires_at)
    if json:
        _run(_stream_json(issued))
    else:
        _show_keys(_run(_all(issued)), json)


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
    _show_keys(_run(list_keys(status=wanted, limit=limit)), json)


@keys.command("show")
def keys_show(key: str, json: Json = False) -> None:
    """Show one beta key."""
    from api.domain.beta_keys import show_key

    found = _run_on(key, show_key(key))
    if json:
        _print_json(found)
    else:
        _show_keys([found], json)


@keys.command("revoke")
def keys_revoke(
    key: str,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the key.")] = None,
    json: Json = False,
) -> None:
    """Make an unused beta key admit nobody. It stays on record."""
    from api.domain.beta_keys import revoke_key

    try:
        revoked = _run_on(key, revoke_key(key, reason))
    except Conflict:
        raise CommandFailed(
            "this key is used or revoked already, so it cannot be revoked; see: gatehouse keys show"
        ) from None
    if json:
        _print_json(revoked)
    else:
        _show_keys([revoked], json)


def _run_on(key: str, work: Coroutine[Any, Any, T]) -> T:
    try:
        return _run(work)
    except NotFound:
        raise CommandFailed(f"there is no beta key {key!r}; see: gatehouse keys list") from None


def _show_keys(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        _print_json(rows)
        return
    _print_table(
        ("key", "status", "expires", "notes", "history"),
        [(row["key"], row["status"], row["expiresAt"], row["notes"], _history(row)) for row in rows],
    )


def _history(row: dict[str, Any]) -> str | None:
    if row["usedAt"] is not None:
        by = row["usedBy"]["businessName"] if row["usedBy"] else "a business that is gone"
        return f"used by {by}, {_cell(row['usedAt'])}"
    if row["revokedAt"] is not None:
        return f"revoked {_cell(row['revokedAt'])}: {row['revokedReason'] or 'no reason given'}"
    return None


@operators.command("add")
def operators_add(
    email: str,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Make an operator, and print a password once unless one is given."""
    from api.domain.operators import add_operator, generate_password

    password = _read_password() if password_stdin else generate_password()
    operator = _run(add_operator(email, password))
    typer.echo(f"operator {operator.email} added")
    if not password_stdin:
        typer.echo(f"password: {password}")


def _read_password() -> str:
    try:
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise CommandFailed("the password on standard input is not UTF-8") from None


@operators.command("list")
def operators_list(json: Json = False) -> None:
    """List the operators, the first one first."""
    from api.domain.operators import list_operators

    found = _run(list_operators())
    if json:
        _print_json(
            [
                {
                    "id": user.id,
                    "email": user.email,
                    "firstName": user.first_name,
                    "lastName": user.last_name,
                    "role": user.role,
                    "isActive": user.is_active,
                    "createdAt": user.created_at,
                }
                for user in found
            ]
        )
    else:
        _print_table(
            ("email", "active", "added"), [(user.email, user.is_active, user.created_at) for user in found]
        )


@mail.command("failed")
def mail_failed(
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the latest first.")] = 100,
    json: Json = False,
) -> None:
    """List the mails that could not be sent, and why. They are forgotten after 90 days."""
    from api.domain.mails import failed_mails

    found = _run(failed_mails(limit))
    if json:
        _print_json(
            [
                {
                    "id": mail.id,
                    "template": mail.template,
                    "recipient": mail.recipient,
                    "tries": mail.tries,
                    "error": mail.error,
                    "createdAt": mail.created_at,
                    "failedAt": mail.failed_at,
                }
                for mail in found
            ]
        )
    else:
        _print_table(
            ("recipient", "mail", "tries", "failed", "error"),
            [(mail.recipient, mail.template, mail.tries, mail.failed_at, mail.error) for mail in found],
        )


@db.command("status")
def db_status(json: Json = False) -> None:
    """Compare the database with the migrations. Exit code 0: up to date, 2: pending, 3: see to it."""
    from api.deploy.status import read_status

    status = _run(read_status())
    if json:
        _print_json(status.as_json())
    else:
        typer.echo(f"{len(status.applied)} applied, {len(status.pending)} pending")
        for migration_id in status.pending:
            late = ", though a newer one is applied: it came late, or its row was lost"
            told = late if migration_id in status.out_of_order else ""
            typer.echo(f"  {migration_id} is pending{told}; run: piccolo migrations forwards all")
        for migration_id in status.edited:
            typer.echo(f"  {migration_id} was edited after it was applied; restore its file")
        for migration_id in status.missing:
            typer.echo(f"  {migration_id} is applied, and its file is missing; restore it")
    if status.needs_a_person:
        raise typer.Exit(3)
    if status.pending:
        raise typer.Exit(2)


@db.command("verify")
def db_verify(json: Json = False) -> None:
    """Compare the tables with what the migrations build. Exit code 0: the same, 3: see to the differences."""
    from api.deploy.verify import verify
    from piccolo_conf import DB

    found = _run(verify(DB))
    if json:
        _print_json(found.as_json())
    else:
        for question in found.runbook:
            typer.echo(f"-- {question.sql};\n--   found: {', '.join(question.found) or 'nothing'}")
        for difference in found.differences:
            typer.echo(
                "\n".join([f"-- {difference.what}", *(f"{statement};" for statement in difference.sql)])
            )
        typer.echo("-- nothing differs" if found.clean else f"-- differences: {len(found.differences)}")
    if not found.clean:
        raise typer.Exit(3)


@db.command("adopt")
def db_adopt(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Take over a database of the old system.

    Exit code 0: done, or nothing to do; 1: it cannot be done; 3: a person has to look at something first.
    """
    from api.deploy.adopt import Plan, adopt
    from api.settings import get_settings
    from piccolo_conf import DB

    told: list[Plan] = []

    def tell(plan: Plan) -> None:
        told.append(plan)
        if json:
            _print_json(plan.as_json())
            return
        for change in plan.changes:
            typer.echo("\n    ".join([change.what, *change.sql]))
        for migration in plan.migrations:
            typer.echo(f"apply {migration.migration_id}: {migration.description}")
        for one in plan.undecided:
            typer.echo(f"first see to {one.what}: {', '.join(one.ids)}")

    _run(adopt(DB, get_settings().migration_lock_timeout, tell, dry_run=dry_run))
    if told[0].undecided:
        raise typer.Exit(3)
    if not json:
        typer.echo("nothing was changed" if dry_run or not told[0].migrations else "adopted")


@db.command("sql")
def db_sql(
    first: Annotated[str | None, typer.Option("--from", metavar="ID", help="The first migration.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="ID", help="The last migration.")] = None,
    backwards: Annotated[bool, typer.Option("--backwards", help="Undo them, the newest first.")] = False,
    json: Json = False,
) -> None:
    """Print the migrations as a script for psql, which can be run twice. It needs no database to do so."""
    from api.deploy.script import parts, script

    wanted = parts(first, last, backwards=backwards)
    if json:
        _print_json([asdict(part) for part in wanted])
    else:
        sys.stdout.write(script(wanted, backwards=backwards))


@db.command("forget")
def db_forget(
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking; it cannot be undone.")] = False,
) -> None:
    """Erase what undone migrations left in the schema gatehouse_undone."""
    from api.deploy.undone import forget
    from api.settings import get_settings
    from piccolo_conf import DB

    if not yes:
        raise CommandFailed("this erases rows for good; run: gatehouse db forget --yes")
    for what in _run(forget(DB, get_settings().migration_lock_timeout)):
        typer.echo(f"erased {what}")


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _print_json(value: Any) -> None:
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    # asyncpg has a UUID class of its own, which orjson does not know.
    sys.stdout.write(orjson.dumps(value, default=str, option=options).decode())


def _print_table(headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """A table; columns that are empty in every row are left out, so that what matters fits a terminal."""
    shown = [
        index for index in range(len(headings)) if index == 0 or any(row[index] is not None for row in rows)
    ]
    table = Table()
    for index in shown:
        table.add_column(headings[index], no_wrap=index < 2, overflow="fold")
    for row in rows:
        # As text, because Rich takes brackets and backslashes in a plain string for markup.
        table.add_row(*(Text(_cell(row[index])) for index in shown))
    Console().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return str(value)
