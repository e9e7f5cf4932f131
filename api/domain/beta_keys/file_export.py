"""Beta keys written out by the million, in memory that does not grow with them."""

from collections.abc import Awaitable, Callable
from typing import IO

from api.database.scopes import copy_query, platform_scope
from api.domain.beta_keys.listing import KeyFilter, can_be_found, conditions_of
from api.domain.beta_keys.status import STATUS
from tables import BetaKey

FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A spreadsheet runs a cell that begins with one of these, unless an apostrophe stands before it; in Japan
also with those as wide as a letter there (=, +, - and @), which it takes for the narrow ones."""


def formula_safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; `from_formula_safe` is the way back."""
    return f"'{cell}" if _looks_like_formula(cell) else cell


def from_formula_safe(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _looks_like_formula(cell) else cell


def _looks_like_formula(cell: str) -> bool:
    # However many apostrophes stand before it, because otherwise the way back would take one too many.
    return cell.lstrip("'").startswith(FORMULA_BEGINNINGS)


async def export_csv(wanted: KeyFilter, output: IO[bytes]) -> int:
    """Write keys as CSV with a heading, in no order; returns how many."""
    query, values = _filled(_CSV, wanted)
    async with platform_scope():
        await BetaKey.raw(_SETTINGS)
        return await copy_query(query, *values, output=output, format="csv", header=True)


async def export_json(wanted: KeyFilter, output: IO[bytes]) -> int:
    """Write keys as an array of objects with the field names of the API, in no order; returns how many."""
    query, values = _filled(_JSON, wanted)
    output.write(b"[")
    async with platform_scope():
        await BetaKey.raw(_SETTINGS)
        # With a quote and a delimiter that JSON never has as they are, each line is one object as it is.
        count = await copy_query(
            query, *values, output=_with_commas(output), format="csv", quote="\x01", delimiter="\x02"
        )
    output.write(b"]\n")
    return count


# Spelling JSON is work for each row, which PostgreSQL shares out among processes if that costs nothing.
_SETTINGS = "SELECT set_config('TimeZone', 'UTC', true), set_config('parallel_tuple_cost', '0', true)"


def _filled(query: str, wanted: KeyFilter) -> tuple[str, list[str]]:
    if not can_be_found(wanted):
        return query.format(where="false"), []
    conditions, values = conditions_of(wanted)
    if wanted.status is not None:
        conditions.append(f"{STATUS} = {{}}")
        values.append(wanted.status.value)
    where = " AND ".join(["true", *conditions]).format(*(f"${place}" for place in range(1, len(values) + 1)))
    return query.format(where=where), values


def _with_commas(output: IO[bytes]) -> Callable[[bytes], Awaitable[None]]:
    """Takes lines, cut anywhere, of which each is an object, and puts a comma after all but the last."""
    line_ended = False

    async def write(chunk: bytes) -> None:
        nonlocal line_ended
        if line_ended:
            output.write(b",\n")
        line_ended = chunk.endswith(b"\n")
        output.write(chunk.removesuffix(b"\n").replace(b"\n", b",\n"))

    return write


def _safe(column: str) -> str:
    """`formula_safe` in SQL."""
    beginnings = ", ".join(str(ord(character)) for character in FORMULA_BEGINNINGS)
    formula = f"ascii(ltrim({column}, '''')) IN ({beginnings})"
    return f"CASE WHEN {formula} THEN '''' || {column} ELSE {column} END"


_FROM = """
  FROM beta_keys k LEFT JOIN tenants t ON t.id = k."usedByTenantId" AND t."deletedAt" IS NULL
 WHERE {where}
"""

_CSV = f"""
SELECT k.id, {_safe("key")} AS key, {STATUS} AS status, {_safe("notes")} AS notes, {_safe("batch")} AS batch,
       {_safe('"recipientEmail"')} AS "recipientEmail", "expiresAt", "sentAt", "usedAt",
       {_safe('t."businessName"')} AS "usedBy", "revokedAt", {_safe('"revokedReason"')} AS "revokedReason",
       k."createdAt"
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
