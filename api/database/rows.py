"""Rows of a join, read as the objects of the tables that were joined."""

from collections.abc import Mapping
from typing import Any, TypeVar

from piccolo.columns import Column
from piccolo.table import Table

T = TypeVar("T", bound=Table)


def select_list(table: type[Table], alias: str, *, leave_out: tuple[Column, ...] = ()) -> str:
    """The columns of `table` for a SELECT that calls it `alias`, each named so that `read_row` finds it.

    Named one by one, because a prepared `SELECT *` fails once a migration has added a column.
    """
    return ", ".join(
        f'{alias}."{column._meta.db_column_name}" AS "{alias}.{column._meta.name}"'
        for column in _columns(table, leave_out)
    )


def read_row(table: type[T], alias: str, row: Mapping[str, Any]) -> T | None:
    """The object of `table` in a row of `select_list`; None where an outer join found none."""
    if row[f"{alias}.id"] is None:
        return None
    names = [column._meta.name for column in table._meta.columns]
    values = {name: row[key] for name in names if (key := f"{alias}.{name}") in row}
    return table(_ignore_missing=True, _exists_in_db=True, **values)


def _columns(table: type[Table], leave_out: tuple[Column, ...]) -> list[Column]:
    left_out = {column._meta.name for column in leave_out}
    return [column for column in table._meta.columns if column._meta.name not in left_out]
