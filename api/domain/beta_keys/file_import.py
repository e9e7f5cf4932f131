"""Beta keys that were made elsewhere, read from a file in memory that does not grow with it."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple, TextIO

from asyncpg import UniqueViolationError

from api.database.scopes import copy_rows, platform_scope
from api.domain import fields
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.beta_keys.file_export import from_formula_safe
from api.domain.beta_keys.key_format import MAX_KEY_LENGTH, canonical
from tables import BetaKey

MAX_PROBLEMS = 10_000
"""Problems that are told of, each by its line; those of a whole long file would not fit into memory."""

CHUNK = 5000

LONGEST_LINE = 100_000
"""Characters; without a limit, a file that has no lines at all would be read into memory."""


class LineProblem(NamedTuple):
    line: int
    column: str
    code: str
    limits: Mapping[str, int] = MappingProxyType({})


class BadLines(Exception):
    """A file that cannot be taken as it is: the first `MAX_PROBLEMS` problems, of `count`."""

    def __init__(self, problems: list[LineProblem], count: int) -> None:
        super().__init__(count)
        self.problems = problems
        self.count = count


async def import_keys(actor: Actor, file: TextIO, name: str) -> int:
    """Take keys over that were made elsewhere, all of a CSV file with a heading or none; returns how many.

    A column `key` is required; `notes`, `batch`, `expiresAt` (ISO 8601, UTC unless it says) and
    `recipientEmail` may be there, and cells may be as `export_csv` writes them. `file` is opened with
    `newline=""`. Raises `BadLines`, and `UnicodeDecodeError`.
    """
    lines = _Lines(file)
    async with platform_scope() as transaction:
        await BetaKey.raw(_STAGE)
        for rows in lines.chunks():
            await copy_rows("imported_keys", ("line", *_COLUMNS), rows)
        if not lines.bad:
            savepoint = await transaction.savepoint()
            try:
                await BetaKey.raw(_TAKE_OVER, actor.id)
            except UniqueViolationError:
                await savepoint.rollback_to()
                lines.bad = True
        if lines.bad:
            # Told together with all else that is wrong, so that mending a file takes one round.
            raise lines.problems_with(await BetaKey.raw(_DUPLICATES, MAX_PROBLEMS))
        await record_event("beta_key.imported", actor, detail={"count": lines.good, "file": name})
    return lines.good


_COLUMNS = ("key", "notes", "batch", "expiresAt", "recipientEmail")

_STAGE = """
CREATE TEMPORARY TABLE imported_keys (
    line bigint, key varchar(20), notes text, batch varchar(60), "expiresAt" timestamptz,
    "recipientEmail" varchar(120)
) ON COMMIT DROP
"""

_TAKE_OVER = """
INSERT INTO beta_keys (key, notes, batch, "expiresAt", "recipientEmail", "issuedById")
SELECT key, notes, batch, "expiresAt", "recipientEmail", {}::uuid FROM imported_keys
"""

_DUPLICATES = """
SELECT line, first, there, count(*) OVER () AS count FROM (
    SELECT line, min(line) OVER (PARTITION BY key) AS first, k.id IS NOT NULL AS there
      FROM imported_keys LEFT JOIN beta_keys k USING (key)
) compared WHERE there OR line > first ORDER BY line LIMIT {}
"""


def delimiter_of(heading: str) -> str:
    """Spreadsheets of some countries write semicolons, because their numbers have commas."""
    return ";" if ";" in heading and "," not in heading else ","


class _Lines:
    """Reads a file once, and remembers what is wrong with it."""

    def __init__(self, file: TextIO) -> None:
        self.good = 0
        self.bad = False
        self._problems: list[LineProblem] = []
        self._count = 0
        heading = file.readline(LONGEST_LINE)
        self._delimiter = delimiter_of(heading)
        self._names = [name.strip() for name in next(csv.reader([heading], delimiter=self._delimiter), [])]
        self._file = file

    def chunks(self) -> Iterator[list[tuple[Any, ...]]]:
        """The lines that are good, some thousands at a time."""
        for name in self._names:
            if name not in _COLUMNS or self._names.count(name) > 1:
                self._tell(LineProblem(1, name[:40], "UNKNOWN_COLUMN"))
        if "key" not in self._names:
            self._tell(LineProblem(1, "key", "REQUIRED"))
        if self.bad:
            return
        rows: list[tuple[Any, ...]] = []
        for line, cells in self._cells():
            row = self._read(line, cells)
            if row is not None:
                rows.append(row)
            if len(rows) == CHUNK:
                self.good += len(rows)
                yield rows
                rows = []
        self.good += len(rows)
        yield rows

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        """Lines that are not empty, by their numbers; up to one that is no CSV."""
        pieces = iter(partial(self._file.readline, LONGEST_LINE), "")
        reader = csv.reader(pieces, delimiter=self._delimiter)
        line = 2
        try:
            for cells in reader:
                if any(cells):
                    yield line, cells
                line = reader.line_num + 2
        except csv.Error:
            # Of a cell that is never closed, the rest of the file would be part.
            self._tell(LineProblem(line, self._names[-1], "TOO_LONG", {"max": csv.field_size_limit()}))

    def _read(self, line: int, cells: list[str]) -> tuple[Any, ...] | None:
        if len(cells) > len(self._names):
            self._tell(LineProblem(line, self._names[-1], "TOO_MANY_CELLS"))
            return None
        given = dict(zip(self._names, cells, strict=False))
        row: list[Any] = [line]
        bad = False
        for name, clean in _CLEAN.items():
            text = from_formula_safe(given.get(name, ""))
            try:
                row.append(clean(text) if name == "key" or text.strip() else None)
            except fields.Problem as problem:
                self._tell(LineProblem(line, name, problem.code, problem.limits))
                bad = True
        return None if bad else tuple(row)

    def _tell(self, problem: LineProblem) -> None:
        self.bad = True
        self._count += 1
        if self._count <= MAX_PROBLEMS:
            self._problems.append(problem)

    def problems_with(self, duplicates: Sequence[Mapping[str, Any]]) -> BadLines:
        """What was noticed when reading, and the rows of `_DUPLICATES`."""
        count = self._count + (duplicates[0]["count"] if duplicates else 0)
        found = sorted(self._problems + [_duplicate(row) for row in duplicates], key=lambda one: one.line)
        return BadLines(found[:MAX_PROBLEMS], count)


def _duplicate(row: Mapping[str, Any]) -> LineProblem:
    if row["there"]:
        return LineProblem(row["line"], "key", "THERE_ALREADY")
    return LineProblem(row["line"], "key", "REPEATED", {"line": row["first"]})


def _key(typed: str) -> str:
    if not typed.strip():
        raise fields.Problem("REQUIRED")
    key = canonical(typed)
    if key is None:
        too_long = len(typed.strip()) > MAX_KEY_LENGTH
        raise fields.Problem("TOO_LONG", max=MAX_KEY_LENGTH) if too_long else fields.Problem("INVALID_KEY")
    return key


def _end(written: str) -> datetime:
    return fields.future(fields.instant(written))


# The same notes and times stand in line after line: reading each once halves the time.
_CLEAN: Mapping[str, Callable[[str], Any]] = {
    "key": _key,
    "notes": lru_cache(fields.key_notes),
    "batch": lru_cache(fields.batch),
    "expiresAt": lru_cache(_end),
    "recipientEmail": fields.user_email,
}
