"""How the database differs from what is wanted: in words, and with the SQL that mends it."""

import graphlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api.command_error import CommandError
from api.deploy.schema.catalog import Catalog, Column, Index, Table, Trigger


class UnexpectedSchema(CommandError):
    """What exists already is not what is wanted; the message lists every difference."""


@dataclass(frozen=True)
class Difference:
    """`sql` are statements that mend it, each to be run by itself, in the order of the differences."""

    what: str
    sql: tuple[str, ...]
    missing: bool = False
    """Whether something is not there at all, as opposed to being there otherwise."""
    besides: bool = False
    """Whether something is there that is not wanted."""


def refuse(wanted: Catalog, found: Catalog, *, later: Catalog) -> None:
    """Raise `UnexpectedSchema` if `found` is neither what is `wanted` nor what it becomes `later`.

    A migration may meet what the ones after it have made, where its bookkeeping is lost.
    """
    reached = {
        name: _reached(table, later[name], found[name]) if name in found else table
        for name, table in wanted.items()
    }
    if told := [difference.what for difference in differences(reached, found)]:
        raise UnexpectedSchema(
            f"the database has these otherwise: {'; '.join(told)}; how to mend them: gatehouse db verify"
        )


def _reached(wanted: Table, later: Table, found: Table) -> Table:
    """`wanted`, but `later` in every part in which `found` is further."""
    constraints = {one.definition for one in found.constraints.values()}
    indexes = {one.definition for one in found.indexes.values()}
    return Table(
        columns=wanted.columns | {n: one for n, one in later.columns.items() if found.columns.get(n) == one},
        constraints={
            **{n: one for n, one in wanted.constraints.items() if one in later.constraints.values()},
            **{n: one for n, one in later.constraints.items() if one.definition in constraints},
        },
        indexes={
            **{n: one for n, one in wanted.indexes.items() if one in later.indexes.values()},
            **{n: one for n, one in later.indexes.items() if one.definition in indexes},
        },
        policies={
            **{n: one for n, one in wanted.policies.items() if n in later.policies},
            **{n: one for n, one in later.policies.items() if found.policies.get(n) == one},
        },
        triggers=wanted.triggers | {n: t for n, t in later.triggers.items() if found.triggers.get(n) == t},
        row_security=later.row_security if found.row_security == later.row_security else wanted.row_security,
    )


def differences(wanted: Catalog, found: Catalog) -> list[Difference]:
    """What `wanted` has that `found` lacks or has otherwise.

    What `found` has beyond that is no difference, as a database may hold tables and columns of its own;
    but for what would break a promise: a policy lets through whatever the others hold back, a constraint
    refuses what Gatehouse writes, and so does a column that must have a value and gets none.
    """
    return [
        difference
        for name in referenced_first(wanted)
        for difference in (
            _of_table(name, wanted[name], found[name])
            if name in found
            else [Difference(f"table {name} is missing", tuple(create_table(name, wanted[name])), True)]
        )
    ]


def referenced_first(catalog: Catalog) -> list[str]:
    """The tables in an order in which they can be made: after those that their foreign keys name."""
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for name, table in catalog.items():
        referenced = re.findall(
            r'REFERENCES "?(\w+)', " ".join(one.definition for one in table.constraints.values())
        )
        sorter.add(name, *(other for other in referenced if other in catalog and other != name))
    return list(sorter.static_order())


def create_table(name: str, table: Table) -> Iterator[str]:
    """The statements that make a table with all that belongs to it."""
    columns = ", ".join(f'"{column}" {one.definition}' for column, one in table.columns.items())
    yield f"CREATE TABLE {name} ({columns})"
    for constraint, one in table.constraints.items():
        yield f'ALTER TABLE {name} ADD CONSTRAINT "{constraint}" {one.definition}'
    for index, one in table.indexes.items():
        yield one.named(index, concurrently=False)
    if table.row_security != "off":
        yield from _row_security(name, table)
    for policy, definition in table.policies.items():
        yield _create_policy(name, policy, definition)
    for trigger in table.triggers.values():
        yield from _create_trigger(trigger)


def _of_table(name: str, wanted: Table, found: Table) -> Iterator[Difference]:
    yield from _of_columns(name, wanted, found)
    yield from _of_constraints(name, wanted, found)
    yield from _of_indexes(name, wanted, found)
    yield from _of_row_security(name, wanted, found)
    yield from _of_triggers(name, wanted, found)


def _of_columns(name: str, wanted: Table, found: Table) -> Iterator[Difference]:
    # Generated columns last: they are made of the others.
    for column, want in sorted(wanted.columns.items(), key=lambda item: item[1].generated is not None):
        there = found.columns.get(column)
        if there is None:
            yield Difference(
                f"{name}.{column} is missing; it should be {want.definition}",
                (f'ALTER TABLE {name} ADD COLUMN "{column}" {want.definition}',),
                missing=True,
            )
        elif there != want:
            yield Difference(
                f"{name}.{column} is {there.definition}; it should be {want.definition}",
                tuple(_alter_column(name, column, wanted, found)),
            )
    for column, there in found.columns.items():
        filled = there.default is not None or there.generated is not None
        if column not in wanted.columns and there.not_null and not filled:
            yield Difference(
                f"{name}.{column} is {there.definition}, and nothing fills it",
                (f'ALTER TABLE {name} ALTER COLUMN "{column}" DROP NOT NULL',),
            )


def _alter_column(name: str, column: str, wanted: Table, found: Table) -> Iterator[str]:
    want, there = wanted.columns[column], found.columns[column]
    alter = f'ALTER TABLE {name} ALTER COLUMN "{column}"'
    if want.generated != there.generated:
        yield f'ALTER TABLE {name} DROP COLUMN "{column}"'
        yield f'ALTER TABLE {name} ADD COLUMN "{column}" {want.definition}'
        yield from _indexes_of(column, wanted, found)
        return
    if want.type != there.type:
        yield from _alter_type(name, column, wanted, found)
    if want.default is None and there.default is not None:
        yield f"{alter} DROP DEFAULT"
    if want.default is not None and (want.default != there.default or want.type != there.type):
        yield f"{alter} SET DEFAULT {want.default}"
    if want.not_null and not there.not_null:
        if want.default is not None:
            # Row security hides the rows even from the owner of the table.
            yield "SET gatehouse.scope = 'platform'"
            yield f'UPDATE {name} SET "{column}" = DEFAULT WHERE "{column}" IS NULL'
        yield f"{alter} SET NOT NULL"
    elif there.not_null and not want.not_null:
        yield f"{alter} DROP NOT NULL"


def _alter_type(name: str, column: str, wanted: Table, found: Table) -> Iterator[str]:
    """Whatever is made of the column is in the way of its type, and made anew afterwards."""
    want, there = wanted.columns[column], found.columns[column]
    generated = [
        other
        for other, one in wanted.columns.items()
        if one.generated is not None and other in found.columns and _mentions(one.generated, column)
    ]
    policies = [policy for policy, definition in found.policies.items() if _mentions(definition, column)]
    for policy in policies:
        yield f'DROP POLICY "{policy}" ON {name}'
    for other in generated:
        yield f'ALTER TABLE {name} DROP COLUMN "{other}"'
    if there.default is not None:
        yield f'ALTER TABLE {name} ALTER COLUMN "{column}" DROP DEFAULT'
    yield f'ALTER TABLE {name} ALTER COLUMN "{column}" TYPE {want.type}{_conversion(column, want, there)}'
    for other in generated:
        yield f'ALTER TABLE {name} ADD COLUMN "{other}" {wanted.columns[other].definition}'
        yield from _indexes_of(other, wanted, found)
    for policy in policies:
        if policy in wanted.policies:
            yield _create_policy(name, policy, wanted.policies[policy])


def _mentions(expression: str, column: str) -> bool:
    return re.search(rf'"{column}"|\b{column}\b', expression) is not None


def _conversion(column: str, want: Column, there: Column) -> str:
    if want.type == "timestamp with time zone" and there.type.endswith("without time zone"):
        # The old system wrote UTC without saying so; PostgreSQL would take it for the session's time zone.
        return f""" USING "{column}" AT TIME ZONE 'UTC'"""
    if want.type.startswith(("character varying", "text")):
        # Over text, as an enum has no other way; not to a length, which an explicit cast would cut to.
        return f' USING "{column}"::text'
    if want.type.split("(")[0] == there.type.split("(")[0]:
        return ""
    return f' USING "{column}"::text::{want.type}'


def _indexes_of(column: str, wanted: Table, found: Table) -> Iterator[str]:
    """The indexes that went with a column, but for those that are told of as missing anyway."""
    present = {one.definition for one in found.indexes.values() if one.valid}
    for index, one in wanted.indexes.items():
        if column in one.columns and one.definition in present:
            yield one.named(index, concurrently=False)


def _of_constraints(name: str, wanted: Table, found: Table) -> Iterator[Difference]:
    defined = {one.definition for one in found.constraints.values()}
    for constraint, there in found.constraints.items():
        if there.definition in {one.definition for one in wanted.constraints.values()}:
            continue
        unchecked = there.definition.removesuffix(" NOT VALID")
        if unchecked in {one.definition for one in wanted.constraints.values()}:
            defined.add(unchecked)
            yield Difference(
                f"{name} has not checked {unchecked} for the rows it had",
                (f'ALTER TABLE {name} VALIDATE CONSTRAINT "{constraint}"',),
            )
        elif set(there.columns) & set(wanted.columns):
            yield Difference(
                f"{name} has {there.definition} besides",
                (f'ALTER TABLE {name} DROP CONSTRAINT "{constraint}"',),
                besides=True,
            )
    for constraint, want in wanted.constraints.items():
        if want.definition not in defined:
            yield Difference(
                f"{name} lacks {want.definition}",
                tuple(_add_constraint(name, constraint, want.definition)),
                missing=True,
            )


def _add_constraint(name: str, constraint: str, definition: str) -> Iterator[str]:
    if definition.startswith(("FOREIGN KEY", "CHECK")):
        # Adding it unchecked takes a moment; checking it then blocks nobody.
        yield f'ALTER TABLE {name} ADD CONSTRAINT "{constraint}" {definition} NOT VALID'
        yield f'ALTER TABLE {name} VALIDATE CONSTRAINT "{constraint}"'
    else:
        yield f'ALTER TABLE {name} ADD CONSTRAINT "{constraint}" {definition}'


def _of_indexes(name: str, wanted: Table, found: Table) -> Iterator[Difference]:
    definitions = {one.definition for one in wanted.indexes.values()}
    for index, there in found.indexes.items():
        if not there.valid:
            yield Difference(
                f"{name} has the index {index}, which was broken off and is never read",
                (_drop_index(name, index, there),),
            )
        elif (
            there.unique and there.definition not in definitions and set(there.columns) & set(wanted.columns)
        ):
            yield Difference(
                f"{name} has {_briefly(there)} besides", (_drop_index(name, index, there),), besides=True
            )
    present = {one.definition for one in found.indexes.values() if one.valid}
    for index, want in wanted.indexes.items():
        if want.definition not in present:
            yield Difference(
                f"{name} lacks {_briefly(want)}", tuple(_create_index(name, index, want, found)), missing=True
            )


def _briefly(index: Index) -> str:
    """`the unique index btree (key)`."""
    return f"the {'unique ' * index.unique}index {index.definition.split(' USING ', 1)[1]}"


def _drop_index(name: str, index: str, there: Index) -> str:
    if there.constraint:
        return f'ALTER TABLE {name} DROP CONSTRAINT "{index}"'
    return f'DROP INDEX CONCURRENTLY "{index}"'


def _create_index(name: str, index: str, want: Index, found: Table) -> Iterator[str]:
    there = found.indexes.get(index)
    # One that stands in the way under its name, and was not told of as a difference of its own.
    if there is not None and there.valid and not there.unique:
        yield _drop_index(name, index, there)
    yield want.named(index, concurrently=True)


def _of_row_security(name: str, wanted: Table, found: Table) -> Iterator[Difference]:
    if wanted.row_security not in ("off", found.row_security):
        yield Difference(
            f"row security of {name} is {found.row_security}; it should be {wanted.row_security}",
            tuple(_row_security(name, wanted)),
            missing=True,
        )
    for policy, definition in wanted.policies.items():
        there = found.policies.get(policy)
        if there is None:
            yield Difference(
                f"{name} lacks the policy {policy} {definition}",
                (_create_policy(name, policy, definition),),
                missing=True,
            )
        elif there != definition:
            yield Difference(
                f"{name} has the policy {policy} {there}; it should be {definition}",
                (f'DROP POLICY IF EXISTS "{policy}" ON {name}', _create_policy(name, policy, definition)),
            )
    for policy, there in found.policies.items():
        if wanted.policies and policy not in wanted.policies:
            yield Difference(
                f"{name} has the policy {policy} {there} besides",
                (f'DROP POLICY IF EXISTS "{policy}" ON {name}',),
                besides=True,
            )


def _row_security(name: str, wanted: Table) -> Sequence[str]:
    enable = f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
    return [enable, f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"][
        : 1 + wanted.row_security.endswith("forced")
    ]


def _create_policy(name: str, policy: str, definition: str) -> str:
    return f'CREATE POLICY "{policy}" ON {name} {definition}'


def _of_triggers(name: str, wanted: Table, found: Table) -> Iterator[Difference]:
    for trigger, want in wanted.triggers.items():
        there = found.triggers.get(trigger)
        if there is None:
            yield Difference(f"{name} lacks the trigger {trigger}", _create_trigger(want), missing=True)
        elif there != want:
            how = "does something else" if there.enabled else "is switched off"
            yield Difference(
                f"the trigger {trigger} of {name} {how}",
                (f'DROP TRIGGER IF EXISTS "{trigger}" ON {name}', *_create_trigger(want)),
            )


def _create_trigger(trigger: Trigger) -> tuple[str, str]:
    return trigger.function, trigger.definition
