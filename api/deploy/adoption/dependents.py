"""What the old system attached to a column whose type changes: views, indexes, triggers, types and more."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from api.deploy.adoption.plan import Change, Choice, Question
from api.deploy.migrations import retained_data
from api.deploy.migrations.object_definitions import CREATE_FUNCTION
from api.deploy.migrations.type_changes import FORGET_PRESENT, drop_users
from api.deploy.schema.catalog import Catalog, Column


@dataclass(frozen=True)
class ChangedColumn:
    table: str
    name: str
    new: Column
    old: Column


def changed_columns(expected: Catalog, actual: Catalog) -> list[ChangedColumn]:
    """The columns whose types the adoption changes."""
    return [
        ChangedColumn(table, name, expected[table].columns[name], old)
        for table in actual
        for name, old in actual[table].columns.items()
        if name in expected[table].columns and expected[table].columns[name].type != old.type
    ]


_STATES = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


_ENABLED = """
SELECT quote_ident(c.relname) AS table, t.tgname AS name, t.tgenabled::text AS enabled
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
   AND c.oid = ANY (ARRAY(SELECT to_regclass(quote_ident(one)) FROM unnest($1::text[]) one))
"""


async def disable_triggers(connection: Any, expected: Catalog) -> list[str]:
    """Disable the old system's triggers; returns the statements that enable them again.

    A trigger must neither reject nor alter what the adoption writes.
    """
    enable: list[str] = []
    for row in await connection.fetch(_ENABLED, list(expected)):
        if row["name"] not in expected[row["table"].strip('"')].triggers:
            await connection.execute(f'ALTER TABLE {row["table"]} DISABLE TRIGGER "{row["name"]}"')
            state = _STATES.get(row["enabled"], "ENABLE")
            enable.append(f'ALTER TABLE {row["table"]} {state} TRIGGER "{row["name"]}"')
    return enable


async def drop_dependents(connection: Any, columns: Sequence[ChangedColumn]) -> None:
    """Drop what PostgreSQL refuses to convert with the type of a column, or does not convert."""
    await connection.execute(CREATE_FUNCTION)
    await retained_data.execute(connection, drop_users([f"{one.table}.{one.name}" for one in columns]))


async def put_back(connection: Any, columns: Sequence[ChangedColumn]) -> AsyncIterator[Change | Question]:
    """Create it again for the new types: the changes, and questions where PostgreSQL accepts no form."""
    # What the migrations have created meanwhile under the same name stays.
    await connection.execute(FORGET_PRESENT)
    left = await connection.fetch("SELECT * FROM gatehouse_dropped ORDER BY position, relation, name")
    count = -1
    # A view may read another one, so it is tried again after that.
    while len(left) != count:
        count, failed = len(left), []
        for one in left:
            if (statements := await _create(connection, one, columns)) is None:
                failed.append(one)
            elif drop := _drop_statement(**one):
                what = f"the {one['kind']} {one['name']} is created again for the new types"
                yield Change(what, (drop, *statements))
        left = failed
    for one in left:
        if drop := _drop_statement(**one):
            definition = "; ".join(one["statements"] or [f"{one['kind']} {one['name']} of another role"])
            yield Question(
                f"{one['kind']} that cannot be created again, because a type changes: {definition}",
                (one["name"],),
                (Choice("drop it", (drop,)),),
            )


async def _create(connection: Any, one: Any, columns: Sequence[ChangedColumn]) -> Sequence[str] | None:
    """The statements that PostgreSQL accepted; None if it accepts no form of them."""
    for statements in dict.fromkeys(_forms(one["kind"], one["statements"] or (), columns)):
        await connection.execute("SAVEPOINT put_back")
        try:
            for statement in statements:
                await connection.execute(statement)
        except asyncpg.PostgresError:
            await connection.execute("ROLLBACK TO SAVEPOINT put_back")
        else:
            return statements
    return None


def _forms(
    kind: str, definition: Sequence[str], columns: Sequence[ChangedColumn]
) -> Iterator[tuple[str, ...]]:
    """The statements with the new types, then also with naive times made from the new ones."""
    typed = tuple(_with_new_types(statement, columns) for statement in definition)
    if typed:
        yield typed
        # A trigger lists columns before WHEN, and an index names its table.
        separator = {"trigger": " WHEN (", "column": " GENERATED ALWAYS AS "}.get(kind, " USING ")
        yield tuple(_with_naive_times(statement, separator, columns) for statement in typed)


def _with_new_types(statement: str, columns: Sequence[ChangedColumn]) -> str:
    for column in columns:
        if column.old.type not in ("text", "uuid") and not column.old.type.startswith(("character", "time")):
            statement = statement.replace(f"::{column.old.type}", f"::{column.new.type}")
    return statement


def _with_naive_times(statement: str, separator: str, columns: Sequence[ChangedColumn]) -> str:
    head, separator, tail = statement.partition(separator)
    for column in columns:
        if column.old.type.endswith("without time zone"):
            reference = re.compile(rf'((?:\b(?:old|new)\.)?"{column.name}")', re.I)
            tail = reference.sub(r"(\1 AT TIME ZONE 'UTC')", tail)
    return head + separator + tail


def _drop_statement(*, kind: str, relation: str, name: str, **_: Any) -> str | None:
    """None for what goes with another object, such as a comment."""
    match kind:
        case "trigger" | "policy" | "rule":
            return f'DROP {kind.upper()} "{name}" ON {relation}'
        case "index":
            return f'DROP INDEX "{name}"'
        case "column" | "constraint":
            return f'ALTER TABLE {relation} DROP {kind.upper()} "{name}" CASCADE'
        case "view" | "materialized view" | "function" | "procedure" | "aggregate" | "type":
            return f"DROP {kind.upper()} {name} CASCADE"
        case _:
            return None


_UNUSED_ENUM = """
SELECT t.oid::regtype::text
  FROM pg_type t
 WHERE t.oid = to_regtype($1) AND t.typtype = 'e' AND pg_has_role(t.typowner, 'USAGE')
   AND NOT EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_type'::regclass
                      AND refobjid IN (t.oid, t.typarray) AND deptype <> 'i')
   AND NOT EXISTS (SELECT FROM pg_proc WHERE position(t.typname IN prosrc) > 0)
"""


async def drop_unused_enums(connection: Any, columns: Sequence[ChangedColumn]) -> AsyncIterator[Change]:
    """The enum types of changed columns, unless a column or a function of the old system uses them."""
    for name in dict.fromkeys(column.old.type for column in columns):
        unused = await connection.fetchval(_UNUSED_ENUM, name)
        if unused is not None:
            statement = f"DROP TYPE {unused}"
            await connection.execute(statement)
            yield Change(f"the type {unused} is dropped: nothing uses it any more", (statement,))
