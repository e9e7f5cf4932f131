"""A migration that would stop the traffic, or could not be undone, fails here; so would the next one.

squawk knows which statements hold a table up. It reads each step as it runs, in its transaction.
"""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.expected_schema import build_expected_schema
from api.deploy.migrations.migration import Index, SqlMigration, all_migrations
from api.deploy.migrations.pending import migration_ids
from api.deploy.migrations.table_changes import is_wider
from api.deploy.migrations.transactions import SETTINGS
from api.deploy.schema.catalog import Catalog
from tests.deploy.migrations import unsafe_sql
from tests.deploy.migrations.walking import changed_by_walking
from tests.support import copy_project

pytestmark = pytest.mark.anyio

SQUAWK = Path(sys.executable).parent / "squawk"

OLDEST = "15"
"""The oldest PostgreSQL that Gatehouse is used with."""

EVERYWHERE = {
    "require-statement-timeout": (
        "A step may take as long as it takes. What must not last is the wait for its lock, and lock_timeout"
        " ends that."
    ),
    "require-lock-timeout": (
        "Of the steps only an index made concurrently has none, and nobody who reads or writes queues behind"
        " the lock that it waits for."
    ),
    "prefer-text-field": (
        "The columns are as the old system made them, and the lengths are those that the API promises. A"
        " change of one is found as changing-column-type."
    ),
}
"""Rules that Gatehouse breaks on purpose, and why."""

EXCEPTIONS = {
    ("2026-11-24T00:00:11:402318", "adding-field-with-default"): (
        "The computed column is added to a table that this very migration makes. Only a database of the old"
        " system has it before; it is adopted while nobody uses it."
    ),
    ("2026-11-24T00:04:52:117630", "prefer-bigint-over-int"): (
        "The columns are as the old system made them, and count the seats of one business."
    ),
    ("2026-11-24T00:11:37:850244", "disables-row-security"): (
        "Reverting it removes the tenants, too, and the version before it knows no scope."
    ),
    ("2026-11-24T09:50:33:617408", "ban-drop-function"): (
        "The function is the one that its own triggers run, and they are dropped before it."
    ),
    ("2026-11-29T07:32:41:618230", "ban-drop-function"): (
        "The function is the one that its own triggers run, and they are dropped before it."
    ),
    ("2026-11-29T09:40:17:283064", "ban-drop-function"): (
        "The function is the one that its own trigger runs, and it is dropped before it."
    ),
    ("2026-11-30T08:31:18:640512", "ban-drop-function"): (
        "The functions are those that its own triggers run, and they are dropped before them."
    ),
    ("2026-11-30T08:31:18:640512", "erases-rows"): (
        "A trigger erases the words of a row that was changed or deleted. They are derived from it."
    ),
    ("2026-11-30T08:31:18:640512", "updates-many-rows"): (
        "A trigger updates the tenant of an owner who was changed; the migration itself runs no UPDATE."
    ),
}
"""What one migration may do, and why."""

GUARDED = re.compile(
    r"DO \$\$ BEGIN\s+IF (?:NOT )?EXISTS \((?:[^()]|\([^()]*\))*\) THEN(?P<body>.*?)END IF;\s+END \$\$;", re.S
)
"""A block that does something if it is needed: the form whose inside is shown to squawk."""


def broken_rules(migration: SqlMigration) -> set[str]:
    """The rules that its steps break, forwards and backwards."""
    steps = [step for step in (*migration.steps, migration.backwards) if isinstance(step, str | Index)]
    found = {rule for step in steps for rule in _broken(step)}
    return found | {"unanswered-question" for _ in migration.questions[:1]}


def _broken(step: str | Index) -> set[str]:
    if isinstance(step, Index):
        return _squawk(f"{step.sql(concurrently=True)};")
    sql = GUARDED.sub(lambda block: block["body"], step)
    return _squawk(f"{SETTINGS};\n{sql}", "--assume-in-transaction") | unsafe_sql.broken_rules(sql)


def _squawk(sql: str, *options: str) -> set[str]:
    done = subprocess.run(
        [SQUAWK, "--reporter=json", f"--pg-version={OLDEST}", *options],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
    )
    return {violation["rule_name"] for violation in json.loads(done.stdout)}


# The migrations of Gatehouse

ALL = {migration.migration_id: migration for migration in all_migrations()}


def test_every_migration_is_sql_and_named_as_its_file() -> None:
    """What runs Python could be neither read here nor undone; another name would be pending for ever."""
    assert list(ALL) == sorted(migration_ids())


@pytest.mark.parametrize("migration_id", ALL)
async def test_a_migration_breaks_no_rule_but_those_named(migration_id: str, migrated_database: str) -> None:
    """An exception that is not needed any more goes."""
    named = {rule for where, rule in EXCEPTIONS if where == migration_id}

    found = broken_rules(ALL[migration_id]) - set(EVERYWHERE)
    if "changing-column-type" in found and only_widens(*await tables_around(migration_id, migrated_database)):
        found.remove("changing-column-type")

    assert found == named, unsafe_sql.advice(found - named)


async def tables_around(migration_id: str, dsn: str) -> tuple[Catalog, Catalog]:
    """The tables before and after the migration."""
    connection = await asyncpg.connect(dsn)
    async with connection.transaction():
        after = (await build_expected_schema(connection)).after
    await connection.close()
    return after[max(one for one in after if one < migration_id)], after[migration_id]


def only_widens(before: Catalog, after: Catalog) -> bool:
    """Whether PostgreSQL makes every change of a type without reading the table. squawk sees no old type."""
    return all(
        is_wider(column.type, before[table].columns[name].type)
        for table in before.keys() & after.keys()
        for name, column in after[table].columns.items()
        if name in before[table].columns and column.type != before[table].columns[name].type
    )


@pytest.mark.parametrize(("new_type", "is_safe"), [("text", True), ("character varying(9)", False)])
async def test_a_wider_column_is_no_unsafe_change(
    migrated_database: str, new_type: str, is_safe: bool
) -> None:
    before, _ = await tables_around(max(ALL), migrated_database)
    columns = before["users"].columns
    changed = replace(columns["firstName"], type=new_type)
    users = replace(before["users"], columns={**columns, "firstName": changed})

    assert only_widens(before, {**before, "users": users}) is is_safe


def test_every_exception_is_needed() -> None:
    found = set().union(*map(broken_rules, ALL.values()))

    assert set(EVERYWHERE) <= found
    assert {migration_id for migration_id, _ in EXCEPTIONS} <= set(ALL)


# Unsafe migrations that a developer might write

UNSAFE = {
    "require-concurrent-index-creation": "CREATE INDEX IF NOT EXISTS users_role ON users (role);",
    "adding-foreign-key-constraint": (
        "ALTER TABLE users ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES tenants (id);"
    ),
    "constraint-missing-not-valid": (
        "ALTER TABLE users ADD CONSTRAINT c CHECK (role <> '') NOT VALID;"
        " ALTER TABLE users VALIDATE CONSTRAINT c;"
    ),
    "disallowed-unique-constraint": "ALTER TABLE users ADD CONSTRAINT u UNIQUE (password);",
    "adding-not-nullable-field": "ALTER TABLE tenants ALTER COLUMN phone SET NOT NULL;",
    "adding-required-field": "ALTER TABLE tenants ADD COLUMN website text NOT NULL;",
    "adding-field-with-default": "ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid();",
    "ban-drop-column": "ALTER TABLE users DROP COLUMN phone;",
    "ban-drop-table": "DROP TABLE beta_keys;",
    "renaming-column": 'ALTER TABLE users RENAME COLUMN "firstName" TO name;',
    "renaming-table": "ALTER TABLE users RENAME TO people;",
    "changing-column-type": "ALTER TABLE users ALTER COLUMN email TYPE varchar(200);",
    "erases-rows": "DELETE FROM users WHERE role = 'CASHIER';",
    "unreadable-block": "DO $$ BEGIN PERFORM 1; END $$;",
    "updates-many-rows": """UPDATE users SET role = 'CASHIER' WHERE role IS NULL;""",
    "locks-table": "LOCK TABLE users IN ACCESS EXCLUSIVE MODE;",
    "rewrites-table": "CLUSTER users USING users_pkey;",
    "disables-row-security": "ALTER TABLE users DISABLE ROW LEVEL SECURITY;",
    "open-policy": "CREATE POLICY everyone ON users USING (true);",
    "syntax-error": "ALTER TABLE users ADD COLUMN;",
}


@pytest.mark.parametrize("rule", UNSAFE)
def test_an_unsafe_migration_is_found(rule: str) -> None:
    migration = SqlMigration(migration_id="2099-01-01T00:00:00:000000", forwards=UNSAFE[rule])

    assert rule in broken_rules(migration) - set(EVERYWHERE)


def test_what_is_unsafe_within_a_block_is_found() -> None:
    """squawk does not look into it by itself."""
    exists = "SELECT FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'phone'"
    block = f"DO $$ BEGIN IF EXISTS ({exists}) THEN ALTER TABLE users DROP COLUMN phone; END IF; END $$;"

    migration = SqlMigration(migration_id="2099-01-01T00:00:00:000000", forwards=block)

    assert _squawk(block) == set()
    assert broken_rules(migration) - set(EVERYWHERE) == {"ban-drop-column"}


def test_what_is_unsafe_going_backwards_is_found() -> None:
    migration = SqlMigration(
        migration_id="2099-01-01T00:00:00:000000", forwards="SELECT 1;", backwards="DROP TABLE tenants;"
    )

    assert broken_rules(migration) - set(EVERYWHERE) == {"ban-drop-table"}


ALSO_UNSAFE = [
    ("updates-many-rows", 'UPDATE ONLY public.users AS u SET "isActive" = true;'),
    ("updates-many-rows", "UPDATE users SET role = 'ADMIN' WHERE id = '1' OR role IS NULL;"),
    ("updates-many-rows", "WITH u AS (SELECT 1) UPDATE users\nSET role = upper(role);"),
    ("updates-many-rows", """UPDATE users SET role = 'x' FROM seats WHERE users.id = seats."userId";"""),
    ("locks-table", "LOCK users;"),
    ("locks-table", "LOCK TABLE users, tenants IN SHARE MODE;"),
    ("rewrites-table", "ALTER TABLE users SET UNLOGGED;"),
    ("rewrites-table", "ALTER TABLE users ADD COLUMN a text, SET LOGGED;"),
    ("rewrites-table", "VACUUM (FULL) users;"),
    ("disables-row-security", "ALTER TABLE users NO FORCE ROW LEVEL SECURITY;"),
    ("open-policy", "ALTER POLICY scope ON users USING ( TRUE );"),
    ("open-policy", "CREATE POLICY p ON users FOR INSERT WITH CHECK (true);"),
]


@pytest.mark.parametrize(("rule", "sql"), ALSO_UNSAFE)
def test_another_form_of_it_is_found(rule: str, sql: str) -> None:
    assert rule in unsafe_sql.broken_rules(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO plans (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 1;",
        "CREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION f();",
        "ALTER TABLE users ADD COLUMN b uuid REFERENCES b (id) ON UPDATE SET NULL;",
        "UPDATE plans SET price = 3 WHERE id = 1;",
        "UPDATE plans SET price = 3 WHERE price > 3 AND id IN ('a', 'b');",
        "INSERT INTO plans (id) VALUES (1) ON CONFLICT DO NOTHING;",
        "LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;",
        "SELECT 1 FROM users FOR UPDATE; SET LOCAL x = 1;",
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY; ALTER TABLE users FORCE ROW LEVEL SECURITY;",
        "CREATE POLICY p ON users USING (current_setting('gatehouse.scope', true) = 'platform');",
        "-- UPDATE users SET role = 'x';\nSELECT 1;",
    ],
)
def test_what_is_safe_breaks_no_rule(sql: str) -> None:
    assert unsafe_sql.broken_rules(sql) == set()


def test_the_advice_for_an_update_of_many_rows_names_the_backfill() -> None:
    assert "a Backfill" in unsafe_sql.advice({"updates-many-rows", "ban-drop-column"})


def test_a_backfill_breaks_no_rule() -> None:
    step = Backfill("users", {"role": "'CASHIER'"}, "role IS NULL")

    assert broken_rules(SqlMigration(migration_id="2099-01-01T00:00:00:000000", forwards=[step])) == set()


FORGETFUL = """
from api.deploy.migrations.migration import SqlMigration

ID = "2099-01-01T00:00:00:000000"
DESCRIPTION = "Create a policy, and do not revert it."
POLICY = "DROP POLICY IF EXISTS none ON mails; CREATE POLICY none ON mails USING (false);"
MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=POLICY)
"""


@pytest.mark.slow
async def test_a_migration_that_does_not_undo_what_it_did_is_found(
    migrated_database: str, tmp_path: Path
) -> None:
    """By the walk that every migration takes."""
    copy_project(tmp_path)
    (tmp_path / "migrations" / "gatehouse_2099_01_01t00_00_00_000000.py").write_text(FORGETFUL)

    assert "down to 0" in changed_by_walking(migrated_database, 1, tmp_path)
