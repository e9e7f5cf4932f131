"""Printing sentences, and the result of a command as JSON, as a table for a terminal, or tab-separated."""

import re
import sys
from datetime import datetime
from shutil import get_terminal_size
from typing import Annotated, Any

import orjson
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from api.terminal_language import in_terminal_language

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

GAP = "  "
"""Between two columns in a terminal."""
NARROWEST = 6
SHORT = 12
"""The second column is not narrowed if it is not wider than this, as the status of a key."""


def say(sentence: str, *, err: bool = False) -> None:
    """Print an English sentence in the language of the terminal. Its Spanish is in `api/spanish/`."""
    typer.echo(in_terminal_language(sentence), err=err)


def confirm(question: str) -> None:
    """Ask on standard error. Raises `typer.Abort` unless the answer is yes."""
    answer = typer.prompt(in_terminal_language(f"{question} [y/N]"), "", show_default=False, err=True)
    if answer.strip().casefold() not in ("y", "yes", "s", "si", "sí"):
        raise typer.Abort


def to_json(value: Any, options: int = 0) -> bytes:
    # `default=str` is for asyncpg's own UUID class, which orjson does not know.
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z | options)


def print_json(value: Any) -> None:
    # As bytes, because JSON is in UTF-8 whatever the encoding of the terminal is.
    sys.stdout.flush()
    sys.stdout.buffer.write(to_json(value, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def print_table(headings: tuple[str, ...], rows: list[tuple[Any, ...]], lines: int | None = None) -> None:
    """Print rows: to a terminal in columns, each row in at most `lines` lines; elsewhere tab-separated.

    In a terminal, columns that are empty in every row are left out, so that the others fit, and headings are
    in its language; elsewhere they are the same in every language, so that programs can rely on them.
    """
    if not sys.stdout.isatty():
        for row in (headings, *rows):
            print_row(*row)
        return
    texts = [tuple(map(_as_cell, row)) for row in rows]
    headings = tuple(map(in_terminal_language, headings))
    shown = [index for index in range(len(headings)) if index == 0 or any(row[index] for row in texts)]
    table = [[row[index] for index in shown] for row in (headings, *texts)]
    widths = _widths(table)
    for number, row in enumerate(table):
        for line in _wrap(row, widths, lines):
            typer.echo(typer.style(line, bold=number == 0))


def print_row(*values: Any) -> None:
    """Print values separated by tabs."""
    sys.stdout.write("\t".join(map(_as_cell, values)) + "\n")


def _as_cell(value: Any) -> str:
    # A database of the old system may hold the control codes of terminals, and marks of direction, which turn
    # the rest of the line around.
    text = re.sub("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", format_value(value))
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())


def print_finding(status: str, check: str, found: str) -> None:
    """A line of `gatehouse doctor`: in columns for a terminal, elsewhere tab-separated."""
    if sys.stdout.isatty():
        say(
            f"{in_terminal_language(status):8} {in_terminal_language(check):16} {in_terminal_language(found)}"
        )
    else:
        print_row(status, check, in_terminal_language(found))


def in_table(text: str) -> str:
    """An English heading, or an English sentence in a cell, as `print_table` prints it."""
    return in_terminal_language(text) if sys.stdout.isatty() else text


def format_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return in_table(str(value))
    if isinstance(value, datetime):
        from api import written_times

        return written_times.short(value)
    return str(value)


def _widths(table: list[list[str]]) -> list[int]:
    """The width of each column in characters of the terminal; the widest ones are narrowed until all fit."""
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    narrowed = [index for index, width in enumerate(widths) if index > 1 or (index == 1 and width > SHORT)]
    available = get_terminal_size().columns - len(GAP) * (len(widths) - 1)
    while sum(widths) > available and narrowed:
        widest = max(narrowed, key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    return widths


def _wrap(row: list[str], widths: list[int], lines: int | None) -> list[str]:
    """The lines of a row in a terminal; what does not fit ends with an ellipsis."""
    console = Console()
    cells: list[list[str]] = []
    for text, width in zip(row, widths, strict=True):
        wrapped = [line.plain for line in Text(text).wrap(console, width, overflow="fold")] or [""]
        if lines is not None and len(wrapped) > lines:
            last = Text(" ".join(wrapped[lines - 1 :]))
            last.truncate(width, overflow="ellipsis")
            wrapped = [*wrapped[: lines - 1], last.plain]
        cells.append(wrapped)
    return [
        GAP.join(
            cell[number] + " " * (width - cell_len(cell[number])) if number < len(cell) else " " * width
            for cell, width in zip(cells, widths, strict=True)
        ).rstrip()
        for number in range(max(map(len, cells)))
    ]
