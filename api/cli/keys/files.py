"""`gatehouse keys export|import`: beta keys in files."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.files import new_file, seekable_file
from api.cli.keys.options import BatchOption, SearchOption, StatusOption, build_filter
from api.cli.terminal import say
from api.command_error import CommandError
from api.messages import message

if TYPE_CHECKING:
    from api.domain.csv_files import BadLines


class Format(StrEnum):
    csv = "csv"
    json = "json"


def export(
    format: Annotated[  # noqa: A002
        Format, typer.Option(help="In CSV, no cell can run as a formula in a spreadsheet.")
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
            metavar="FILE",
            help="CSV with a heading: key, notes, batch, expiresAt, recipientEmail, status, in English or "
            "Spanish; - is standard input.",
        ),
    ],
) -> None:
    """Import the available beta keys of a file, all or none; print each doubtful line with its number."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.beta_keys.file_import import import_keys
    from api.domain.csv_files import BadLines

    with seekable_file(file) as content:
        try:
            imported = asyncio.run(import_keys(SYSTEM_ACTOR, content, file.name))
        except BadLines as bad:
            raise refused_lines(bad, file, "nothing was imported") from None
    for status, lines in imported.unavailable.items():
        say(f"not imported, because they are {status.lower()}: {_lines(lines)}", err=True)
    if imported.ignored:
        say(f"columns that were not imported: {', '.join(imported.ignored)}", err=True)
    if imported.keys:
        say(f"{imported.keys} keys imported")
    else:
        say(f"there was nothing to import: {file} has no available keys")


def _lines(numbers: list[int]) -> str:
    """At most ten of the lines, and how many more there are."""
    shown = ", ".join(map(str, numbers[:10]))
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return f"{'line' if len(numbers) == 1 else 'lines'} {shown}{more}"


def refused_lines(bad: "BadLines", file: Path, consequence: str) -> CommandError:
    """Print each problem of a file, and return the error that says what did not happen."""
    for problem in bad.problems:
        place = f"line {problem.line}, {problem.column}" if problem.column else f"line {problem.line}"
        say(f"{place}: {message(problem.code, 'en', **problem.limits)}", err=True)
    shown = f"; the first {len(bad.problems)} are shown" if bad.count > len(bad.problems) else ""
    problems = "1 problem" if bad.count == 1 else f"{bad.count} problems"
    return CommandError(f"{consequence}: {problems} in {file}{shown}")
