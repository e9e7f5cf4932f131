"""Estimates of numbers of rows, from the statistics that PostgreSQL plans with."""

import json
from typing import Any

from api.database.engine import get_engine


async def estimated_rows(table: str, query: str, *arguments: Any) -> int:
    """About how many rows of `table` a query selects. `{}` in it stands for each argument.

    PostgreSQL underestimates what row security lets through, of the query as of all rows. So the query gets
    its share of the rows that the table had at its last VACUUM or ANALYZE.
    """
    selected, every = await _planned_rows(query, arguments), await _planned_rows(f"SELECT FROM {table}", ())
    rows = await get_engine().fetch("SELECT reltuples FROM pg_class WHERE oid = to_regclass($1)", table)
    return round(max(0, rows[0]["reltuples"]) * selected / every)


async def _planned_rows(query: str, arguments: tuple[Any, ...]) -> int:
    numbered = query.format(*(f"${number}" for number in range(1, len(arguments) + 1)))
    rows = await get_engine().fetch(f"EXPLAIN (FORMAT JSON) {numbered}", *arguments)
    return max(1, json.loads(rows[0][0])[0]["Plan"]["Plan Rows"])
