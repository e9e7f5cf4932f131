"""`gatehouse keys export|import|send`: beta keys and email addresses in files."""

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
from api.cli.keys.options import (
    BatchOption,
    Language,
    LanguageOption,
    SearchOption,
    StatusOption,
    actor_with_language,
    build_filter,
)
from api.cli.terminal import say
from api.command_error import CommandError
from api.domain.errors import InvalidInput, NotFound, RateLimited
from api.messages import message
from api.terminal_language import terminal_language


class Format(StrEnum):
    csv = "csv"
    json = "json"


def export(
    format: Annotated[  # noqa: A002
        Format,
        typer.Option(case_sensitive=False, help="In CSV, no cell can run as a formula in a spreadsheet."),
    ] = Format.csv,
    output: Annotated[
        Path | None, typer.Option(help="Write to this new file instead of standard output.")
    ] = None,
    status: StatusOption = None,
    batch: BatchOption = None,
    search: SearchOption = None,
) -> None:
    """Write beta keys as CSV or JSON, in no particular order."""
    from api.domain.beta_keys.file_export import export_csv, export_json

    key_filter = build_filter(status, batch, search)
    write = export_csv if format is Format.csv else export_json
    if output is None:
        asyncio.run(write(key_filter, sys.stdout.buffer))
    else:
        with new_file(output) as file:
            count = asyncio.run(write(key_filter, file.buffer))
        say(f"{count} keys written to {output}")


def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="CSV with a heading: key, notes, batch, expiresAt, recipientEmail."
        ),
    ],
) -> None:
    """Import beta keys that another system issued, all or none; print each bad line with its number."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.beta_keys.file_import import BadLines, import_keys

    with _open_text(file) as text:
        try:
            count = asyncio.run(import_keys(SYSTEM_ACTOR, text, file.name))
        except BadLines as bad:
            for problem in bad.problems:
                description = message(problem.code, terminal_language(), **problem.limits)
                say(f"line {problem.line}, {problem.column}: {description}", err=True)
            shown = f"; the first {len(bad.problems)} are shown" if bad.count > len(bad.problems) else ""
            raise CommandError(f"nothing was imported: {bad.count} problems in {file}{shown}") from None
    say(f"{count} keys imported")


@contextmanager
def _open_text(file: Path) -> Iterator[TextIO]:
    """Raises `CommandError` for a file that cannot be opened or is not UTF-8."""
    try:
        # Spreadsheets write a byte order mark, which `utf-8-sig` skips.
        text = file.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        # Only here: an OSError inside the block may come from the database connection.
        raise CommandError(f"{file} cannot be read ({error.strerror})") from None
    try:
        with text:
            yield text
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not in UTF-8; save it as CSV in UTF-8") from None


def send(
    batch: Annotated[str, typer.Option(help="The batch whose keys are sent.")],
    to: Annotated[
        Path, typer.Option(help="A file of addresses: one a line, or CSV with a column named email.")
    ],
    language: LanguageOption = Language.en,
) -> None:
    """Mail each address one key of a batch; an address that has one gets no other. Safe to run again."""
    with _open_text(to) as text:
        try:
            addresses = list(_read_addresses(text))
        except csv.Error as error:
            raise CommandError(f"{to} is not CSV ({error}); is a quotation mark missing?") from None
    failed = asyncio.run(_send_all(batch, addresses, language))
    if failed:
        raise CommandError(
            f"{failed} of {len(addresses)} addresses got no key; fix the cause above and run this again"
        )


def _read_addresses(text: TextIO) -> Iterator[str]:
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
    """Print a line for each address. Returns the number of addresses that got no key."""
    from api.domain.beta_keys.invitations import invite

    actor = actor_with_language(language)
    failed = 0
    for address in addresses:
        while True:
            try:
                outcome = "sent" if await invite(actor, batch, address) else "already has a key"
            except RateLimited as limited:
                await _wait(limited.retry_after_seconds)
                continue
            except InvalidInput:
                failed, outcome = failed + 1, "is not a valid email address"
            except NotFound:
                failed, outcome = failed + 1, f"batch {batch} has no keys left"
            break
        say(f"{address}: {outcome}")
    return failed


async def _wait(seconds: int) -> None:
    from api import written_times

    until = datetime.now(UTC) + timedelta(seconds=seconds)
    say(f"hourly limit of invitations reached; continuing at {written_times.short(until)}", err=True)
    await asyncio.sleep(seconds)
