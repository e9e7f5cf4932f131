"""Rows of a join, read as the objects of the tables that were joined."""

from collections.abc import Mapping
from functools import cache
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


def read_optional_row(table: type[T], alias: str, row: Mapping[str, Any]) -> T | None:
    """As `read_row`; None where an outer join found no row of `table`."""
    return None if row[f"{alias}.id"] is None else read_row(table, alias, row)


def read_row(table: type[T], alias: str, row: Mapping[str, Any]) -> T:
    """The object of `table` in a row of `select_list`; columns that were left out are None."""
    # Piccolo's constructor works out the default of each column, which takes longer than the query.
    found = table.__new__(table)
    found._exists_in_db = True
    found._was_created = None
    vars(found).update([(name, row.get(key)) for name, key in _names(table, alias)])
    return found


@cache
def _names(table: type[Table], alias: str) -> list[tuple[str, str]]:
    """Each column's name in Python, and in a row of `select_list`."""
    return [(column._meta.name, f"{alias}.{column._meta.name}") for column in table._meta.columns]


def _columns(table: type[Table], leave_out: tuple[Column, ...]) -> list[Column]:
    left_out = {column._meta.name for column in leave_out}
    return [column for column in table._meta.columns if column._meta.name not in left_out]
