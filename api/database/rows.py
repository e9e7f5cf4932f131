"""Rows of joins as objects of the joined tables."""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from piccolo.columns import Column
from piccolo.table import Table

T = TypeVar("T", bound=Table)


def select_list(table: type[Table], alias: str, *, leave_out: tuple[Column, ...] = ()) -> str:
    """The columns of `table` for a SELECT with the table alias `alias`, named for `read_row`.

    They are listed, because a prepared `SELECT *` fails when a migration adds a column.
    """
    return ", ".join(
        f'{alias}."{column._meta.db_column_name}" AS "{alias}.{column._meta.name}"'
        for column in _columns(table, leave_out)
    )


def read_row(table: type[T], alias: str, row: Mapping[str, Any]) -> T:
    """The object of `table` in a row of `select_list`; columns that were left out are None."""
    # Not by Piccolo's constructor: it computes the default of each column, which takes longer than the query.
    instance = table.__new__(table)
    instance._exists_in_db = True
    instance._was_created = None
    names, keys = _names(table, alias)
    vars(instance).update(zip(names, map(row.get, keys), strict=True))
    return instance


def read_optional_row(table: type[T], alias: str, row: Mapping[str, Any]) -> T | None:
    """As `read_row`; None if an outer join has no row of `table`."""
    return None if row[f"{alias}.id"] is None else read_row(table, alias, row)


@cache
def _names(table: type[Table], alias: str) -> tuple[list[str], list[str]]:
    """The names of the columns in Python, and their keys in a row of `select_list`."""
    names = [column._meta.name for column in table._meta.columns]
    return names, [f"{alias}.{name}" for name in names]


def _columns(table: type[Table], leave_out: tuple[Column, ...]) -> list[Column]:
    left_out = {column._meta.name for column in leave_out}
    return [column for column in table._meta.columns if column._meta.name not in left_out]
