"""Importing beta keys of another system from a CSV file: all lines or none, in constant memory."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple, TextIO

from asyncpg import UniqueViolationError

from api import typed_text
from api.database.scopes import copy_rows, platform_scope
from api.domain import fields, times
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.beta_keys.file_export import from_formula_safe, without_text_mark
from api.domain.beta_keys.headings import Column, column_of, is_no, status_of
from api.domain.beta_keys.key_format import canonical
from api.domain.csv_files import BadLines, LineProblem, Row, decoded, open_rows, unmarked
from api.domain.email_addresses import user_email
from api.domain.errors import Problem
from api.key_shape import MAX_LENGTH
from tables import BetaKey

MAX_PROBLEMS = 10_000
"""Problems reported with their line; those of a whole long file would not fit into memory."""

CHUNK = 5000
"""Lines of one COPY."""


class Imported(NamedTuple):
    """How many keys were imported, and what the file has that was not."""

    keys: int
    unavailable: Mapping[str, list[int]]
    """The lines of keys that are used, expired or revoked, by that status."""
    ignored: list[str]
    """The headings of columns whose cells were not stored."""


async def import_keys(actor: Actor, file: BinaryIO, name: str) -> Imported:
    """Import the available keys of a CSV file with a heading, all or none.

    `Column` and `column_of` say which columns it may have; only that of the key is required. A time is in
    ISO 8601, in UTC unless it has an offset. Files of `export_csv` and of the old system can be imported.
    `file` is seekable, `name` is recorded. Raises `BadLines`.
    """
    with decoded(file) as text:
        return await _import(actor, _LineReader(text), name)


async def _import(actor: Actor, lines: "_LineReader", name: str) -> Imported:
    async with platform_scope() as transaction:
        await BetaKey.raw(_CREATE_STAGING)
        for rows in lines.chunks():
            await copy_rows("imported_keys", ("line", *_STORED), rows)
        if not lines.has_problems:
            savepoint = await transaction.savepoint()
            try:
                await BetaKey.raw(_INSERT, actor.id)
            except UniqueViolationError:
                await savepoint.rollback_to()
                lines.has_problems = True
        if lines.has_problems:
            # Duplicates are reported with all other problems, so that one correction of the file is enough.
            raise lines.bad_lines(await BetaKey.raw(_DUPLICATES, MAX_PROBLEMS))
        if lines.valid_count:
            await record_event("beta_key.imported", actor, detail={"count": lines.valid_count, "file": name})
    return Imported(lines.valid_count, lines.unavailable, lines.ignored)


_STORED = (
    Column.KEY, Column.NOTES, Column.BATCH, Column.EXPIRES_AT, Column.RECIPIENT_EMAIL, Column.SENT_AT,
)  # fmt: skip

_CREATE_STAGING = f"""
CREATE TEMPORARY TABLE imported_keys (
    line bigint, key varchar({MAX_LENGTH}), notes text, batch varchar(60), "expiresAt" timestamptz,
    "recipientEmail" varchar(120), "sentAt" timestamptz
) ON COMMIT DROP
"""

_INSERT = """
INSERT INTO beta_keys (key, notes, batch, "expiresAt", "recipientEmail", "sentAt", "issuedById")
SELECT key, notes, batch, "expiresAt", "recipientEmail", "sentAt", {}::uuid FROM imported_keys
"""

_DUPLICATES = """
SELECT line, first, is_stored, count(*) OVER () AS count FROM (
    SELECT line, min(line) OVER (PARTITION BY key) AS first, k.id IS NOT NULL AS is_stored
      FROM imported_keys LEFT JOIN beta_keys k USING (key)
) compared WHERE is_stored OR line > first ORDER BY line LIMIT {}
"""


class _LineReader:
    """Reads a CSV file once, and collects its problems."""

    def __init__(self, text: TextIO) -> None:
        self.valid_count = 0
        self.has_problems = False
        self.unavailable: dict[str, list[int]] = {}
        self.ignored: list[str] = []
        self._problems: list[LineProblem] = []
        self._count = 0
        self._rows = open_rows(text, lambda cells: sum(column_of(cell) is not None for cell in cells))
        self._headings: list[str] = []
        self._columns: list[Column | None] = []

    def chunks(self) -> Iterator[list[tuple[Any, ...]]]:
        """Rows for `imported_keys`, of the valid lines, in lists of at most `CHUNK`."""
        rows: list[tuple[Any, ...]] = []
        for row in self._rows:
            if not self._headings:
                self._read_heading(row)
                if self.has_problems:
                    return
                continue
            cleaned = self._clean(row)
            if cleaned is not None:
                rows.append(cleaned)
            if len(rows) == CHUNK:
                self.valid_count += len(rows)
                yield rows
                rows = []
        if not self._headings:
            self._report(LineProblem(1, Column.KEY, "REQUIRED"))
        for problem in self._rows.problems:
            self._report(problem._replace(column=self._last_heading()))
        self.valid_count += len(rows)
        yield rows

    def _read_heading(self, row: Row) -> None:
        self._headings = [typed_text.clean(cell) for cell in row.cells]
        self._columns = [column_of(heading) for heading in self._headings]
        for heading, column in zip(self._headings, self._columns, strict=True):
            if heading and column is None:
                self._report(LineProblem(row.line, heading[:40], "UNKNOWN_COLUMN"))
            elif column in _STORED and self._columns.count(column) > 1:
                self._report(LineProblem(row.line, heading[:40], "LINE.REPEATED_COLUMN"))
            elif column is Column.IGNORED:
                self.ignored.append(heading)
        if Column.KEY not in self._columns:
            self._report(LineProblem(row.line, Column.KEY, "REQUIRED"))

    def _clean(self, row: Row) -> tuple[Any, ...] | None:
        """The row for `imported_keys`; None if it has a problem, or its key is not available."""
        before = self._count
        cells: dict[Column, tuple[str, str]] = {}
        used = revoked = False
        for index, cell in enumerate(row.cells):
            column = self._columns[index] if index < len(self._columns) else None
            text = unmarked(cell)
            text = without_text_mark(text) if column is Column.KEY else from_formula_safe(text)
            if column is None:
                if typed_text.clean(text):
                    self._report(LineProblem(row.line, self._last_heading(), "TOO_MANY_CELLS"))
                    return None
            elif column in (Column.USED, Column.REVOKED):
                used |= column is Column.USED and not is_no(text)
                revoked |= column is Column.REVOKED and not is_no(text)
            else:
                cells[column] = (self._headings[index], text)
        if self._is_heading(row):
            self._report(LineProblem(row.line, "", "LINE.REPEATED_HEADING"))
            return None
        status = self._status(row.line, cells, "USED" if used else "REVOKED" if revoked else None)
        if self._count > before:
            return None
        if status is not None:
            self.unavailable.setdefault(status, []).append(row.line)
            return None
        values = [self._value(row.line, column, cells) for column in _STORED]
        return None if self._count > before else (row.line, *values)

    def _last_heading(self) -> str:
        return next((heading for heading in reversed(self._headings) if heading), "")

    def _is_heading(self, row: Row) -> bool:
        """Whether the heading is repeated in the middle, as where files were joined."""
        index = self._columns.index(Column.KEY)
        return index < len(row.cells) and column_of(row.cells[index]) is Column.KEY

    def _status(self, line: int, cells: Mapping[Column, tuple[str, str]], known: str | None) -> str | None:
        """The status of a key that is not available, or None; `known` is what other columns say."""
        heading, text = cells.get(Column.STATUS, ("", ""))
        if is_no(text):
            return known
        status = status_of(text)
        if status is None:
            self._report(LineProblem(line, heading, "LINE.UNKNOWN_STATUS"))
        elif status == "AVAILABLE" and known is not None:
            self._report(LineProblem(line, heading, "LINE.CONTRADICTORY_STATUS"))
        return None if status == "AVAILABLE" else status

    def _value(self, line: int, column: Column, cells: Mapping[Column, tuple[str, str]]) -> Any:
        heading, text = cells.get(column, (column, ""))
        if column is not Column.KEY and (typed_text.is_blank(text) or typed_text.fold(text) == "-"):
            return None
        try:
            return _CLEANERS[column](text)
        except Problem as problem:
            self._report(LineProblem(line, heading, problem.code, problem.limits))
            return None

    def _report(self, problem: LineProblem) -> None:
        self.has_problems = True
        self._count += 1
        if self._count <= MAX_PROBLEMS:
            self._problems.append(problem)

    def bad_lines(self, duplicates: Sequence[Mapping[str, Any]]) -> BadLines:
        """The error with the problems of reading and the rows of `_DUPLICATES`, in the order of the lines."""
        count = self._count + (duplicates[0]["count"] if duplicates else 0)
        problems = self._problems + [_duplicate(row) for row in duplicates]
        problems.sort(key=lambda problem: problem.line)
        return BadLines(problems[:MAX_PROBLEMS], count)


def _duplicate(row: Mapping[str, Any]) -> LineProblem:
    if row["is_stored"]:
        return LineProblem(row["line"], "key", "THERE_ALREADY")
    return LineProblem(row["line"], "key", "REPEATED", {"line": row["first"]})


def _key(typed: str) -> str:
    folded = typed_text.fold(typed)
    if not folded:
        raise Problem("REQUIRED")
    if _TOTAL.fullmatch(folded):
        raise Problem("LINE.NOT_A_KEY")
    key = canonical(typed)
    if key is None:
        too_long = len(folded) > MAX_LENGTH
        raise Problem("TOO_LONG", max=MAX_LENGTH) if too_long else Problem("INVALID_KEY")
    return key


_TOTAL = re.compile(
    r"((grand |sub|gran )?total(es|s)?|suma|sum|count|cantidad)( (de )?(keys|claves|general))?[:= ]*\d*",
    re.IGNORECASE,
)
"""The first cell of a row of totals, which is no key."""


def _expiry(text: str) -> datetime:
    return fields.future(times.end(times.read_typed(text)))


def _sent_at(text: str) -> datetime:
    return times.start(times.read_typed(text))


# Most lines of a file have the same notes, batch and expiry. Caching halves the time of an import.
_CLEANERS: Mapping[Column, Callable[[str], Any]] = {
    Column.KEY: _key,
    Column.NOTES: lru_cache(fields.key_notes),
    Column.BATCH: lru_cache(fields.batch),
    Column.EXPIRES_AT: lru_cache(_expiry),
    Column.RECIPIENT_EMAIL: user_email,
    Column.SENT_AT: lru_cache(_sent_at),
}
