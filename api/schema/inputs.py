"""Arguments, made into what the domain takes."""

from dataclasses import fields
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import strawberry
from strawberry.utils.str_converters import to_camel_case

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NIL_UUID = UUID(int=0)
"""An id that nothing has."""


def uuid_of(id: strawberry.ID) -> UUID:  # noqa: A002
    """The id; a text that cannot be one finds nothing, and is told like any other id that finds nothing."""
    try:
        return UUID(id)
    except ValueError:
        return NIL_UUID


def given(input: "DataclassInstance") -> dict[str, Any]:  # noqa: A002
    """The fields of an update that the client wrote, null included, by their names in the API."""
    values = {field.name: getattr(input, field.name) for field in fields(input)}
    return {
        to_camel_case(name): value.value if isinstance(value, Enum) else value
        for name, value in values.items()
        if value is not strawberry.UNSET
    }
