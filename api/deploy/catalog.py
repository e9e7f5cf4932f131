"""What a schema of the database holds, read from PostgreSQL's catalog, and how two of them differ."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class TableShape:
    """One table: each part by the name people know it by, and its definition as PostgreSQL writes it."""

    columns: dict[str, str] = field(default_factory=dict)
    constraints: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)
    row_security: str = "off"


Catalog = dict[str, TableShape]

_COLUMNS = """
SELECT c.relname AS "table", a.attname AS name,
       format_type(a.atttypid, a.atttypmod)
         || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
         || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') AS definition
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE c.relnamespace = $1::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
"""

# PostgreSQL 18 also lists NOT NULL as constraints (contype n); the columns tell that already. A unique
# constraint and a unique index promise the same, so both are read as the index behind them.
_CONSTRAINTS = """
SELECT c.relname AS "table", pg_get_constraintdef(k.oid) AS definition
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
 WHERE k.connamespace = $1::regnamespace AND k.contype IN ('c', 'f', 'x')
"""

_INDEXES = """
SELECT c.relname AS "table", pg_get_indexdef(i.indexrelid) AS definition, x.relname AS name, i.indisvalid
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
 WHERE c.relnamespace = $1::regnamespace
"""

_POLICIES = """
SELECT c.relname AS "table",
       p.polname || ' ' || p.polcmd::text || ' USING ' || coalesce(pg_get_expr(p.polqual, p.polrelid), '-')
         || ' CHECK ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '-') AS definition
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
 WHERE c.relnamespace = $1::regnamespace
"""

_ROW_SECURITY = """
SELECT relname AS "table",
       CASE WHEN relrowsecurity AND relforcerowsecurity THEN 'enabled and forced'
            WHEN relrowsecurity THEN 'enabled' ELSE 'off' END AS definition
  FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p')
"""


async def read_catalog(connection: Any, schema: str) -> Catalog:
    """The tables of `schema`, read over an asyncpg connection whose search_path is that schema alone."""
    catalog: Catalog = {
        row["table"]: TableShape(row_security=row["definition"])
        for row in await connection.fetch(_ROW_SECURITY, schema)
    }
    for row in await connection.fetch(_COLUMNS, schema):
        catalog[row["table"]].columns[row["name"]] = row["definition"]
    for row in await connection.fetch(_CONSTRAINTS, schema):
        catalog[row["table"]].constraints.add(row["definition"].replace(f"{schema}.", ""))
    for row in await connection.fetch(_INDEXES, schema):
        if row["indisvalid"]:
            catalog[row["table"]].indexes.add(_without_name(row["definition"], row["name"], schema))
    for row in await connection.fetch(_POLICIES, schema):
        catalog[row["table"]].policies.add(row["definition"].replace(f"{schema}.", ""))
    return catalog


def _without_name(index: str, name: str, schema: str) -> str:
    """An index's definition without its name: databases of the old system named theirs otherwise."""
    return index.replace(f'"{name}"', "…", 1).replace(f" {name} ", " … ", 1).replace(f"{schema}.", "")


def differences(wanted: Catalog, found: Catalog) -> list[str]:
    """What `wanted` has that `found` lacks or has otherwise, one sentence each.

    What `found` has beyond that is no difference, as a database may hold tables and columns of its own;
    but for what would break a promise: a policy lets through whatever the others hold back, and a column
    that must have a value has none in the rows of an application that does not know it.
    """
    told: list[str] = []
    for table, shape in wanted.items():
        if table not in found:
            told.append(f"table {table} is missing")
            continue
        there = found[table]
        for column, definition in shape.columns.items():
            if column not in there.columns:
                told.append(f"{table}.{column} is missing; it should be {definition}")
            elif there.columns[column] != definition:
                told.append(f"{table}.{column} is {there.columns[column]}; it should be {definition}")
        told += [f"{table} lacks {one}" for one in sorted(shape.constraints - there.constraints)]
        told += [f"{table} lacks the index {one}" for one in sorted(shape.indexes - there.indexes)]
        told += [f"{table} lacks the policy {one}" for one in sorted(shape.policies - there.policies)]
        if shape.policies:
            told += [
                f"{table} has the policy {one} besides" for one in sorted(there.policies - shape.policies)
            ]
        told += [
            f"{table}.{column} is {definition}, and nothing fills it"
            for column, definition in there.columns.items()
            if column not in shape.columns and definition.endswith(" NOT NULL")
        ]
        if shape.row_security not in ("off", there.row_security):
            told.append(f"row security of {table} is {there.row_security}; it should be {shape.row_security}")
    return told
