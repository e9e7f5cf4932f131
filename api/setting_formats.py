"""How settings are written: in words for people, and as a check of their text."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from api.database_address import WrongAddress


@dataclass(frozen=True)
class Heading:
    """The heading before a setting in docs/settings.md and .env.example; it holds up to the next one."""

    title: str


@dataclass(frozen=True)
class Format:
    """How a setting is written. `words` stand in its error, in docs/settings.md and in .env.example.

    `read` returns the value of a text, or raises `ValueError`; its message is not shown, because it may hold
    a password. That of `WrongAddress` holds none.
    """

    words: str
    read: Callable[[str], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def _validate(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except WrongAddress:
            raise
        except ValueError:
            raise ValueError(f"must be {self.words.replace('`', '')}") from None


def format_of(field: FieldInfo) -> str:
    """How a setting is written, in words, with code in backquotes."""
    parts = [*field.metadata, *_parts(field.annotation)]
    for part in parts:
        if isinstance(part, Format):
            return part.words
        if get_origin(part) is Literal:
            *others, last = get_args(part)
            return f"{', '.join(f'`{other}`' for other in others)} or `{last}`"
    least = next((part.ge for part in parts if isinstance(part, Ge)), None)
    most = next((part.le for part in parts if isinstance(part, Le)), None)
    if least is not None and most is not None:
        return f"{'a whole number' if int in parts else 'a number'} from {least} to {most}"
    return {bool: "`on` or `off`", Path: "a folder", str: "a name or an IP address"}[
        next(part for part in reversed(parts) if part is not type(None))
    ]


def _parts(annotation: Any) -> Iterator[Any]:
    """A type and its parts: the members of a union, and the annotations of each."""
    if isinstance(annotation, FieldInfo):
        yield from annotation.metadata
        return
    yield annotation
    if get_origin(annotation) in (Union, UnionType, Annotated):
        for argument in get_args(annotation):
            yield from _parts(argument)
