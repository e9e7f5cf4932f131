"""What `piccolo migrations new --auto` writes: steps, and the names and definitions in their SQL."""

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from api.deploy.migrations.index import Index
from api.deploy.migrations.migration import QUESTION
from api.deploy.migrations.steps import Step
from api.deploy.schema.catalog import Column, Table


@dataclass
class Steps:
    forwards: list[Step] = field(default_factory=list)
    backwards: list[str] = field(default_factory=list)
    """SQL, in the order of `forwards`: it reverts what a revert does not revert by itself."""
    descriptions: list[str] = field(default_factory=list)


def ask(steps: Steps, question: str) -> None:
    lines = textwrap.wrap(f"{QUESTION} {question}", 100, subsequent_indent="-- ", break_on_hyphens=False)
    steps.forwards.append("\n".join(lines))
    steps.descriptions.append("answer the questions")


def default_of(column: Column) -> str | None:
    """As a developer writes it: without the cast to the type of the column that PostgreSQL adds."""
    if column.default is None or column.default.startswith("NULL"):
        return None
    return "now()" if column.default == "CURRENT_TIMESTAMP" else re.sub(r"'::[a-z ]+$", "'", column.default)


_SHORT_TYPES = {
    "character varying": "varchar",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}


def short_type(type_name: str) -> str:
    for long, short in _SHORT_TYPES.items():
        type_name = type_name.replace(long, short)
    return type_name


def object_name(table: str, columns: Iterable[str], suffix: str = "") -> str:
    """`beta_keys_approved_by_id`: in snake_case, and as short as PostgreSQL needs it."""
    words = [table, *(re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", column).lower() for column in columns), suffix]
    return "_".join(filter(None, words))[:63]


def indexes_of(table: str, declared: Table) -> Iterator[Index]:
    names: set[str] = set()
    for one in declared.indexes.values():
        on = one.definition.split(" ON ", 1)[1].replace(" USING btree", "").replace(" NULLS NOT DISTINCT", "")
        name = object_name(table, one.columns)
        while name in names:
            name = f"{name[:61]}_{len(names)}"
        names.add(name)
        yield Index(name, on, unique=one.unique)
