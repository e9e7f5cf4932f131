"""Writing one row, given as its object; times come from PostgreSQL's clock."""

from collections.abc import Iterable, Mapping
from typing import Any

from piccolo.columns import Column
from piccolo.table import Table

from api.database.clock import NOW


async def insert_row(row: Table) -> None:
    """Insert `row` in the open transaction; sets its `created_at` and `updated_at` to the stored values."""
    vars(row).update(created_at=NOW, updated_at=NOW)
    columns = _columns(row, ("id", "created_at", "updated_at"))
    (stored,) = await type(row).insert(row).returning(*columns)
    _read_back(row, columns, stored)


async def update_row(row: Table, values: Mapping[str, Any]) -> None:
    """Update the row of `row` in the open transaction, and set the attributes of `row` to the stored values.

    `values` are by the columns' Python names; `updated_at` is added to them.
    """
    (key,) = _columns(row, ("id",))
    columns = _columns(row, (*values, "updated_at"))
    changes: dict[Column | str, Any] = {**values, "updated_at": NOW}
    (stored,) = await type(row).update(changes).where(key == vars(row)["id"]).returning(*columns)
    _read_back(row, columns, stored)


def _columns(row: Table, names: Iterable[str]) -> list[Column]:
    return [row._meta.get_column_by_name(name) for name in names]


def _read_back(row: Table, columns: Iterable[Column], stored: Mapping[str, Any]) -> None:
    vars(row).update({column._meta.name: stored[column._meta.db_column_name] for column in columns})
