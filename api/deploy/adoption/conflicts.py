"""What adopting a database cannot decide: which rows a person has to look at first."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from api.deploy.schema.catalog import Catalog, Column
from api.domain.fields import letters_and_digits
from api.domain.roles import Role
from api.key_shape import KEY_PATTERN


@dataclass(frozen=True)
class AdoptionConflict:
    what: str
    ids: list[str]


async def find_conflicts(connection: Any, wanted: Catalog, found: Catalog) -> list[AdoptionConflict]:
    """All of it at once; whatever PostgreSQL would refuse in the middle is told beforehand, with ids."""
    queries = [_EMAILS, _ROLES, *([_KEYS] if "beta_keys" in found else [])]
    for table, there in found.items():
        want = wanted[table]
        for column in there.columns.keys() & want.columns.keys():
            queries += _misfits(table, column, want.columns[column], there.columns[column])
            if want.columns[column].type != there.columns[column].type:
                queries.append(_views(table, column))
        for one in want.constraints.values():
            queries += _orphans(table, one.definition, found)
    undecided = [
        AdoptionConflict(what, ids)
        for sql in queries
        for what, ids in [tuple(row) for row in await connection.fetch(sql)]
        if ids
    ]
    if "tenants" in found:
        undecided += [one async for one in _equal_tax_ids(connection)]
    return undecided


_EMAIL = "btrim(email::text, E' \\t\\r\\n')"

UNTIDY_EMAILS = f"SELECT id, {_EMAIL} FROM users WHERE email::text <> {_EMAIL}"
"""The ids of users, and their addresses without the blanks around them; sign-in leaves those out as well."""

_EMAILS = f"""
SELECT 'users with the email ' || min(lower({_EMAIL})) || ', written in more than one way',
       array_agg(id::text ORDER BY id)
  FROM users GROUP BY lower({_EMAIL}) HAVING count(*) > 1
"""

# Whoever types a key of this shape in small letters means the one in capitals; other keys stay as they are.
_KEY = f"CASE WHEN key::text ~* '^{KEY_PATTERN}$' THEN upper(key::text) ELSE key::text END"

UNTIDY_KEYS = f"SELECT id, {_KEY} FROM beta_keys WHERE key::text <> {_KEY}"
"""The ids of beta keys, and the keys as they are looked up."""

_KEYS = f"""
SELECT 'beta keys that are ' || {_KEY} || ', written in more than one way', array_agg(id::text ORDER BY id)
  FROM beta_keys GROUP BY {_KEY} HAVING count(*) > 1
"""

_ROLES = f"""
SELECT 'users with the role ' || coalesce(role::text, 'null') || ', which there is none',
       array_agg(id::text ORDER BY id)
  FROM users WHERE (role::text IN ({", ".join(f"'{role.value}'" for role in Role)})) IS NOT TRUE
 GROUP BY role::text
"""


def _views(table: str, column: str) -> str:
    """PostgreSQL changes the type of no column that a view shows."""
    return f"""
        SELECT 'views of {table}.{column}, whose type changes: drop them, and make them again afterwards',
               array_agg(DISTINCT rewrite.ev_class::regclass::text)
          FROM pg_depend
          JOIN pg_rewrite AS rewrite ON rewrite.oid = objid AND classid = 'pg_rewrite'::regclass
          JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
         WHERE refobjid = '{table}'::regclass AND attname = '{column}'
    """


def _misfits(table: str, column: str, want: Column, there: Column) -> Iterator[str]:
    """Values that the wanted column does not take."""
    length = re.fullmatch(r"character varying\((\d+)\)", want.type)
    if length and want.type != there.type:
        yield _rows(
            table,
            f"whose {column} is longer than {length[1]} characters",
            f'char_length("{column}"::text) > {length[1]}',
        )
    if want.not_null and not there.not_null and want.default is None:
        yield _rows(table, f"whose {column} is null", f'"{column}" IS NULL')


def _orphans(table: str, definition: str, found: Catalog) -> Iterator[str]:
    """Rows that name a row which is not there: the foreign key was never made, or never checked."""
    key = re.match(r'FOREIGN KEY \("?(\w+)"?\) REFERENCES (\w+)\(id\)', definition)
    if key and key[1] in found[table].columns and key[2] in found:
        yield _rows(
            table,
            f"whose {key[1]} names none of {key[2]}",
            f'"{key[1]}" IS NOT NULL AND NOT EXISTS'
            f' (SELECT FROM {key[2]} other WHERE other.id::text = {table}."{key[1]}"::text)',
        )


def _rows(table: str, what: str, condition: str) -> str:
    return f"SELECT '{table} {what}', array_agg(id::text ORDER BY id) FROM {table} WHERE {condition}"


async def _equal_tax_ids(connection: Any) -> AsyncIterator[AdoptionConflict]:
    tenants: defaultdict[str, list[str]] = defaultdict(list)
    for row in await connection.fetch("SELECT id::text, nit::text FROM tenants ORDER BY id"):
        tenants[stored_tax_id(row["nit"])].append(row["id"])
    for tax_id, ids in tenants.items():
        if len(ids) > 1:
            yield AdoptionConflict(f"tenants with the tax id {tax_id}, written in more than one way", ids)


def stored_tax_id(written: str | None) -> str:
    """As a registration stores it, so that the same business is known again; as it is, if nothing is left."""
    compact = letters_and_digits(written or "")
    return compact if 0 < len(compact) <= 50 else written or ""
