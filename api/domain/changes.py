"""Updates: which fields were given, and what they change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from piccolo.table import Table

from api.domain import fields


@dataclass(frozen=True)
class Editable:
    """An input field of an update: the column that it sets, by Python name, and how it is read.

    One that is not required is cleared by null, and by a text that is blank.
    """

    column: str
    clean: Callable[[Any], Any]
    required: bool = True


def read_changes(given: Mapping[str, Any], editable: Mapping[str, Editable]) -> dict[str, Any]:
    """The columns to set, by Python name; `given` are the fields that the client wrote.

    Raises `InvalidInput` with all that is wrong.
    """
    read = fields.Fields()
    changes = {
        editable[name].column: (
            read(name, _not_null(editable[name].clean), value)
            if editable[name].required
            else read.optional(name, editable[name].clean, value)
        )
        for name, value in given.items()
    }
    read.check()
    return changes


def _not_null(clean: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value is None:
            raise fields.Problem("REQUIRED")
        return clean(value)

    return check


def apply_changes(
    row: Table, changes: Mapping[str, Any], editable: Mapping[str, Editable]
) -> dict[str, list[Any]]:
    """Set the columns of an object that was read. Returns what that changes: old and new value by field."""
    differences = {
        name: [getattr(row, field.column), changes[field.column]]
        for name, field in editable.items()
        if field.column in changes and getattr(row, field.column) != changes[field.column]
    }
    for name, (_, new) in differences.items():
        setattr(row, editable[name].column, new)
    return differences
