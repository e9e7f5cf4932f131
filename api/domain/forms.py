"""Forms: the values of a client's input object, validated and typed.

A form declares each field with a type of `api.domain.fields`. Its fields have the API's names in the input
(`firstName`) and Python's in the form (`first_name`).
"""

from collections.abc import Mapping
from typing import Any, Self

from piccolo.table import Table
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from api.domain.errors import FieldProblem, InvalidInput, Problem


class _Model(BaseModel):
    # Strict, so that "3" is no number and 3 no text. Inputs are hidden, because they may be passwords.
    model_config = ConfigDict(alias_generator=to_camel, strict=True, frozen=True, hide_input_in_errors=True)

    @classmethod
    def _validate(cls, values: Mapping[str, object], context: Mapping[str, object]) -> Self:
        """Raises `InvalidInput` with every problem, in the order of the fields.

        A validator finds the other fields of the input in `info.context`, which is `context`.
        """
        try:
            return cls.model_validate(values, context=dict(context))
        except ValidationError as error:
            problems = [_problem(detail) for detail in error.errors(include_url=False)]
        raise InvalidInput(problems)


def _problem(detail: ErrorDetails) -> FieldProblem:
    name = str(detail["loc"][0])
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, Problem):
        return FieldProblem(name, cause.code, cause.limits)
    if detail["input"] is None or (detail["input"] == "" and detail["type"] == "int_type"):
        return FieldProblem(name, "REQUIRED")
    return FieldProblem(name, "NOT_NUMBER" if detail["type"] == "int_type" else "NOT_TEXT")


class Form(_Model):
    """The input of a new object. A field that is missing or null is read as an empty text.

    `values` may have more than the fields, for what a field is compared with.
    """

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Self:
        """Validate `values`, by the API's names. Raises `InvalidInput` with every problem."""
        names = [str(field.alias) for field in cls.model_fields.values()]
        typed = {name: "" if values.get(name) is None else values[name] for name in names}
        return cls._validate(typed, {**values, **typed})


class Changes(_Model):
    """The input of an update: only the fields that the client sent are changed.

    The fields have the names of the columns, and a default that is never used. Null clears an optional field.
    """

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Self:
        """Validate `values`, by the API's names. Raises `InvalidInput` with every problem."""
        return cls._validate(values, values)

    @property
    def columns(self) -> dict[str, Any]:
        """The values to store, by the columns' Python names."""
        return self.model_dump(exclude_unset=True)

    def apply(self, row: Table) -> dict[str, list[Any]]:
        """Set the attributes of `row`. Returns [old, new] for each that differs, by the API's name."""
        differences: dict[str, list[Any]] = {}
        for name, new in self.columns.items():
            old = getattr(row, name)
            if new != old:
                setattr(row, name, new)
                differences[to_camel(name)] = [old, new]
        return differences
