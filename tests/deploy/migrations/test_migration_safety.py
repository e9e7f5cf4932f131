"""A migration that would stop the traffic, or could not be undone, fails here; so would the next one.

squawk knows which statements hold a table up. It reads each step as it runs, in its transaction.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.deploy.migrations.migration import Index, SqlMigration, Step, all_migrations
from api.deploy.migrations.pending import migration_ids
from api.deploy.migrations.transactions import SETTINGS
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
    ("2026-11-24T09:50:33:617408", "ban-drop-function"): (
        "The function is the one that its own triggers run, and they are dropped before it."
    ),
}
"""What one migration may do, and why."""

GUARDED = re.compile(
    r"DO \$\$ BEGIN\s+IF (?:NOT )?EXISTS \((?:[^()]|\([^()]*\))*\) THEN(?P<body>.*?)END IF;\s+END \$\$;", re.S
)
"""A block that does something if it is needed: the form whose inside is shown to squawk."""


def broken_rules(migration: SqlMigration) -> set[str]:
    """The rules that its steps break, forwards and backwards."""
    found = {rule for step in (*migration.steps, migration.backwards) for rule in _broken(step)}
    return found | {"unanswered-question" for _ in migration.questions[:1]}


def _broken(step: Step) -> set[str]:
    if isinstance(step, Index):
        return _squawk(f"{step.sql(concurrently=True)};")
    sql = GUARDED.sub(lambda block: block["body"], step)
    found = _squawk(f"{SETTINGS};\n{sql}", "--assume-in-transaction")
    # squawk passes over both of these.
    if re.search(r"\bDO\b", sql):
        found.add("unreadable-block")
    if re.search(r"\b((?<!BEFORE )TRUNCATE|DELETE\s+FROM)\b", sql, re.I):
        found.add("erases-rows")
    return found


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
def test_a_migration_breaks_no_rule_but_those_named(migration_id: str) -> None:
    """An exception that is not needed any more goes."""
    named = {rule for where, rule in EXCEPTIONS if where == migration_id}

    assert broken_rules(ALL[migration_id]) - set(EVERYWHERE) == named


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


FORGETFUL = """
from api.deploy.migrations.migration import SqlMigration

ID = "2099-01-01T00:00:00:000000"
DESCRIPTION = "Create a policy, and do not revert it."
POLICY = "DROP POLICY IF EXISTS none ON mails; CREATE POLICY none ON mails USING (false);"
MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=POLICY)
"""


async def test_a_migration_that_does_not_undo_what_it_did_is_found(
    empty_database: str, tmp_path: Path
) -> None:
    """By the walk that every migration takes."""
    copy_project(tmp_path)
    (tmp_path / "migrations" / "gatehouse_2099_01_01t00_00_00_000000.py").write_text(FORGETFUL)

    changed = changed_by_walking(empty_database, len(ALL) + 1, tmp_path)

    assert f"{len(ALL)} migrations, going down" in changed
