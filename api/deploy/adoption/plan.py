"""What adoption will do with a database of the old system, and what a person must decide first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from api.deploy.migrations.migration import SqlMigration


@dataclass(frozen=True)
class Change:
    """One change of the tables or rows, and its statements; none where a migration makes the change."""

    description: str
    sql: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    """The rows that it changes."""
    rows: tuple[tuple[Any, ...], ...] = ()
    """The statement's parameters for each row, where it runs once for each row."""


@dataclass(frozen=True)
class Choice:
    """One answer to a `Question`: `sql` makes it, on the tables as they are before adoption."""

    description: str
    sql: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """What a person must decide, about the rows or database objects `ids`. The first choice is suggested."""

    description: str
    ids: tuple[str, ...]
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Person:
    """A user who belongs to no tenant, and is no operator."""

    id: str
    email: str
    role: str


@dataclass
class Plan:
    """The `migrations` run after the `changes`. Without `migrations` the database needs no adoption."""

    changes: list[Change] = field(default_factory=list)
    migrations: list[SqlMigration] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    """A person must answer them first."""
    without_tenant: list[Person] = field(default_factory=list)
    """The users of the time before tenants, who can do nothing until they register, or are attached."""

    def as_json(self) -> dict[str, Any]:
        return {
            "changes": [
                {"what": one.description, "sql": list(one.sql), "ids": list(one.ids)} for one in self.changes
            ],
            "migrations": [one.migration_id for one in self.migrations],
            "undecided": [
                {
                    "what": one.description,
                    "ids": list(one.ids),
                    "choices": [{"what": each.description, "sql": list(each.sql)} for each in one.choices],
                }
                for one in self.questions
            ],
            "withoutTenant": [vars(one) for one in self.without_tenant],
        }


def one_of(ids: Sequence[str]) -> str:
    """The SQL condition for the rows with these ids."""
    listed = ", ".join(f"'{one}'" for one in ids)
    return f"id = {listed}" if len(ids) == 1 else f"id IN ({listed})"
