"""Conversion of arguments and inputs to the types of the domain."""

from dataclasses import fields
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import strawberry
from strawberry.utils.str_converters import to_camel_case

from api import typed_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NIL_UUID = UUID(int=0)
"""An id that no row has."""


def uuid_of(id: strawberry.ID) -> UUID:
    """The id as a UUID; `NIL_UUID` for other texts, so that they get the answer of an unknown id."""
    return typed_text.read_uuid(id) or NIL_UUID


def provided_fields(input: "DataclassInstance") -> dict[str, Any]:
    """The fields of an input that the client sent, null included, by their names in the API.

    An enum is given by its value.
    """
    values = {field.name: getattr(input, field.name) for field in fields(input)}
    return {
        to_camel_case(name): value.value if isinstance(value, Enum) else value
        for name, value in values.items()
        if value is not strawberry.UNSET
    }
