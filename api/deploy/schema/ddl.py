"""The SQL that creates a table, or repairs one part of it. `gatehouse db verify` prints it.

`expected` is the table as the migrations build it, `actual` the table in the database.
"""

import graphlib
import re
from collections.abc import Iterator

from api.deploy.schema.catalog import Catalog, Column, Index, Table, Trigger


def in_creation_order(catalog: Catalog) -> list[str]:
    """The names of the tables, each after the tables that its foreign keys reference."""
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for name, table in catalog.items():
        referenced = [referenced_table(one.definition) for one in table.constraints.values()]
        sorter.add(name, *(other for other in referenced if other in catalog and other != name))
    return list(sorter.static_order())


def referenced_table(constraint: str) -> str | None:
    """The table that a foreign key references, with its schema if that is another one."""
    found = re.search(r"FOREIGN KEY \(.*?\) REFERENCES (.*?)\(", constraint)
    return found and found[1].replace('"', "")


def create_table(name: str, table: Table) -> Iterator[str]:
    """The statements that create a table with its constraints, indexes, policies and triggers."""
    columns = ", ".join(f'"{column}" {one.definition}' for column, one in table.columns.items())
    yield f"CREATE TABLE {name} ({columns})"
    for constraint, one in table.constraints.items():
        yield f'ALTER TABLE {name} ADD CONSTRAINT "{constraint}" {one.definition}'
    for index, one in table.indexes.items():
        yield one.named(index, concurrently=False)
    if table.row_security != "off":
        yield from enable_row_security(name, table)
    for policy, definition in table.policies.items():
        yield create_policy(name, policy, definition)
    for trigger in table.triggers.values():
        yield from create_trigger(trigger)


def alter_column(name: str, column: str, expected: Table, actual: Table) -> Iterator[str]:
    """The statements that turn the column of `actual` into that of `expected`."""
    new, old = expected.columns[column], actual.columns[column]
    alter = f'ALTER TABLE {name} ALTER COLUMN "{column}"'
    if new.generated != old.generated:
        yield f'ALTER TABLE {name} DROP COLUMN "{column}"'
        yield f'ALTER TABLE {name} ADD COLUMN "{column}" {new.definition}'
        yield from _recreate_indexes(column, expected, actual)
        return
    if new.type != old.type:
        yield from _alter_type(name, column, expected, actual)
    if new.default is None and old.default is not None:
        yield f"{alter} DROP DEFAULT"
    if new.default is not None and (new.default != old.default or new.type != old.type):
        yield f"{alter} SET DEFAULT {new.default}"
    if new.not_null and not old.not_null:
        if new.default is not None:
            # Row security hides the rows even from the owner of the table.
            yield "SET gatehouse.scope = 'platform'"
            yield f'UPDATE {name} SET "{column}" = DEFAULT WHERE "{column}" IS NULL'
        yield f"{alter} SET NOT NULL"
    elif old.not_null and not new.not_null:
        yield f"{alter} DROP NOT NULL"


def _alter_type(name: str, column: str, expected: Table, actual: Table) -> Iterator[str]:
    """PostgreSQL refuses while policies and generated columns use the column, so they are recreated."""
    new, old = expected.columns[column], actual.columns[column]
    generated = [
        other
        for other, one in expected.columns.items()
        if one.generated is not None and other in actual.columns and _mentions(one.generated, column)
    ]
    policies = [policy for policy, definition in actual.policies.items() if _mentions(definition, column)]
    for policy in policies:
        yield drop_policy(name, policy)
    for other in generated:
        yield f'ALTER TABLE {name} DROP COLUMN "{other}"'
    if old.default is not None:
        yield f'ALTER TABLE {name} ALTER COLUMN "{column}" DROP DEFAULT'
    yield f'ALTER TABLE {name} ALTER COLUMN "{column}" TYPE {new.type}{_using(column, new, old)}'
    for other in generated:
        yield f'ALTER TABLE {name} ADD COLUMN "{other}" {expected.columns[other].definition}'
        yield from _recreate_indexes(other, expected, actual)
    for policy in policies:
        if policy in expected.policies:
            yield create_policy(name, policy, expected.policies[policy])


def _mentions(expression: str, column: str) -> bool:
    return re.search(rf'"{column}"|\b{column}\b', expression) is not None


def _using(column: str, new: Column, old: Column) -> str:
    """The USING clause that converts the values, or "" where PostgreSQL converts them itself."""
    if new.type == "timestamp with time zone" and old.type.endswith("without time zone"):
        # The old system stored UTC. Without this, PostgreSQL reads the time in the session's time zone.
        return f""" USING "{column}" AT TIME ZONE 'UTC'"""
    if new.type.startswith(("character varying", "text")):
        # An enum converts through text only. An explicit cast to a length would truncate the value.
        return f' USING "{column}"::text'
    if new.type.split("(")[0] == old.type.split("(")[0]:
        return ""
    return f' USING "{column}"::text::{new.type}'


def _recreate_indexes(column: str, expected: Table, actual: Table) -> Iterator[str]:
    """The indexes that PostgreSQL dropped with the column; missing ones are a `Difference` of their own."""
    valid = {one.definition for one in actual.indexes.values() if one.valid}
    for index, one in expected.indexes.items():
        if column in one.columns and one.definition in valid:
            yield one.named(index, concurrently=False)


def add_constraint(name: str, constraint: str, definition: str) -> Iterator[str]:
    if definition.startswith(("FOREIGN KEY", "CHECK")):
        # NOT VALID holds the lock for a moment only; VALIDATE then blocks neither reads nor writes.
        yield f'ALTER TABLE {name} ADD CONSTRAINT "{constraint}" {definition} NOT VALID'
        yield f'ALTER TABLE {name} VALIDATE CONSTRAINT "{constraint}"'
    else:
        yield f'ALTER TABLE {name} ADD CONSTRAINT "{constraint}" {definition}'


def create_index(name: str, index: str, new: Index, actual: Table) -> Iterator[str]:
    old = actual.indexes.get(index)
    # An index of the same name that no difference drops: invalid and unique ones are differences.
    if old is not None and old.valid and not old.unique:
        yield drop_index(name, index, old)
    yield new.named(index, concurrently=True)


def drop_index(name: str, index: str, old: Index) -> str:
    if old.constraint:
        return f'ALTER TABLE {name} DROP CONSTRAINT "{index}"'
    return f'DROP INDEX CONCURRENTLY "{index}"'


def enable_row_security(name: str, table: Table) -> list[str]:
    statements = [f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"]
    if table.row_security == "enabled and forced":
        statements.append(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
    return statements


def create_policy(name: str, policy: str, definition: str) -> str:
    return f'CREATE POLICY "{policy}" ON {name} {definition}'


def drop_policy(name: str, policy: str) -> str:
    return f'DROP POLICY IF EXISTS "{policy}" ON {name}'


def create_trigger(trigger: Trigger) -> tuple[str, str]:
    """The trigger's function, then the trigger."""
    return trigger.function, trigger.definition
