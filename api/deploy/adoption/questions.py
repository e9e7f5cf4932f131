"""Questions: the rows and views that a person must change before a database can be adopted."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any

from api.deploy.adoption.plan import Choice, Question, one_of
from api.deploy.adoption.spelling import EMAIL, EMPTY_VALUES, KEY, stored_tax_id
from api.deploy.schema.catalog import Catalog, Table
from api.domain.roles import Role


async def find_questions(connection: Any, expected: Catalog, actual: Catalog) -> list[Question]:
    """All of them: each would make PostgreSQL reject a statement of the adoption."""
    sources = [_unknown_roles(connection), _equal_emails(connection, actual["users"])]
    if "tenants" in actual:
        sources.append(_equal_tax_ids(connection, actual["tenants"]))
    if "beta_keys" in actual:
        sources.append(_equal_keys(connection, actual["beta_keys"]))
    for table, old in actual.items():
        sources += [
            _missing_values(connection, table, expected[table], old),
            _long_values(connection, table, expected[table], old),
            _orphans(connection, table, expected[table], actual),
        ]
    return [one for source in sources for one in [each async for each in source]]


_OUT_OF_USE = "email = id::text || '@old.invalid', \"isActive\" = false"
"""A unique address that no mail reaches."""

_RENAMED_KEY = "key = left(md5(id::text), 20)"


async def _unknown_roles(connection: Any) -> AsyncIterator[Question]:
    known = [role.value for role in reversed(Role)]
    rows = await connection.fetch(
        "SELECT role::text, array_agg(id::text ORDER BY id) AS ids FROM users"
        " WHERE (role::text = ANY ($1::text[])) IS NOT TRUE GROUP BY role::text",
        known,
    )
    for row in rows:
        # The least rights first, unless the role differs from a known one in case and blanks only.
        meant = (row["role"] or "").strip().upper()
        roles = sorted(known, key=lambda role: role != meant)
        yield Question(
            f"users with the unknown role {'null' if row['role'] is None else row['role']}",
            tuple(row["ids"]),
            tuple(
                Choice(
                    f"they become {role}", (f"UPDATE users SET role = '{role}' WHERE {one_of(row['ids'])}",)
                )
                for role in roles
            ),
        )


async def _equal_emails(connection: Any, users: Table) -> AsyncIterator[Question]:
    rows = await connection.fetch(
        f"SELECT lower({EMAIL}) AS email, array_agg(id::text ORDER BY {_preferred(users)}) AS ids"
        f" FROM users GROUP BY lower({EMAIL}) HAVING count(*) > 1"
    )
    for row in rows:
        yield Question(
            f"users with the email {row['email']} in different spellings",
            tuple(row["ids"]),
            tuple(
                Choice(
                    f"{one} keeps the address; the others cannot sign in",
                    (f"UPDATE users SET {_OUT_OF_USE} WHERE {one_of(_others(row['ids'], one))}",),
                )
                for one in row["ids"]
            ),
        )


def _preferred(table: Table) -> str:
    """The order of equal rows: the one that is in use first, then the oldest."""
    by = {
        "tenantId": '("tenantId" IS NOT NULL) DESC',
        "isUsed": '("isUsed" IS TRUE) DESC',
        "isActive": '("isActive" IS TRUE) DESC',
        "createdAt": '"createdAt"',
    }
    return ", ".join([order for column, order in by.items() if column in table.columns] + ["id"])


def _others(ids: Sequence[str], one: str) -> list[str]:
    return [other for other in ids if other != one]


async def _equal_tax_ids(connection: Any, tenants: Table) -> AsyncIterator[Question]:
    spellings: defaultdict[str, list[str]] = defaultdict(list)
    for row in await connection.fetch(
        f"SELECT id::text, nit::text FROM tenants WHERE nit IS NOT NULL ORDER BY {_preferred(tenants)}"
    ):
        spellings[stored_tax_id(row["nit"])].append(row["id"])
    for tax_id, ids in spellings.items():
        if len(ids) > 1:
            yield Question(
                f"tenants with the tax id {tax_id} in different spellings",
                tuple(ids),
                tuple(
                    Choice(
                        f"{one} keeps the tax id; those of the others are marked as duplicates",
                        (
                            "UPDATE tenants SET nit = left(nit, 25) || ' duplicate ' || left(id::text, 8)"
                            f" WHERE {one_of(_others(ids, one))}",
                        ),
                    )
                    for one in ids
                ),
            )


async def _equal_keys(connection: Any, beta_keys: Table) -> AsyncIterator[Question]:
    is_used = '"isUsed" IS TRUE' if "isUsed" in beta_keys.columns else "false"
    rows = await connection.fetch(
        f"SELECT {KEY} AS key, array_agg(id::text ORDER BY {_preferred(beta_keys)}) AS ids,"
        f" array_agg(id::text) FILTER (WHERE {is_used}) AS used"
        f" FROM beta_keys GROUP BY {KEY} HAVING count(*) > 1"
    )
    for row in rows:
        used = row["used"] or []
        yield Question(
            f"beta keys {row['key']} in different spellings",
            tuple(row["ids"]),
            tuple(
                Choice(
                    f"{one} keeps the key; others are deleted, or renamed if they are used",
                    _without_key(_others(row["ids"], one), used),
                )
                for one in row["ids"]
            ),
        )


def _without_key(ids: Sequence[str], used: Sequence[str]) -> tuple[str, ...]:
    renamed = [one for one in ids if one in used]
    deleted = [one for one in ids if one not in used]
    return tuple(
        f"{statement} WHERE {one_of(rows)}"
        for statement, rows in (
            ("DELETE FROM beta_keys", deleted),
            (f"UPDATE beta_keys SET {_RENAMED_KEY}", renamed),
        )
        if rows
    )


_FOR_NULL = {
    ("users", "email"): ("they cannot sign in", f"UPDATE users SET {_OUT_OF_USE}"),
    ("tenants", "nit"): ("their tax id is unknown", "UPDATE tenants SET nit = 'unknown ' || id::text"),
    ("beta_keys", "key"): ("they are deleted", "DELETE FROM beta_keys"),
}
"""By table and column: what becomes of rows without a value, which no other value can stand for."""


async def _missing_values(connection: Any, table: str, new: Table, old: Table) -> AsyncIterator[Question]:
    for column in old.columns.keys() & new.columns.keys():
        one = new.columns[column]
        is_new = one.not_null and not old.columns[column].not_null and one.default is None
        if is_new and (table, column) not in EMPTY_VALUES:
            ids = await _ids(connection, table, f'"{column}" IS NULL')
            description, statement = _FOR_NULL.get((table, column), ("", ""))
            choices = [Choice(description, (f"{statement} WHERE {one_of(ids)}",))] if statement else []
            if ids:
                yield Question(f"{table} whose {column} is null", tuple(ids), tuple(choices))


_FOR_LONG = {
    ("users", "email"): ("they cannot sign in", f"UPDATE users SET {_OUT_OF_USE}"),
    ("beta_keys", "key"): ("the keys are replaced with unknown ones", f"UPDATE beta_keys SET {_RENAMED_KEY}"),
}


async def _long_values(connection: Any, table: str, new: Table, old: Table) -> AsyncIterator[Question]:
    for column in old.columns.keys() & new.columns.keys():
        length = re.fullmatch(r"character varying\((\d+)\)", new.columns[column].type)
        if length and old.columns[column].type != new.columns[column].type:
            value = {"email": EMAIL, "key": KEY}.get(column, f'"{column}"::text')
            ids = await _ids(connection, table, f"char_length({value}) > {length[1]}")
            description, statement = _FOR_LONG.get(
                (table, column),
                (
                    f"they are cut to {length[1]}",
                    f'UPDATE {table} SET "{column}" = left({value}, {length[1]})',
                ),
            )
            if ids:
                yield Question(
                    f"{table} whose {column} is longer than {length[1]} characters",
                    tuple(ids),
                    (Choice(description, (f"{statement} WHERE {one_of(ids)}",)),),
                )


async def _orphans(connection: Any, table: str, new: Table, actual: Catalog) -> AsyncIterator[Question]:
    """Rows that reference a row that does not exist: the old table has no foreign key, or a NOT VALID one."""
    for constraint in new.constraints.values():
        key = re.match(r'FOREIGN KEY \("?(\w+)"?\) REFERENCES (\w+)\(id\)', constraint.definition)
        if not key or key[1] not in actual[table].columns or key[2] not in actual:
            continue
        ids = await _ids(
            connection,
            table,
            f'"{key[1]}" IS NOT NULL AND NOT EXISTS'
            f' (SELECT FROM {key[2]} other WHERE other.id::text = {table}."{key[1]}"::text)',
        )
        # A key stays used, even if its tenant is gone.
        also = ', "isUsed" = true' if table == "beta_keys" else ""
        if ids:
            yield Question(
                f"{table} whose {key[1]} is not the id of a row of {key[2]}",
                tuple(ids),
                (
                    Choice(
                        "they refer to none",
                        (f'UPDATE {table} SET "{key[1]}" = NULL{also} WHERE {one_of(ids)}',),
                    ),
                ),
            )


async def _ids(connection: Any, table: str, condition: str) -> list[str]:
    rows = await connection.fetch(f"SELECT id::text FROM {table} WHERE {condition} ORDER BY id")
    return [row["id"] for row in rows]
