"""Conflicts: the rows and views that a person must change before a database can be adopted."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from api.deploy.schema.catalog import Catalog, Column
from api.domain.errors import Problem
from api.domain.roles import Role
from api.domain.tax_ids import tax_id
from api.key_shape import KEY_PATTERN


@dataclass(frozen=True)
class AdoptionConflict:
    """A problem, with the ids of the rows or the names of the views that have it."""

    description: str
    ids: list[str]


async def find_conflicts(connection: Any, expected: Catalog, actual: Catalog) -> list[AdoptionConflict]:
    """All conflicts: each would make PostgreSQL reject a statement of the adoption."""
    queries = [_EMAILS, _ROLES, *([_KEYS] if "beta_keys" in actual else [])]
    for table, old in actual.items():
        new = expected[table]
        for column in old.columns.keys() & new.columns.keys():
            queries += _invalid_values(table, column, new.columns[column], old.columns[column])
            if new.columns[column].type != old.columns[column].type:
                queries.append(_views(table, column))
        for one in new.constraints.values():
            queries += _orphans(table, one.definition, actual)
    conflicts = [
        AdoptionConflict(description, ids)
        for sql in queries
        for description, ids in [tuple(row) for row in await connection.fetch(sql)]
        if ids
    ]
    if "tenants" in actual:
        conflicts += [one async for one in _equal_tax_ids(connection)]
    return conflicts


_EMAIL = "btrim(email::text, E' \\t\\r\\n')"

UNTRIMMED_EMAILS = f"SELECT id, {_EMAIL} FROM users WHERE email::text <> {_EMAIL}"
"""The ids of users, and their emails without the spaces around them, which sign-in removes."""

_EMAILS = f"""
SELECT 'users with the email ' || min(lower({_EMAIL})) || ' in different spellings',
       array_agg(id::text ORDER BY id)
  FROM users GROUP BY lower({_EMAIL}) HAVING count(*) > 1
"""

# The lookup expects keys of this shape in upper case. Other keys stay unchanged.
_KEY = f"CASE WHEN key::text ~* '^{KEY_PATTERN}$' THEN upper(key::text) ELSE key::text END"

LOWER_CASE_KEYS = f"SELECT id, {_KEY} FROM beta_keys WHERE key::text <> {_KEY}"
"""The ids of beta keys, and their keys in upper case."""

_KEYS = f"""
SELECT 'beta keys ' || {_KEY} || ' in different spellings', array_agg(id::text ORDER BY id)
  FROM beta_keys GROUP BY {_KEY} HAVING count(*) > 1
"""

_ROLES = f"""
SELECT 'users with the unknown role ' || coalesce(role::text, 'null'),
       array_agg(id::text ORDER BY id)
  FROM users WHERE (role::text IN ({", ".join(f"'{role.value}'" for role in Role)})) IS NOT TRUE
 GROUP BY role::text
"""


def _views(table: str, column: str) -> str:
    """Views of a column whose type changes: PostgreSQL refuses to change it."""
    return f"""
        SELECT 'views of {table}.{column}, whose type changes: drop them, and create them again afterwards',
               array_agg(DISTINCT rewrite.ev_class::regclass::text)
          FROM pg_depend
          JOIN pg_rewrite AS rewrite ON rewrite.oid = objid AND classid = 'pg_rewrite'::regclass
          JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
         WHERE refobjid = '{table}'::regclass AND attname = '{column}'
    """


def _invalid_values(table: str, column: str, new: Column, old: Column) -> Iterator[str]:
    """Values that the column does not accept after its change."""
    length = re.fullmatch(r"character varying\((\d+)\)", new.type)
    if length and new.type != old.type:
        yield _rows(
            table,
            f"whose {column} is longer than {length[1]} characters",
            f'char_length("{column}"::text) > {length[1]}',
        )
    if new.not_null and not old.not_null and new.default is None:
        yield _rows(table, f"whose {column} is null", f'"{column}" IS NULL')


def _orphans(table: str, definition: str, actual: Catalog) -> Iterator[str]:
    """Rows that reference a row that does not exist: the old table has no foreign key, or a NOT VALID one."""
    key = re.match(r'FOREIGN KEY \("?(\w+)"?\) REFERENCES (\w+)\(id\)', definition)
    if key and key[1] in actual[table].columns and key[2] in actual:
        yield _rows(
            table,
            f"whose {key[1]} is not the id of a row of {key[2]}",
            f'"{key[1]}" IS NOT NULL AND NOT EXISTS'
            f' (SELECT FROM {key[2]} other WHERE other.id::text = {table}."{key[1]}"::text)',
        )


def _rows(table: str, problem: str, condition: str) -> str:
    return f"SELECT '{table} {problem}', array_agg(id::text ORDER BY id) FROM {table} WHERE {condition}"


async def _equal_tax_ids(connection: Any) -> AsyncIterator[AdoptionConflict]:
    tenants: defaultdict[str, list[str]] = defaultdict(list)
    for row in await connection.fetch("SELECT id::text, nit::text FROM tenants ORDER BY id"):
        tenants[stored_tax_id(row["nit"])].append(row["id"])
    for stored, ids in tenants.items():
        if len(ids) > 1:
            yield AdoptionConflict(f"tenants with the tax id {stored} in different spellings", ids)


def stored_tax_id(old: str | None) -> str:
    """The tax id as registrations store it; unchanged if it has another form."""
    try:
        return tax_id(old or "")
    except Problem:
        return old or ""
