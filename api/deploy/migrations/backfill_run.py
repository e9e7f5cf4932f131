"""Runs the SQL of a `Backfill`, and shows its progress."""

import re
import sys
import time
from collections.abc import Callable
from typing import Any

import asyncpg

from api.database.engine import get_engine
from api.database.scopes import PLATFORM
from api.deploy.migrations import retained_data
from api.deploy.migrations.backfill import Backfill

Report = Callable[[str], object]
"""Prints a text; line breaks are part of it."""


LINE_INTERVAL = 10.0
"""Seconds between two lines of progress, without a terminal."""

BAR_WIDTH = 30

ERASE_LINE = "\r\x1b[K"

SESSION_SETTINGS = "SET client_min_messages = warning; SET statement_timeout = 0;"
"""The whole backfill is one statement; a timeout of the role would end it."""

_OF_TOTAL = re.compile(r"(\S+): ([\d,]+) of ([\d,]+) rows")


class Lines:
    """A `Report` that knows whether the next text begins a line."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.at_start = True

    def __call__(self, text: str) -> None:
        self._report(text)
        self.at_start = text.endswith(("\n", ERASE_LINE))

    def end_step(self, text: str) -> None:
        """Print `text` in the line of the step, or indented, if others have followed that."""
        self(f"{'  ' * self.at_start}{text}\n")


async def run_backfill(statement: str, report: Lines) -> None:
    """Run the statement of a `Backfill`, or the one that restores its old values.

    Raises `CommandError` if it refuses. When this process is killed, PostgreSQL ends the statement within a
    second or two, after the batch that it is in.
    """
    progress = _Progress(report)

    def listen(_connection: Any, message: Any) -> None:
        if message.severity_en == "INFO":
            progress.show(message.message)

    async with get_engine().separate_connection() as connection:
        await connection.execute(f"{SESSION_SETTINGS} SET client_connection_check_interval = '1s'")
        connection.add_log_listener(listen)
        try:
            await retained_data.execute(connection, statement)
        finally:
            connection.remove_log_listener(listen)
            progress.end()


class _Progress:
    """A bar at a terminal, a line every `LINE_INTERVAL` seconds elsewhere; and a line for other messages."""

    def __init__(self, report: Lines) -> None:
        self._report = report
        self._draws = sys.stdout.isatty()
        self._next_line = time.monotonic() + LINE_INTERVAL
        self._has_bar = False

    def show(self, message: str) -> None:
        found = _OF_TOTAL.fullmatch(message)
        if found is not None and self._draws:
            done, total = (int(number.replace(",", "")) for number in found.group(2, 3))
            self._write(f"{found[1]} {_bar(done, total)} {found[2]} of {found[3]} rows", ends=False)
        elif found is None or time.monotonic() > self._next_line:
            self._next_line = time.monotonic() + LINE_INTERVAL
            self._write(message)

    def _write(self, text: str, *, ends: bool = True) -> None:
        if self._has_bar:
            self._report(ERASE_LINE)
        elif not self._report.at_start:
            self._report("\n")
        self._report(f"    {text}\n" if ends else f"    {text}")
        self._has_bar = not ends

    def end(self) -> None:
        if self._has_bar:
            self._report(ERASE_LINE)


def _bar(done: int, total: int) -> str:
    filled = round(BAR_WIDTH * done / max(total, 1))
    return f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}]"


async def describe_rows_left(backfill: Backfill) -> str:
    """How many rows the backfill would change now, as a comment of SQL."""
    table = backfill.table
    try:
        every, left = await _count(table, "true"), await _count(table, backfill.where)
    except asyncpg.UndefinedTableError:
        return f"-- {table}: the table does not exist yet"
    except asyncpg.UndefinedColumnError:
        return f"-- {table}: at most {await _count(table, 'true'):,} rows, in batches"
    return f"-- {table}: {left:,} of {every:,} rows are left, in batches"


async def _count(table: str, where: str) -> int:
    async with get_engine().transaction(scope=PLATFORM) as transaction:
        (row,) = await transaction.connection.fetch(f"SELECT count(*) FROM {table} WHERE ({where})")
    return row[0]
