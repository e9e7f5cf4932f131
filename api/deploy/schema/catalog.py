"""The tables of a schema as PostgreSQL's catalog describes them: columns, constraints, indexes, policies."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from api.command_error import CommandError


@dataclass(frozen=True)
class Column:
    """`definition` is the text of the column in CREATE TABLE, without its name."""

    type: str
    not_null: bool = False
    default: str | None = None
    generated: str | None = None

    @property
    def definition(self) -> str:
        parts = [
            self.type,
            f"GENERATED {self.generated}" if self.generated is not None else "",
            "NOT NULL" if self.not_null else "",
            f"DEFAULT {self.default}" if self.default is not None else "",
        ]
        return " ".join(filter(None, parts))


@dataclass(frozen=True)
class Constraint:
    """A primary key, foreign key, check or exclusion. `definition` is the text after CONSTRAINT "name"."""

    definition: str
    columns: list[str]


@dataclass(frozen=True)
class Index:
    """`definition` is the whole statement without the name: the old system gave its indexes other names."""

    definition: str
    columns: list[str]
    constraint: bool = False
    """Whether it belongs to a UNIQUE constraint, which guarantees the same as a unique index."""
    valid: bool = True

    @property
    def unique(self) -> bool:
        return self.definition.startswith("CREATE UNIQUE ")

    def named(self, name: str, *, concurrently: bool) -> str:
        head, tail = self.definition.split(" INDEX ", 1)
        return f'{head} INDEX {"CONCURRENTLY " * concurrently}"{name}" {tail}'


@dataclass(frozen=True)
class Trigger:
    """`definition` is the CREATE TRIGGER statement, `function` the CREATE FUNCTION that it calls.

    The function has its lines, because a comment in it ends with its line.
    """

    definition: str
    function: str
    enabled: bool = True


@dataclass
class Table:
    """A table; each mapping is keyed by the name in the database. `policies` hold their definitions."""

    columns: dict[str, Column] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    row_security: str = "off"
    """`off`, `enabled`, or `enabled and forced`."""


Catalog = dict[str, Table]

_TABLES = """
SELECT relname AS "table",
       CASE WHEN relrowsecurity AND relforcerowsecurity THEN 'enabled and forced'
            WHEN relrowsecurity THEN 'enabled' ELSE 'off' END AS row_security
  FROM pg_class WHERE relnamespace = $1 AND relkind IN ('r', 'p') ORDER BY oid
"""

_COLUMNS = """
SELECT c.relname AS "table", a.attname AS name,
       format_type(a.atttypid, a.atttypmod)
         || CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::regcollation
                 ELSE '' END AS type,
       a.attnotnull AS not_null,
       CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS default,
       CASE WHEN a.attgenerated <> ''
            THEN 'ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') '
                 || CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END
            WHEN a.attidentity = 'a' THEN 'ALWAYS AS IDENTITY'
            WHEN a.attidentity = 'd' THEN 'BY DEFAULT AS IDENTITY' END AS generated
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE c.relnamespace = $1 AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
"""

# PostgreSQL 18 also lists NOT NULL as constraints (contype n); `Column.not_null` has that already. A unique
# constraint is read as its index.
_CONSTRAINTS = """
SELECT c.relname AS "table", k.conname AS name, pg_get_constraintdef(k.oid) AS definition,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey) ORDER BY a.attnum) AS columns
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
 WHERE c.relnamespace = $1 AND k.contype IN ('c', 'f', 'p', 'x') ORDER BY k.conname
"""

_INDEXES = """
SELECT c.relname AS "table", x.relname AS name, i.indisvalid AND i.indisready AS valid,
       pg_get_indexdef(i.indexrelid) || CASE WHEN i.indimmediate THEN '' ELSE ' DEFERRABLE' END AS definition,
       EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.oid AND k.contype = 'u') AS constraint,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0
                AND (a.attnum = ANY(i.indkey) OR a.attnum IN (
                     SELECT d.refobjsubid FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid
                        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid))
              ORDER BY a.attnum) AS columns
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
 WHERE c.relnamespace = $1 AND NOT i.indisprimary AND NOT i.indisexclusion ORDER BY x.relname
"""

_POLICIES = """
SELECT c.relname AS "table", p.polname AS name,
       CASE WHEN p.polpermissive THEN '' ELSE 'AS RESTRICTIVE ' END
         || 'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                    WHEN 'd' THEN 'DELETE' ELSE 'ALL' END
         || ' TO ' || array_to_string(ARRAY(
              SELECT CASE WHEN role = 0 THEN 'PUBLIC' ELSE role::regrole::text END
                FROM unnest(p.polroles) role ORDER BY 1), ', ')
         || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
         || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '') AS definition
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
 WHERE c.relnamespace = $1 ORDER BY p.polname
"""

_TRIGGERS = """
SELECT c.relname AS "table", t.tgname AS name, pg_get_triggerdef(t.oid, true) AS definition,
       pg_get_functiondef(t.tgfoid) AS function, t.tgenabled IN ('O', 'A') AS enabled
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE c.relnamespace = $1 AND NOT t.tgisinternal ORDER BY t.tgname
"""


async def current_schema(connection: Any) -> str:
    """The schema in which statements create tables. Raises `CommandError` if there is none."""
    schema = await connection.fetchval("SELECT current_schema()")
    if schema is None:
        path = await connection.fetchval("SELECT current_setting('search_path')")
        raise CommandError(f"no schema of the search_path of this role exists: {path}; create one")
    return schema


async def read_catalog(connection: Any, schema: str, only: Iterable[str] | None = None) -> Catalog:
    """The tables of `schema`, or those named in `only`, in the order in which they were created.

    `connection` is asyncpg's, and its search_path must begin with `schema`: PostgreSQL then writes the names
    in definitions without the schema. Compare catalogs of one server only: two versions of PostgreSQL write
    the same definition in different ways.
    """
    namespace, quoted = await connection.fetchrow(
        "SELECT oid, quote_ident(nspname) FROM pg_namespace WHERE nspname = $1", schema
    )
    # Not in a string: the names of the settings begin with `gatehouse.`, and a schema may have that name.
    qualifier = re.compile(rf"(?<![\w'.])(?:{re.escape(quoted)}|pg_temp)\.")
    tables = await connection.fetch(_TABLES, namespace)
    names = {row["table"] for row in tables} if only is None else set(only)
    catalog: Catalog = {
        row["table"]: Table(row_security=row["row_security"]) for row in tables if row["table"] in names
    }

    async def parts(sql: str) -> list[tuple[Table, dict[str, Any]]]:
        rows = [dict(row) for row in await connection.fetch(sql, namespace)]
        return [(catalog[name], row) for row in rows if (name := row.pop("table")) in catalog]

    def clean(definition: str) -> str:
        """In one line, where PostgreSQL breaks a policy's subquery, and without the name of the schema."""
        return qualifier.sub("", " ".join(definition.split()))

    for table, row in await parts(_COLUMNS):
        name = row.pop("name")
        table.columns[name] = Column(**row)
    for table, row in await parts(_CONSTRAINTS):
        table.constraints[row["name"]] = Constraint(clean(row["definition"]), row["columns"])
    for table, row in await parts(_INDEXES):
        name, definition = row.pop("name"), clean(row.pop("definition"))
        table.indexes[name] = Index(_without_name(definition), **row)
    for table, row in await parts(_POLICIES):
        table.policies[row["name"]] = clean(row["definition"])
    for table, row in await parts(_TRIGGERS):
        texts = clean(row["definition"]), "\n".join(map(clean, row["function"].splitlines()))
        table.triggers[row["name"]] = Trigger(*texts, enabled=row["enabled"])
    return catalog


def _without_name(index: str) -> str:
    _, on = index.split(" ON ", 1)
    return f"CREATE {'UNIQUE ' * index.startswith('CREATE UNIQUE ')}INDEX ON {on}"
