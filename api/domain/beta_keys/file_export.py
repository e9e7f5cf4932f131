"""Exporting beta keys as CSV or JSON: streamed by COPY, in constant memory."""

import re
from collections.abc import Awaitable, Callable
from typing import IO

from api.database.scopes import copy_query, platform_scope
from api.domain.beta_keys.listing import KeyFilter, can_match, conditions_of
from api.domain.beta_keys.status import STATUS
from api.settings import get_settings
from tables import BetaKey

FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters that start a formula in a spreadsheet, unless an apostrophe precedes them. The last four are the
full-width forms of =, +, - and @, which Japanese spreadsheets read as the ASCII ones."""


_FORMULA = "[=+\\-@\uff1d\uff0b\uff0d\uff20]"

_INNER = re.compile(f"([;\t\r\n]\"*)(?='*{_FORMULA})")
"""A place in a text where a cell begins for a spreadsheet that separates cells by semicolons or tabs."""

_INNER_ESCAPED = re.compile(f"([;\t\r\n]\"*)'(?='*{_FORMULA})")


def formula_safe(cell: str) -> str:
    """The cell with formulas escaped by an apostrophe; `from_formula_safe` is the inverse.

    An apostrophe at the beginning is escaped as well, because spreadsheets take it for such a mark.
    """
    cell = _INNER.sub(r"\1'", cell)
    return f"'{cell}" if cell.startswith(("'", *FORMULA_PREFIXES)) else cell


def from_formula_safe(cell: str) -> str:
    """The cell as it was before `formula_safe`."""
    if cell.startswith("'") and cell[1:].startswith(("'", *FORMULA_PREFIXES)):
        cell = cell[1:]
    return _INNER_ESCAPED.sub(r"\1", cell)


def without_text_mark(cell: str) -> str:
    """The cell without an apostrophe that `formula_safe` did not add: it says that a number is a text."""
    restored = from_formula_safe(cell)
    return restored.removeprefix("'") if restored == cell else restored


async def export_csv(key_filter: KeyFilter, output: IO[bytes]) -> int:
    """Write keys as CSV with a heading, in no particular order; returns how many.

    Times are in the zone of `TIME_ZONE`, with the offset, for people who open the file in a spreadsheet.
    """
    query, values = _with_conditions(_CSV, key_filter)
    async with platform_scope():
        await BetaKey.raw(_SETTINGS)
        await BetaKey.raw(_USE_ZONE, get_settings().time_zone)
        return await copy_query(query, *values, output=output, format="csv", header=True, force_quote=True)


async def export_json(key_filter: KeyFilter, output: IO[bytes]) -> int:
    """Write keys as a JSON array with the API's field names, in no particular order; returns how many."""
    query, values = _with_conditions(_JSON, key_filter)
    output.write(b"[")
    async with platform_scope():
        await BetaKey.raw(_SETTINGS)
        # JSON escapes \x01 and \x02, so as quote and delimiter they never occur, and CSV changes no object.
        count = await copy_query(
            query, *values, output=_with_commas(output), format="csv", quote="\x01", delimiter="\x02"
        )
    output.write(b"]\n")
    return count


# row_to_json costs CPU for each row. With parallel_tuple_cost 0 PostgreSQL shares that work among processes.
_SETTINGS = "SELECT set_config('TimeZone', 'UTC', true), set_config('parallel_tuple_cost', '0', true)"


# A server whose zones are older than ours may lack this one.
_USE_ZONE = "SELECT set_config('TimeZone', name, true) FROM pg_timezone_names WHERE name = {}"


def _with_conditions(query: str, key_filter: KeyFilter) -> tuple[str, list[str]]:
    """The query with `$1`, `$2`, … for the values."""
    if not can_match(key_filter):
        return query.format(where="false"), []
    conditions, values = conditions_of(key_filter)
    if key_filter.status is not None:
        conditions.append(f"{STATUS} = {{}}")
        values.append(key_filter.status.value)
    where = " AND ".join(["true", *conditions]).format(*(f"${place}" for place in range(1, len(values) + 1)))
    return query.format(where=where), values


def _with_commas(output: IO[bytes]) -> Callable[[bytes], Awaitable[None]]:
    """Write JSON objects, one a line, with a comma after each but the last. Chunks may end within a line."""
    line_ended = False

    async def write(chunk: bytes) -> None:
        nonlocal line_ended
        if line_ended:
            output.write(b",\n")
        line_ended = chunk.endswith(b"\n")
        output.write(chunk.removesuffix(b"\n").replace(b"\n", b",\n"))

    return write


def _escaped(column: str) -> str:
    """`formula_safe` in SQL."""
    prefixes = ", ".join(str(ord(character)) for character in ("'", *FORMULA_PREFIXES))
    return (
        f"CASE WHEN ascii({column}) IN ({prefixes}) THEN '{_QUOTED}' ELSE '' END"
        f" || regexp_replace({column}, '{_sql(_INNER.pattern)}', '\\1{_QUOTED}', 'g')"
    )


_QUOTED = "''"


def _sql(text: str) -> str:
    return text.replace("'", _QUOTED)


_FROM = """
  FROM (SELECT * FROM beta_keys WHERE {where}) k
       LEFT JOIN tenants t ON t.id = k."usedByTenantId" AND t."deletedAt" IS NULL
"""

_CSV = f"""
SELECT k.id, {_escaped("key")} AS key, {STATUS} AS status, {_escaped("notes")} AS notes,
       {_escaped("batch")} AS batch, {_escaped('"recipientEmail"')} AS "recipientEmail", "expiresAt",
       "sentAt", "usedAt", {_escaped('t."businessName"')} AS "usedBy", "revokedAt",
       {_escaped('"revokedReason"')} AS "revokedReason", k."createdAt"
{_FROM}
"""

_JSON = f"""
SELECT row_to_json(listed) FROM (
    SELECT k.id, key, {STATUS} AS status, notes, batch, "recipientEmail", "expiresAt", "sentAt", "usedAt",
           CASE WHEN t.id IS NOT NULL THEN json_build_object('id', t.id, 'businessName', "businessName") END
           AS "usedBy", "revokedAt", "revokedReason", k."createdAt"
    {_FROM}
) listed
"""
