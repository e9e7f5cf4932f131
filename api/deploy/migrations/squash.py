"""`gatehouse db squash`: one migration in the place of all in the folder.

It has the id of the newest one, so it counts as applied where that one is applied. Its `replaces` says which
records of the history it stands for.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.command_error import CommandError
from api.database.engine import get_engine
from api.deploy.migrations.expand import Retire
from api.deploy.migrations.migration import QUESTION, SqlMigration, migrations_by_id
from api.deploy.migrations.step_source import LINE_LENGTH, migration_source
from api.deploy.migrations.unused_columns import unused_columns
from api.deploy.paths import MIGRATIONS
from api.deploy.schema.catalog import Catalog, Table
from api.deploy.schema.ddl import create_policy, in_creation_order
from api.deploy.schema.differences import differences
from api.deploy.schema.temporary_schema import execute_temporarily, read_temporary_tables, temporary_schema

_NOT_DERIVED = re.compile(
    r"^\s*(INSERT|COPY|COMMENT|GRANT|REVOKE|CREATE (?:OR REPLACE )?"
    r"(?:EXTENSION|SEQUENCE|TYPE|DOMAIN|VIEW|MATERIALIZED|RULE|AGGREGATE))\b",
    re.I | re.M,
)
"""Statements whose result is no part of a `Catalog`."""

_FUNCTION_BODY = re.compile(r"\bAS \$(\w*)\$.*?\$\1\$", re.I | re.S)
"""It runs later, so no statement of it is a step of a migration. The body of a DO block is."""

_REPLICA_IDENTITY = re.compile(r"^ALTER TABLE \w+ REPLICA IDENTITY [^;]+;", re.I | re.M)
"""No part of a `Catalog`, and without it a published table without a primary key refuses changes."""

_FUNCTIONS = """
SELECT DISTINCT t.tgname AS trigger, pg_get_functiondef(t.tgfoid) AS definition, p.proname AS name
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE c.relnamespace = pg_my_temp_schema() AND NOT t.tgisinternal ORDER BY 3, 1
"""

_TEMPORARY = re.compile(r"\bpg_temp(?:_\d+)?\.")


async def squash() -> tuple[Path, list[Path]]:
    """Write the squashed migration over the newest one, and delete the others.

    Returns the file and the deleted files. Raises `CommandError` if there is nothing to squash.
    """
    every = migrations_by_id()
    if len(every) < 2:
        raise CommandError("there is only one migration in migrations/; there is nothing to squash")
    async with get_engine().transaction() as transaction:
        connection = transaction.connection
        async with temporary_schema(connection):
            for migration in every.values():
                await execute_temporarily(connection, migration.transactional_steps)
            catalog = await read_temporary_tables(connection)
            functions = {row["name"]: row["definition"] for row in await connection.fetch(_FUNCTIONS)}
        steps = [f"{_TEMPORARY.sub('', one).rstrip()};" for one in functions.values()]
        steps += [_table(name, catalog[name]) for name in in_creation_order(catalog)]
        steps += _replica_identities(every)
        backwards = "\n".join(_drop_triggers(catalog, list(functions)))
        await _require_equal(connection, catalog, steps)
    *older, newest = sorted(MIGRATIONS.glob("gatehouse_*.py"))
    newest.write_text(
        migration_source(
            max(every),
            "Create all tables.",
            [*steps, *_unused(every), *_questions(every)],
            backwards=backwards,
            replaces=_replaced(every),
        )
    )
    for path in older:
        path.unlink()
    return newest, older


def _table(name: str, table: Table) -> str:
    lines = [
        *(f'"{column}" {one.definition}' for column, one in table.columns.items()),
        *(f'CONSTRAINT "{constraint}" {one.definition}' for constraint, one in table.constraints.items()),
    ]
    body = ",\n    ".join(lines)
    statements: list[str] = []
    for index, one in table.indexes.items():
        statements.append(one.named(index, concurrently=False).replace(" INDEX ", " INDEX IF NOT EXISTS ", 1))
    if table.row_security != "off":
        statements.append(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
    if table.row_security == "enabled and forced":
        statements.append(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
    for policy, definition in table.policies.items():
        statements.append(f'DROP POLICY IF EXISTS "{policy}" ON {name}')
        statements.append(create_policy(name, policy, definition))
    statements += [
        one.definition.replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)
        for one in table.triggers.values()
    ]
    return "\n".join([f"CREATE TABLE IF NOT EXISTS {name} (\n    {body}\n);", *map(_wrapped, statements)])


def _wrapped(statement: str) -> str:
    """The statement in short lines, unless a literal of it has a blank."""
    if not any(re.search(r"\s", literal) for literal in re.findall(r"'(?:[^']|'')*'", statement)):
        lines = textwrap.wrap(
            statement,
            LINE_LENGTH - 1,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        statement = "\n".join(lines)
    return f"{statement};"


def _replica_identities(every: dict[str, SqlMigration]) -> list[str]:
    return [
        statement
        for migration in every.values()
        for step in migration.steps
        if isinstance(step, str)
        for statement in _REPLICA_IDENTITY.findall(step)
    ]


def _drop_triggers(catalog: Catalog, functions: list[str]) -> Iterator[str]:
    """A table moves with its triggers when it is reverted; their functions would be left."""
    for name, table in catalog.items():
        for trigger in table.triggers:
            yield f'DROP TRIGGER IF EXISTS "{trigger}" ON {name};'
    for function in functions:
        yield f"DROP FUNCTION IF EXISTS {function}();"


async def _require_equal(connection: Any, catalog: Catalog, steps: list[str]) -> None:
    async with temporary_schema(connection):
        await execute_temporarily(connection, steps)
        found = differences(catalog, await read_temporary_tables(connection))
    if found:
        raise CommandError(
            "nothing was written: the squashed migration would build other tables:"
            f" {'; '.join(one.description for one in found)}"
        )


def _questions(every: dict[str, SqlMigration]) -> list[str]:
    return [
        f"{QUESTION} which rows or objects of this statement of {migration_id} does a new database need?\n"
        f"-- {found[0].strip()} …"
        for migration_id, migration in every.items()
        for step in migration.steps
        if isinstance(step, str)
        for found in _NOT_DERIVED.finditer(_FUNCTION_BODY.sub("AS ''", step))
    ]


def _unused(every: dict[str, SqlMigration]) -> list[Retire]:
    """The columns that wait for their `Contract`. The tables have their defaults and triggers already."""
    return [
        Retire(table, column, renamed_to=step.renamed_to)
        for (table, column), (_, step) in unused_columns(every.values()).items()
    ]


def _replaced(every: dict[str, SqlMigration]) -> dict[str, str]:
    replaced: dict[str, str] = {}
    for migration in every.values():
        replaced |= migration.replaces
        replaced.setdefault(migration.migration_id, migration.checksum)
    return replaced
