"""What the old system attached to a column whose type changes: views, indexes, triggers, types."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from api.deploy.adoption.plan import Change, Choice, Question
from api.deploy.schema.catalog import Catalog, Column


@dataclass(frozen=True)
class Dependent:
    """An index or a trigger that PostgreSQL does not convert itself, or refuses to."""

    kind: str
    name: str
    drop: str
    definition: str
    """The statement that creates it."""
    enable: str = ""
    """The statement that gives a trigger its state."""


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


_VIEWS = """
WITH RECURSIVE found AS (
    SELECT DISTINCT rewrite.ev_class AS view, 1 AS depth
      FROM pg_depend
      JOIN pg_rewrite AS rewrite ON rewrite.oid = objid AND classid = 'pg_rewrite'::regclass
      JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
     WHERE refobjid = $1::text::regclass AND attname = $2 AND rewrite.rulename = '_RETURN'
    UNION
    SELECT rewrite.ev_class, depth + 1
      FROM found
      JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = view
      JOIN pg_rewrite AS rewrite ON rewrite.oid = objid AND classid = 'pg_rewrite'::regclass
     WHERE rewrite.ev_class <> view AND depth < 20
)
SELECT view::regclass::text AS name, relkind = 'm' AS is_materialized, pg_get_viewdef(view) AS definition
  FROM found JOIN pg_class ON pg_class.oid = view
 GROUP BY view, relkind ORDER BY max(depth) DESC, name
"""


async def view_questions(connection: Any, columns: Sequence[ChangedColumn]) -> AsyncIterator[Question]:
    """PostgreSQL refuses to change the type of a column that a view reads, and views may depend on views."""
    for column in columns:
        rows = await connection.fetch(_VIEWS, column.table, column.name)
        if rows:
            kinds = ["MATERIALIZED VIEW" if row["is_materialized"] else "VIEW" for row in rows]
            again = "; ".join(
                f"CREATE {kind} {row['name']} AS {' '.join(row['definition'].split()).rstrip(';')}"
                for kind, row in reversed(list(zip(kinds, rows, strict=True)))
            )
            yield Question(
                f"views of {column.table}.{column.name}, whose type changes: drop them, and create them again"
                " afterwards",
                tuple(row["name"] for row in rows),
                (
                    Choice(
                        f"drop them; afterwards run: {again}",
                        tuple(f"DROP {kind} {row['name']}" for kind, row in zip(kinds, rows, strict=True)),
                    ),
                ),
            )


# An index on the column itself is rebuilt by PostgreSQL, which does not convert an expression.
_INDEXES = """
SELECT DISTINCT x.relname AS name, pg_get_indexdef(x.oid) AS definition
  FROM pg_depend d
  JOIN pg_index i ON i.indexrelid = d.objid AND d.classid = 'pg_class'::regclass
  JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE d.refobjid = $1::text::regclass AND a.attname = ANY ($2::text[])
   AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = x.oid)
"""

_TRIGGERS = """
SELECT DISTINCT t.tgname AS name, pg_get_triggerdef(t.oid) AS definition, t.tgenabled::text AS enabled
  FROM pg_depend d
  JOIN pg_trigger t ON t.oid = d.objid AND d.classid = 'pg_trigger'::regclass
  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE d.refobjid = $1::text::regclass AND a.attname = ANY ($2::text[]) AND NOT t.tgisinternal
"""

_STATES = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


async def find_dependents(
    connection: Any, columns: Sequence[ChangedColumn], expected: Catalog
) -> list[Dependent]:
    """The old system's indexes and triggers that have to be taken down."""
    found: list[Dependent] = []
    for table in dict.fromkeys(column.table for column in columns):
        names = [column.name for column in columns if column.table == table]
        for row in await connection.fetch(_INDEXES, table, names):
            if row["name"] not in expected[table].indexes:
                drop = f'DROP INDEX "{row["name"]}"'
                found.append(Dependent("index", row["name"], drop, row["definition"]))
        for row in await connection.fetch(_TRIGGERS, table, names):
            name, state = row["name"], _STATES.get(row["enabled"])
            enable = f'ALTER TABLE {table} {state} TRIGGER "{name}"' if state else ""
            drop = f'DROP TRIGGER "{name}" ON {table}'
            found.append(Dependent("trigger", name, drop, row["definition"], enable))
    return found


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


async def put_back(
    connection: Any, dependent: Dependent, columns: Sequence[ChangedColumn]
) -> Change | Question:
    """Create it again for the new types: the change, or the question if PostgreSQL accepts no form of it."""
    for definition in dict.fromkeys(_forms(dependent.definition, columns)):
        await connection.execute("SAVEPOINT put_back")
        try:
            await connection.execute(definition)
        except asyncpg.PostgresError:
            await connection.execute("ROLLBACK TO SAVEPOINT put_back")
        else:
            statements = (dependent.drop, definition, *filter(None, [dependent.enable]))
            for statement in statements[2:]:
                await connection.execute(statement)
            return Change(
                f"the {dependent.kind} {dependent.name} is created again for the new types", statements
            )
    return Question(
        f"{dependent.kind} that cannot be created again, because a type changes: {dependent.definition}",
        (dependent.name,),
        (Choice("drop it", (dependent.drop,)),),
    )


def _forms(definition: str, columns: Sequence[ChangedColumn]) -> Iterator[str]:
    """The definition with the new types, then also with naive times made from the new ones."""
    for column in columns:
        if column.old.type not in ("text", "uuid") and not column.old.type.startswith(("character", "time")):
            definition = definition.replace(f"::{column.old.type}", f"::{column.new.type}")
    yield definition
    # A trigger lists columns before WHEN, and an index names its table.
    head, separator, tail = definition.partition(" WHEN (" if " TRIGGER " in definition else " USING ")
    for column in columns:
        if column.old.type.endswith("without time zone"):
            reference = re.compile(rf'((?:\b(?:old|new)\.)?"{column.name}")', re.I)
            tail = reference.sub(r"(\1 AT TIME ZONE 'UTC')", tail)
    yield head + separator + tail


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
