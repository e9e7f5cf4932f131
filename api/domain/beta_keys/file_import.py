"""Importing beta keys of another system from a CSV file: all lines or none, in constant memory."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple, TextIO

from asyncpg import UniqueViolationError

from api import typed_text
from api.database.scopes import copy_rows, platform_scope
from api.domain import fields, times
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.beta_keys.file_export import from_formula_safe
from api.domain.beta_keys.key_format import canonical
from api.domain.email_addresses import user_email
from api.domain.errors import Problem
from api.key_shape import MAX_LENGTH
from tables import BetaKey

MAX_PROBLEMS = 10_000
"""Problems reported with their line; those of a whole long file would not fit into memory."""

CHUNK = 5000
"""Lines of one COPY."""

MAX_LINE_LENGTH = 100_000
"""Characters. Without a limit, a file without line breaks would be read into memory as one line."""


class LineProblem(NamedTuple):
    line: int
    column: str
    code: str
    limits: Mapping[str, int] = MappingProxyType({})


class BadLines(Exception):
    """The file has `count` problems; `problems` are the first `MAX_PROBLEMS` of them."""

    def __init__(self, problems: list[LineProblem], count: int) -> None:
        super().__init__(count)
        self.problems = problems
        self.count = count


async def import_keys(actor: Actor, file: TextIO, name: str) -> int:
    """Import the keys of a CSV file with a heading, all or none; returns how many.

    The column `key` is required; `notes`, `batch`, `expiresAt` (see `times.read_typed`) and
    `recipientEmail` are optional. Files of `export_csv` can be imported. `file` is opened with `newline=""`,
    `name` is recorded. Raises `BadLines` and `UnicodeDecodeError`.
    """
    lines = _LineReader(file)
    async with platform_scope() as transaction:
        await BetaKey.raw(_CREATE_STAGING)
        for rows in lines.chunks():
            await copy_rows("imported_keys", ("line", *_COLUMNS), rows)
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
        await record_event("beta_key.imported", actor, detail={"count": lines.valid_count, "file": name})
    return lines.valid_count


_COLUMNS = ("key", "notes", "batch", "expiresAt", "recipientEmail")

_CREATE_STAGING = f"""
CREATE TEMPORARY TABLE imported_keys (
    line bigint, key varchar({MAX_LENGTH}), notes text, batch varchar(60), "expiresAt" timestamptz,
    "recipientEmail" varchar(120)
) ON COMMIT DROP
"""

_INSERT = """
INSERT INTO beta_keys (key, notes, batch, "expiresAt", "recipientEmail", "issuedById")
SELECT key, notes, batch, "expiresAt", "recipientEmail", {}::uuid FROM imported_keys
"""

_DUPLICATES = """
SELECT line, first, is_stored, count(*) OVER () AS count FROM (
    SELECT line, min(line) OVER (PARTITION BY key) AS first, k.id IS NOT NULL AS is_stored
      FROM imported_keys LEFT JOIN beta_keys k USING (key)
) compared WHERE is_stored OR line > first ORDER BY line LIMIT {}
"""


def delimiter_of(heading: str) -> str:
    """The delimiter of a heading. Spreadsheets write semicolons where numbers have a decimal comma."""
    return ";" if ";" in heading and "," not in heading else ","


class _LineReader:
    """Reads a CSV file once, and collects its problems."""

    def __init__(self, file: TextIO) -> None:
        self.valid_count = 0
        self.has_problems = False
        self._problems: list[LineProblem] = []
        self._count = 0
        heading = file.readline(MAX_LINE_LENGTH)
        self._delimiter = delimiter_of(heading)
        self._names = [
            typed_text.clean(name) for name in next(csv.reader([heading], delimiter=self._delimiter), [])
        ]
        self._file = file

    def chunks(self) -> Iterator[list[tuple[Any, ...]]]:
        """Rows for `imported_keys`, of the valid lines, in lists of at most `CHUNK`."""
        for name in self._names:
            if name not in _COLUMNS or self._names.count(name) > 1:
                self._report(LineProblem(1, name[:40], "UNKNOWN_COLUMN"))
        if "key" not in self._names:
            self._report(LineProblem(1, "key", "REQUIRED"))
        if self.has_problems:
            return
        rows: list[tuple[Any, ...]] = []
        for line, cells in self._cells():
            row = self._clean(line, cells)
            if row is not None:
                rows.append(row)
            if len(rows) == CHUNK:
                self.valid_count += len(rows)
                yield rows
                rows = []
        self.valid_count += len(rows)
        yield rows

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        """The number and the cells of each line that is not empty, up to the first that is not CSV."""
        pieces = iter(partial(self._file.readline, MAX_LINE_LENGTH), "")
        reader = csv.reader(pieces, delimiter=self._delimiter)
        line = 2
        try:
            for cells in reader:
                if any(cells):
                    yield line, cells
                line = reader.line_num + 2
        except csv.Error:
            # A quote that is never closed would make the rest of the file one cell; reading stops here.
            self._report(LineProblem(line, self._names[-1], "TOO_LONG", {"max": csv.field_size_limit()}))

    def _clean(self, line: int, cells: list[str]) -> tuple[Any, ...] | None:
        if len(cells) > len(self._names):
            self._report(LineProblem(line, self._names[-1], "TOO_MANY_CELLS"))
            return None
        texts = dict(zip(self._names, cells, strict=False))
        row: list[Any] = [line]
        is_valid = True
        for name, clean in _CLEANERS.items():
            text = from_formula_safe(texts.get(name, ""))
            try:
                row.append(clean(text) if name == "key" or typed_text.clean(text) else None)
            except Problem as problem:
                self._report(LineProblem(line, name, problem.code, problem.limits))
                is_valid = False
        return tuple(row) if is_valid else None

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
    key = canonical(typed)
    if key is None:
        too_long = len(folded) > MAX_LENGTH
        raise Problem("TOO_LONG", max=MAX_LENGTH) if too_long else Problem("INVALID_KEY")
    return key


def _expiry(text: str) -> datetime:
    return fields.future(times.end(times.read_typed(text)))


# Most lines of a file have the same notes, batch and expiry. Caching halves the time of an import.
_CLEANERS: Mapping[str, Callable[[str], Any]] = {
    "key": _key,
    "notes": lru_cache(fields.key_notes),
    "batch": lru_cache(fields.batch),
    "expiresAt": lru_cache(_expiry),
    "recipientEmail": user_email,
}
