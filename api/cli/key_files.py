"""`gatehouse keys export|import|send`: keys and addresses in files."""

import asyncio
import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, TextIO

import typer

from api.cli.files import new_file
from api.cli.keys import Language, Status, at_a_terminal, known_status
from api.cli.terminal import run
from api.command_error import CommandError
from api.domain.errors import InvalidInput, NotFound, RateLimited
from api.messages import message

key_files = typer.Typer()


class Format(StrEnum):
    csv = "csv"
    json = "json"


@key_files.command("export")
def keys_export(
    format: Annotated[Format, typer.Option(help="Cells of CSV are safe in a spreadsheet.")] = Format.csv,  # noqa: A002
    output: Annotated[Path | None, typer.Option(help="A new file; otherwise standard output.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only those of this status.")] = None,
    batch: Annotated[str | None, typer.Option(help="Only those of this batch.")] = None,
    search: Annotated[str | None, typer.Option(help="Part of the key, the notes or the recipient.")] = None,
) -> None:
    """Write beta keys out, in no order."""
    from api.domain.beta_keys.file_export import export_csv, export_json
    from api.domain.beta_keys.listing import KeyFilter

    wanted = KeyFilter(known_status(status), batch, search)
    write = export_csv if format is Format.csv else export_json
    if output is None:
        run(write(wanted, sys.stdout.buffer))
    else:
        with new_file(output) as file:
            count = run(write(wanted, file.buffer))
        typer.echo(f"{count} keys in {output}")


@key_files.command("import")
def keys_import(
    file: Annotated[Path, typer.Argument(help="CSV with a heading: key, notes, batch, expiresAt, …")],
) -> None:
    """Take keys over that were made elsewhere, all or none; each bad line is told by its number."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.beta_keys.file_import import BadLines, import_keys

    with _opened(file) as text:
        try:
            count = run(import_keys(SYSTEM_ACTOR, text, file.name))
        except BadLines as bad:
            for problem in bad.problems:
                what = message(problem.code, "en", **problem.limits)
                typer.echo(f"line {problem.line}, {problem.column}: {what}", err=True)
            more = f"; the first {len(bad.problems)} are told" if bad.count > len(bad.problems) else ""
            raise CommandError(f"nothing was taken over: {bad.count} problems in {file}{more}") from None
    typer.echo(f"{count} keys taken over")


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    """Raises `CommandError` for a file that cannot be read."""
    try:
        # Spreadsheets begin UTF-8 with a mark of their own.
        text = file.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        # Of later ones it would not be known whether they come from the database, which is told as such.
        raise CommandError(f"{file} cannot be read ({error.strerror})") from None
    try:
        with text:
            yield text
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not in UTF-8; save it as CSV in UTF-8") from None


@key_files.command("send")
def keys_send(
    batch: Annotated[str, typer.Option(help="Whose keys.")],
    to: Annotated[Path, typer.Option(help="A CSV file with a column email, or an address a line.")],
    language: Annotated[Language, typer.Option(help="Of the invitations.")] = Language.en,
) -> None:
    """Mail each address a key of a batch, unless it was sent one before. Safe to stop, and to run again."""
    with _opened(to) as text:
        try:
            addresses = list(_addresses(text))
        except csv.Error as error:
            raise CommandError(f"{to} is not CSV ({error}); is a quotation mark missing?") from None
    failed = run(_send_all(batch, addresses, language))
    if failed:
        raise CommandError(f"{failed} of {len(addresses)} were not sent a key; mend that, and run it again")


def _addresses(text: TextIO) -> Iterator[str]:
    from api.domain.beta_keys.file_import import delimiter_of

    top = text.readline()
    lines = csv.reader(chain([top], text), delimiter=delimiter_of(top))
    rows = ([cell.strip() for cell in row] for row in lines if any(cell.strip() for cell in row))
    first = next(rows, [])
    heading = [cell.lower() for cell in first]
    column = heading.index("email") if "email" in heading else 0
    if first and "email" not in heading:
        yield first[0]
    for row in rows:
        yield row[column] if column < len(row) else ""


async def _send_all(batch: str, addresses: list[str], language: Language) -> int:
    """Print a line for each address; returns how many have no key."""
    from api.domain.beta_keys.invitations import invite

    actor = at_a_terminal(language)
    failed = 0
    for address in addresses:
        while True:
            try:
                outcome = "sent" if await invite(actor, batch, address) else "was sent one before"
            except RateLimited as limited:
                await _wait(limited.retry_after_seconds)
                continue
            except InvalidInput:
                failed, outcome = failed + 1, "is not an email address"
            except NotFound:
                failed, outcome = failed + 1, f"no key of the batch {batch} is left"
            break
        typer.echo(f"{address}: {outcome}")
    return failed


async def _wait(seconds: int) -> None:
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    typer.echo(f"enough invitations for an hour; going on at {until:%H:%M} UTC", err=True)
    await asyncio.sleep(seconds)
