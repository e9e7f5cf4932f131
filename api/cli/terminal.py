"""Printing the result of a command as JSON or as a table."""

import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def to_json(value: Any, options: int = 0) -> bytes:
    # `default=str` is for asyncpg's own UUID class, which orjson does not know.
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z | options)


def print_json(value: Any) -> None:
    sys.stdout.write(to_json(value, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def print_table(headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """A table without the columns that are empty in every row, so that the others fit a terminal."""
    shown = [
        index for index in range(len(headings)) if index == 0 or any(row[index] is not None for row in rows)
    ]
    table = Table()
    for index in shown:
        table.add_column(headings[index], no_wrap=index < 2, overflow="fold")
    for row in rows:
        # As `Text`, because Rich reads brackets and backslashes in a plain string as markup.
        table.add_row(*(Text(format_value(row[index])) for index in shown))
    Console().print(table)


def format_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return str(value)
