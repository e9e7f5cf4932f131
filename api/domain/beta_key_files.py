"""Beta keys in files: written out, and read in that were made elsewhere, by the million."""

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import IO, Any, NamedTuple, TextIO

from api.database.scopes import copy_query, copy_rows, platform_scope
from api.domain import audit, fields
from api.domain.audit import Actor
from api.domain.beta_key_listing import KeyFilter, can_be_found, conditions_of
from api.domain.beta_keys import MAX_KEY_LENGTH, STATUS, canonical
from tables import BetaKey

# Writing

_TEXTS = {
    "key": "k.key",
    "notes": "k.notes",
    "batch": "k.batch",
    "recipientEmail": 'k."recipientEmail"',
    "revokedReason": 'k."revokedReason"',
}

_TIMES = {
    name: f"""to_char(k."{name}" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    for name in ("expiresAt", "sentAt", "usedAt", "revokedAt", "createdAt")
}

# A cell that begins like a formula is one to a spreadsheet, which would run it.
_SAFE = "CASE WHEN {0} ~ E'^[=+@\\t\\r-]' THEN '''' || {0} ELSE {0} END"

_CSV = {
    "status": STATUS,
    **{name: _SAFE.format(value) for name, value in _TEXTS.items()},
    **_TIMES,
    "usedBy": _SAFE.format('t."businessName"'),
}

_USED_BY = """
CASE WHEN t.id IS NOT NULL THEN json_build_object('id', t.id, 'businessName', t."businessName") END
"""

_JSON = {"id": "k.id", "status": STATUS, **_TEXTS, **_TIMES, "usedBy": _USED_BY}


async def export_csv(wanted: KeyFilter, output: IO[bytes]) -> int:
    """Write keys as CSV with a heading, in no order; returns how many."""
    async with platform_scope():
        query, values = _select(_CSV, wanted)
        return await copy_query(query, *values, output=output, format="csv", header=True)


async def export_json(wanted: KeyFilter, output: IO[bytes]) -> int:
    """Write keys as an array of objects with the field names of the API, in no order; returns how many."""
    query, values = _select(_JSON, wanted)
    lines = f"""
SELECT CASE WHEN row_number() OVER () = 1 THEN '' ELSE ',' END || row_to_json(listed)::text
  FROM ({query}) listed
"""
    output.write(b"[\n")
    async with platform_scope():
        # With a quote and a delimiter that JSON never has as they are, each line is one object as it is.
        count = await copy_query(lines, *values, output=output, format="csv", quote="\x01", delimiter="\x02")
    output.write(b"]\n")
    return count


def _select(columns: Mapping[str, str], wanted: KeyFilter) -> tuple[str, list[Any]]:
    if not can_be_found(wanted):
        return f"SELECT {_named(columns)} {_FROM} WHERE false", []
    conditions, values = conditions_of(wanted)
    if wanted.status is not None:
        conditions.append(f"{STATUS} = {{}}")
        values.append(wanted.status.value)
    where = " AND ".join(["true", *conditions]).format(*(f"${place}" for place in range(1, len(values) + 1)))
    return f"SELECT {_named(columns)} {_FROM} WHERE {where}", values


def _named(columns: Mapping[str, str]) -> str:
    return ", ".join(f'{value} AS "{name}"' for name, value in columns.items())


_FROM = 'FROM beta_keys k LEFT JOIN tenants t ON t.id = k."usedByTenantId" AND t."deletedAt" IS NULL'


# Reading

MAX_PROBLEMS = 100
"""Problems that are told of; whoever has more of them looks at the whole file anyway."""

CHUNK = 5000


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
    `recipientEmail` may be there. Raises `BadLines`, and `UnicodeDecodeError`.
    """
    lines = _Lines(file)
    async with platform_scope():
        await BetaKey.raw(_STAGE)
        for rows in lines.chunks():
            await copy_rows("imported_keys", ("line", *_COLUMNS), rows)
        lines.check()
        (taken,) = await BetaKey.raw(_TAKE_OVER, actor.id)
        if taken["count"] < lines.good:
            # Two of a kind, in the file or there before.
            rows = await BetaKey.raw(_LEFT_OUT, MAX_PROBLEMS)
            problems = [LineProblem(row["line"], "key", "THERE_ALREADY") for row in rows]
            raise BadLines(problems, lines.good - taken["count"])
        await audit.record("beta_key.imported", actor, detail={"count": lines.good, "file": name})
    return lines.good


_COLUMNS = ("key", "notes", "batch", "expiresAt", "recipientEmail")

_STAGE = """
CREATE TEMPORARY TABLE imported_keys (
    id uuid DEFAULT gen_random_uuid(), line bigint, key varchar(20), notes text, batch varchar(60),
    "expiresAt" timestamptz, "recipientEmail" varchar(120)
) ON COMMIT DROP
"""

_TAKE_OVER = """
WITH taken AS (
    INSERT INTO beta_keys (id, key, notes, batch, "expiresAt", "recipientEmail", "issuedById")
    SELECT id, key, notes, batch, "expiresAt", "recipientEmail", {} FROM imported_keys ORDER BY line
    ON CONFLICT (key) DO NOTHING RETURNING id
) SELECT count(*) FROM taken
"""

_LEFT_OUT = """
SELECT line FROM imported_keys i WHERE NOT EXISTS (SELECT FROM beta_keys k WHERE k.id = i.id)
 ORDER BY line LIMIT {}
"""


class _Lines:
    """Reads a file once; what is wrong with it stands in `check()` afterwards."""

    def __init__(self, file: TextIO) -> None:
        self.good = 0
        self._problems: list[LineProblem] = []
        self._bad = 0
        # Spreadsheets of some countries write semicolons, because their numbers have commas.
        heading = file.readline()
        self._delimiter = ";" if ";" in heading and "," not in heading else ","
        self._names = [name.strip() for name in next(csv.reader([heading], delimiter=self._delimiter), [])]
        self._file = file

    def chunks(self) -> Iterator[list[tuple[Any, ...]]]:
        """The lines that are good, some thousands at a time."""
        for name in self._names:
            if name not in _COLUMNS or self._names.count(name) > 1:
                self._tell(LineProblem(1, name, "UNKNOWN_COLUMN"))
        if "key" not in self._names:
            self._tell(LineProblem(1, "key", "REQUIRED"))
        if self._bad:
            return
        rows: list[tuple[Any, ...]] = []
        reader = csv.reader(self._file, delimiter=self._delimiter)
        line = 2
        for cells in reader:
            if any(cells):
                row = self._read(line, cells)
                if row is not None:
                    rows.append(row)
            line = reader.line_num + 2
            if len(rows) == CHUNK:
                self.good += len(rows)
                yield rows
                rows = []
        self.good += len(rows)
        yield rows

    def _read(self, line: int, cells: list[str]) -> tuple[Any, ...] | None:
        if len(cells) > len(self._names):
            self._tell(LineProblem(line, self._names[-1], "TOO_MANY_CELLS"))
            return None
        given = dict(zip(self._names, cells, strict=False))
        row: list[Any] = [line]
        bad = False
        for name, clean in _CLEAN.items():
            text = given.get(name, "")
            try:
                row.append(clean(text) if name == "key" or text.strip() else None)
            except fields.Problem as problem:
                self._tell(LineProblem(line, name, problem.code, problem.limits))
                bad = True
        return None if bad else tuple(row)

    def _tell(self, problem: LineProblem) -> None:
        self._bad += 1
        if self._bad <= MAX_PROBLEMS:
            self._problems.append(problem)

    def check(self) -> None:
        """Raises `BadLines`."""
        if self._bad:
            raise BadLines(self._problems, self._bad)


def _key(typed: str) -> str:
    if not typed.strip():
        raise fields.Problem("REQUIRED")
    key = canonical(typed)
    if key is None:
        too_long = len(typed.strip()) > MAX_KEY_LENGTH
        raise fields.Problem("TOO_LONG", max=MAX_KEY_LENGTH) if too_long else fields.Problem("INVALID_KEY")
    return key


def _instant(written: str) -> datetime:
    try:
        instant = datetime.fromisoformat(written.strip())
    except ValueError:
        raise fields.Problem("INVALID_TIME") from None
    return fields.future(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


# The same notes and times stand in line after line: reading each once halves the time.
_CLEAN: Mapping[str, Callable[[str], Any]] = {
    "key": _key,
    "notes": lru_cache(fields.text(500)),
    "batch": lru_cache(fields.text(60)),
    "expiresAt": lru_cache(_instant),
    "recipientEmail": fields.email(120),
}
