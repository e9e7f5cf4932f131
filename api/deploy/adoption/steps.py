"""The changes of an adoption, in the order in which they run."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.deploy.adoption.plan import Change
from api.deploy.adoption.rewrites import early_changes, late_changes
from api.deploy.adoption.spelling import EMPTY_VALUES
from api.deploy.migrations.history import literal
from api.deploy.migrations.migration import all_migrations
from api.deploy.schema.catalog import Catalog, Constraint, Index
from api.deploy.schema.differences import Difference, differences


@dataclass(frozen=True)
class Steps:
    before: list[Change]
    """Names, spellings, and what rejects rows of Gatehouse, or keeps the type of a column from changing."""
    repairs: list[Change]
    after: list[Change]
    """After the migrations."""

    @property
    def changes(self) -> list[Change]:
        return [*self.before, *self.repairs, *self.after]


async def plan_steps(connection: Any, expected: Catalog, actual: Catalog, applied: Collection[str]) -> Steps:
    """The steps for the tables in `actual`, to which the migrations `applied` have been applied."""
    found = differences({table: expected[table] for table in actual}, actual)
    ours = {
        (table, column)
        for migration in all_migrations()
        if migration.migration_id in applied
        for table, columns in migration.columns.items()
        for column in columns
    }
    return Steps(
        before=[
            *_renames(expected, actual),
            *_open_tables(expected, actual),
            *await early_changes(connection, actual),
            *(_repair(one) for one in found if one.unexpected),
        ],
        repairs=[_repair(one) for one in found if not one.unexpected],
        after=await late_changes(connection, actual, ours),
    )


def _open_tables(expected: Catalog, actual: Catalog) -> Iterator[Change]:
    """Row security goes where Gatehouse expects none: it would hide rows, as it knows no such policies."""
    for table, old in actual.items():
        if old.row_security != "off" and expected[table].row_security == "off":
            yield Change(
                f"row security of {table} is {old.row_security}; it should be off",
                (f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",),
            )


def _renames(expected: Catalog, actual: Catalog) -> Iterator[Change]:
    """Constraints and indexes with the expected definition get the expected name."""
    for table, old in actual.items():
        new = expected[table]
        for old_name, new_name in _other_names(new.constraints, old.constraints):
            yield Change(
                f"{old_name} of {table} becomes {new_name}",
                (f'ALTER TABLE {table} RENAME CONSTRAINT "{old_name}" TO "{new_name}"',),
            )
        for old_name, new_name in _other_names(new.indexes, old.indexes):
            yield Change(
                f"{old_name} of {table} becomes {new_name}",
                (f'ALTER INDEX "{old_name}" RENAME TO "{new_name}"',),
            )


def _other_names(
    expected: Mapping[str, Constraint | Index], actual: Mapping[str, Constraint | Index]
) -> Iterator[tuple[str, str]]:
    """The actual and the expected name of each definition that has another name."""
    names = {one.definition: name for name, one in expected.items() if name not in actual}
    for old_name, one in actual.items():
        if old_name not in expected and (new_name := names.pop(one.definition, None)) is not None:
            yield old_name, new_name


def _repair(difference: Difference) -> Change:
    """A missing part has no SQL here: the migrations create it."""
    statements = () if difference.missing else transactional(difference)
    return Change(difference.description, tuple(each for one in statements for each in (*_fill(one), one)))


def transactional(difference: Difference) -> tuple[str, ...]:
    """The statements of a difference for a transaction."""
    return tuple(statement.replace(" CONCURRENTLY", "") for statement in difference.sql)


_SET_NOT_NULL = re.compile(r'ALTER TABLE (\w+) ALTER COLUMN "(\w+)" SET NOT NULL')


def _fill(statement: str) -> Iterator[str]:
    """The UPDATE before SET NOT NULL, for a column whose nulls become an empty text."""
    if (found := _SET_NOT_NULL.fullmatch(statement)) and (
        value := EMPTY_VALUES.get((found[1], found[2]))
    ) is not None:
        yield f'UPDATE {found[1]} SET "{found[2]}" = {literal(value)} WHERE "{found[2]}" IS NULL'
