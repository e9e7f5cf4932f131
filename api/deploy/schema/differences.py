"""The differences between two catalogs: the expected one and the actual one. Each has SQL that repairs it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from api.command_error import CommandError
from api.deploy.schema import ddl
from api.deploy.schema.catalog import Catalog, Index, Table

VERIFY = "for the SQL that repairs it, run: gatehouse db verify"


class UnexpectedSchema(CommandError):
    """The tables in the database differ from the migrations; the message lists every difference."""

    def __init__(self, found: Sequence[str], advice: str = VERIFY) -> None:
        super().__init__(f"the schema differs from the migrations: {'; '.join(found)}; {advice}")
        self.found = found


@dataclass(frozen=True)
class Difference:
    """The statements of `sql` repair it, run one by one in the order of the differences."""

    description: str
    sql: tuple[str, ...]
    missing: bool = False
    """The database lacks something."""
    unexpected: str = ""
    """The name of the part, as `table.name`, if the migrations do not create it."""


def require_schema(
    expected: Catalog, actual: Catalog, *, later: Catalog, allowed: Collection[str] = ()
) -> None:
    """Raise `UnexpectedSchema` for `differences_from_both`.

    `allowed` are the names of unexpected parts that `actual` may have.
    """
    found = differences_from_both(expected, later, actual)
    if descriptions := [one.description for one in found if one.unexpected not in allowed]:
        raise UnexpectedSchema(descriptions)


def differences_from_both(expected: Catalog, later: Catalog, actual: Catalog) -> list[Difference]:
    """The parts of `actual` that are neither as `expected` nor as in `later`.

    `later` is the catalog after all migrations: a migration meets the changes of later ones if the table
    `migration` lost its rows. They may have dropped columns and triggers.
    """
    target = {
        name: _expected_or_later(table, later[name], actual[name]) if name in actual else table
        for name, table in expected.items()
    }
    return differences(target, actual)


def _expected_or_later(expected: Table, later: Table, actual: Table) -> Table:
    """`expected`, with each part of `later` that `actual` has already."""
    constraints = {one.definition for one in actual.constraints.values()}
    indexes = {one.definition for one in actual.indexes.values()}
    return Table(
        columns={
            **{
                name: one
                for name, one in expected.columns.items()
                if name in later.columns or name in actual.columns
            },
            **{name: one for name, one in later.columns.items() if actual.columns.get(name) == one},
        },
        constraints={
            **{name: one for name, one in expected.constraints.items() if one in later.constraints.values()},
            **{name: one for name, one in later.constraints.items() if one.definition in constraints},
        },
        indexes={
            **{name: one for name, one in expected.indexes.items() if one in later.indexes.values()},
            **{name: one for name, one in later.indexes.items() if one.definition in indexes},
        },
        policies={
            **{name: one for name, one in expected.policies.items() if name in later.policies},
            **{name: one for name, one in later.policies.items() if actual.policies.get(name) == one},
        },
        triggers={
            **{
                name: one
                for name, one in expected.triggers.items()
                if name in later.triggers or name in actual.triggers
            },
            **{name: one for name, one in later.triggers.items() if actual.triggers.get(name) == one},
        },
        row_security=later.row_security
        if actual.row_security == later.row_security
        else expected.row_security,
    )


def differences(expected: Catalog, actual: Catalog) -> list[Difference]:
    """The parts that `actual` lacks, or defines in another way than `expected`.

    A database may have further tables and columns. An additional part is a difference only if it breaks
    Gatehouse: a policy, because it shows rows that the other policies hide; a constraint, a unique index or a
    NOT NULL column without a default, because they reject rows that Gatehouse writes.
    """
    return [
        difference
        for name in ddl.in_creation_order(expected)
        for difference in (
            _of_table(name, expected[name], actual[name])
            if name in actual
            else [
                Difference(
                    f"table {name} is missing", tuple(ddl.create_table(name, expected[name])), missing=True
                )
            ]
        )
    ]


def _of_table(name: str, expected: Table, actual: Table) -> Iterator[Difference]:
    yield from _of_columns(name, expected, actual)
    yield from _of_constraints(name, expected, actual)
    yield from _of_indexes(name, expected, actual)
    yield from _of_row_security(name, expected, actual)
    yield from _of_policies(name, expected, actual)
    yield from _of_triggers(name, expected, actual)


def _of_columns(name: str, expected: Table, actual: Table) -> Iterator[Difference]:
    # Generated columns last: they are computed from the others.
    for column, new in sorted(expected.columns.items(), key=lambda item: item[1].generated is not None):
        old = actual.columns.get(column)
        if old is None:
            yield Difference(
                f"{name}.{column} is missing; it should be {new.definition}",
                (f'ALTER TABLE {name} ADD COLUMN "{column}" {new.definition}',),
                missing=True,
            )
        elif old != new:
            yield Difference(
                f"{name}.{column} is {old.definition}; it should be {new.definition}",
                tuple(ddl.alter_column(name, column, expected, actual)),
            )
    for column, old in actual.columns.items():
        has_value = old.default is not None or old.generated is not None
        if column not in expected.columns and old.not_null and not has_value:
            yield Difference(
                f"{name}.{column} is {old.definition}, has no default, and Gatehouse does not set it",
                (f'ALTER TABLE {name} ALTER COLUMN "{column}" DROP NOT NULL',),
            )


def _of_constraints(name: str, expected: Table, actual: Table) -> Iterator[Difference]:
    expected_definitions = {one.definition for one in expected.constraints.values()}
    actual_definitions = {one.definition for one in actual.constraints.values()}
    for constraint, old in actual.constraints.items():
        if old.definition in expected_definitions:
            continue
        validated = old.definition.removesuffix(" NOT VALID")
        if validated in expected_definitions:
            actual_definitions.add(validated)
            yield Difference(
                f"{name} has not validated {validated} for existing rows",
                (f'ALTER TABLE {name} VALIDATE CONSTRAINT "{constraint}"',),
            )
        elif set(old.columns) & set(expected.columns):
            yield Difference(
                f"{name} has the unexpected {old.definition}",
                (f'ALTER TABLE {name} DROP CONSTRAINT "{constraint}"',),
                unexpected=f"{name}.{constraint}",
            )
    for constraint, new in expected.constraints.items():
        if new.definition not in actual_definitions:
            yield Difference(
                f"{name} lacks {new.definition}",
                tuple(ddl.add_constraint(name, constraint, new.definition)),
                missing=True,
            )


def _of_indexes(name: str, expected: Table, actual: Table) -> Iterator[Difference]:
    expected_definitions = {one.definition for one in expected.indexes.values()}
    for index, old in actual.indexes.items():
        if not old.valid:
            yield Difference(
                f"{name} has the invalid index {index}: its creation was interrupted",
                (ddl.drop_index(name, index, old),),
            )
        elif (
            old.unique
            and old.definition not in expected_definitions
            and set(old.columns) & set(expected.columns)
        ):
            yield Difference(
                f"{name} has the unexpected {_summary(old)}",
                (ddl.drop_index(name, index, old),),
                unexpected=f"{name}.{index}",
            )
    valid = {one.definition for one in actual.indexes.values() if one.valid}
    for index, new in expected.indexes.items():
        if new.definition not in valid:
            yield Difference(
                f"{name} lacks the {_summary(new)}",
                tuple(ddl.create_index(name, index, new, actual)),
                missing=True,
            )


def _summary(index: Index) -> str:
    """`unique index btree (key)`."""
    return f"{'unique ' * index.unique}index {index.definition.split(' USING ', 1)[1]}"


def _of_row_security(name: str, expected: Table, actual: Table) -> Iterator[Difference]:
    if expected.row_security not in ("off", actual.row_security):
        yield Difference(
            f"row security of {name} is {actual.row_security}; it should be {expected.row_security}",
            tuple(ddl.enable_row_security(name, expected)),
            missing=True,
        )


def _of_policies(name: str, expected: Table, actual: Table) -> Iterator[Difference]:
    for policy, definition in expected.policies.items():
        old = actual.policies.get(policy)
        create = ddl.create_policy(name, policy, definition)
        if old is None:
            yield Difference(f"{name} lacks the policy {policy} {definition}", (create,), missing=True)
        elif old != definition:
            yield Difference(
                f"{name} has the policy {policy} {old}; it should be {definition}",
                (ddl.drop_policy(name, policy), create),
            )
    for policy, old in actual.policies.items():
        if expected.policies and policy not in expected.policies:
            yield Difference(
                f"{name} has the unexpected policy {policy} {old}",
                (ddl.drop_policy(name, policy),),
                unexpected=f"{name}.{policy}",
            )


def _of_triggers(name: str, expected: Table, actual: Table) -> Iterator[Difference]:
    for trigger, new in expected.triggers.items():
        old = actual.triggers.get(trigger)
        create = ddl.create_trigger(new)
        if old is None:
            yield Difference(f"{name} lacks the trigger {trigger}", create, missing=True)
        elif old != new:
            problem = "has another definition" if old.enabled else "is disabled"
            yield Difference(
                f"the trigger {trigger} of {name} {problem}",
                (f'DROP TRIGGER IF EXISTS "{trigger}" ON {name}', *create),
            )
