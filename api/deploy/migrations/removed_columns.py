"""The columns that the migrations build and `tables/` lacks: dropped, or renamed. Both take two deploys.

Which of the two it is, the tables do not show. The answer is that to Piccolo's question whether columns were
renamed, `--auto_input=y` or `--auto_input=n`; without it the file asks.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TypeVar

from api.deploy.migrations.expand import Rename, Retire
from api.deploy.migrations.generated_steps import Steps, ask, default_of, short_type
from api.deploy.schema.catalog import Column, Constraint, Index, Table

Part = TypeVar("Part", Index, Constraint)

ANSWERS = (
    "Delete this file, and make it again with --auto_input=y if columns were renamed, or with --auto_input=n"
    " if they are to be dropped; or take the change in tables/ back"
)

_NOT_COMPARABLE = ("json", "xml", "point")
"""Types without an equality, which the trigger of a `Rename` needs."""

_EMPTY_VALUES = {
    "character varying": "''",
    "text": "''",
    "smallint": "0",
    "integer": "0",
    "bigint": "0",
    "boolean": "false",
}


def remove_columns(
    steps: Steps, name: str, new: Table, old: Table, *, unused: Collection[str], answer: str | None
) -> tuple[Table, Collection[str]]:
    """Add the steps of the first deploy.

    Returns `new` with the indexes and constraints that renamed columns have in `old`, and the new names.
    """
    gone = [
        column
        for column, one in old.columns.items()
        if column not in new.columns and column not in unused and one.generated is None
    ]
    candidates = {column: _new_names(column, new, old) for column in gone}
    renamed: dict[str, str] = {}
    for column, names in candidates.items():
        rivals = [other for other in gone if set(candidates[other]) & set(names)]
        if users := list(users_of(old, column)):
            ask(
                steps,
                f'the class of {name} has no "{column}", which {", ".join(users)} uses. Change that first.',
            )
        elif answer is None:
            fits = f", and a new column that fits: {', '.join(names)}" if names else ""
            ask(steps, f'the class of {name} has no "{column}"{fits}. Is it renamed or dropped? {ANSWERS}.')
        elif answer.startswith("y") and names and (len(rivals) > 1 or len(names) > 1):
            ask(
                steps,
                f'the class of {name} has no "{column}". Which new column has its values:'
                f" {', '.join(names)}? Rename one column at a time.",
            )
        elif answer.startswith("y") and names:
            renamed[names[0]] = column
            _rename(steps, name, column, names[0], new, old)
        else:
            _retire(steps, name, column, old)
    return _with_parts_of_renamed(new, old, renamed), renamed


def _new_names(column: str, new: Table, old: Table) -> list[str]:
    """The new columns that may be the renamed one: the same type, and no other default."""
    was = old.columns[column]
    default = default_of(was)
    if was.type in _NOT_COMPARABLE or ("(" in (default or "") and default != "now()"):
        return []
    return [
        other
        for other, one in new.columns.items()
        if other not in old.columns
        and (one.type, one.generated) == (was.type, None)
        and one.not_null <= was.not_null
        and default_of(one) in (None, default)
    ]


def users_of(table: Table, column: str) -> Iterator[str]:
    """The policies, triggers and computed columns that name the column. PostgreSQL does not change them."""
    mention = _mention(column)
    for policy, definition in table.policies.items():
        if mention.search(definition):
            yield f"the policy {policy}"
    for other, one in table.columns.items():
        if one.generated is not None and mention.search(one.generated):
            yield f'the computed column "{other}"'
    for trigger, one in table.triggers.items():
        if mention.search(f"{one.definition} {one.function}"):
            yield f"the trigger {trigger}"


def _mention(column: str) -> re.Pattern[str]:
    return re.compile(rf'"{column}"|(?<!["\w]){column}(?!["\w])')


def _rename(steps: Steps, name: str, column: str, to: str, new: Table, old: Table) -> None:
    was = old.columns[column]
    not_null = new.columns[to].not_null
    steps.forwards.append(Rename(name, column, to, short_type(was.type), default_of(was), not_null))
    steps.descriptions.append(f"rename {column} of {name} to {to}")


def _retire(steps: Steps, name: str, column: str, old: Table) -> None:
    was = old.columns[column]
    if was.not_null and was.default is None:
        value = _empty_value(column, was, old)
        steps.forwards.append(Retire(name, column, value, was_required=value is None))
    else:
        steps.forwards.append(Retire(name, column))
    steps.descriptions.append(f"stop using {column} of {name}")


def _empty_value(column: str, was: Column, old: Table) -> str | None:
    """A value for new rows, because older servers expect one; None if a constraint may reject it."""
    constrained = [*old.constraints.values(), *(one for one in old.indexes.values() if one.unique)]
    if any(column in one.columns for one in constrained):
        return None
    return _EMPTY_VALUES.get(was.type.split("(")[0])


def _with_parts_of_renamed(new: Table, old: Table, renamed: dict[str, str]) -> Table:
    indexes = {one.definition: one for one in new.indexes.values()}
    constraints = {one.definition: one for one in new.constraints.values()}
    for to, column in renamed.items():
        for index in (_moved(one, column, to) for one in old.indexes.values() if column in one.columns):
            indexes.setdefault(index.definition, index)
        for one in (_moved(one, column, to) for one in old.constraints.values() if column in one.columns):
            constraints.setdefault(one.definition, one)
    return replace(new, indexes=indexes, constraints=constraints)


def _moved(one: Part, column: str, to: str) -> Part:
    quoted = to if re.fullmatch("[a-z_][a-z0-9_]*", to) else f'"{to}"'
    columns = [to if other == column else other for other in one.columns]
    return replace(one, definition=_mention(column).sub(quoted, one.definition), columns=columns)
