"""Several statements in one round trip: each is a common table expression of one statement."""

from collections.abc import Iterable, Mapping
from typing import Any

from piccolo.table import Table


class StatementChain:
    """Statements that run as one, in the open transaction.

    PostgreSQL runs data-modifying expressions in the order in which they read one another. A statement that
    locks rows therefore reads FROM the one before it, or locks would be taken in no certain order.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._values: list[Any] = []

    def add(self, name: str, sql: str, values: Iterable[Any] = ()) -> None:
        """Add `sql` under a name that later statements can read; `{}` in it stands for each value."""
        self._parts.append(f"{name} AS ({sql})")
        self._values += values

    async def run(self, table: type[Table], select: str) -> Mapping[str, Any]:
        """Run all; returns the one row of `select`, which reads their results."""
        (row,) = await table.raw(f"WITH {', '.join(self._parts)} {select}", *self._values)
        return row


def insert_from(row: Table, source: str) -> tuple[str, list[Any]]:
    """An INSERT of `row` that returns its id, and the values. `source` is empty, or a FROM with one row.

    The times of creation and update are those of PostgreSQL's clock.
    """
    columns, places, values = [], [], []
    for column in row._meta.columns:
        columns.append(f'"{column._meta.db_column_name}"')
        if column._meta.name in ("created_at", "updated_at"):
            places.append("now()")
        else:
            places.append("{}")
            values.append(vars(row)[column._meta.name])
    table, names, items = row._meta.tablename, ", ".join(columns), ", ".join(places)
    return f"INSERT INTO {table} ({names}) SELECT {items} {source} RETURNING id", values
