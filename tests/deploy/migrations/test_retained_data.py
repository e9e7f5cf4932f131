"""What going backwards keeps, comes back, and is erased only when asked for."""

import json
import re
from pathlib import Path

import asyncpg
import pytest

from api.deploy.migrations.retained_columns import BATCH
from tests.deploy.migrations.piccolo_command import (
    TENANTS,
    WAITS_FOR_USERS,
    ended,
    every_row,
    fill,
    run,
    start,
    until,
)
from tests.support import copy_project, run_gatehouse

pytestmark = pytest.mark.anyio

SUSPENSION = "2026-11-24T00:18:40:663925"


@pytest.mark.slow
async def test_what_is_put_back_is_put_back_in_batches(migrated_database: str) -> None:
    """More rows than one batch has, and all of them come back."""
    owner = await asyncpg.connect(migrated_database)
    await fill(owner, tenants=BATCH + 20)
    before = await every_row(owner)

    await run(migrated_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")
    code, output = await run(migrated_database, "forwards", "all")

    assert code == 0, output
    assert await every_row(owner) == before
    await owner.close()


@pytest.mark.slow
async def test_going_backwards_loses_nothing(migrated_database: str, connection: asyncpg.Connection) -> None:
    """Every tenant, key, user, session and event is as before, links and all, once forwards again."""
    await fill(connection)
    before = await every_row(connection)

    code, output = await run(
        migrated_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree"
    )
    gone = await connection.fetchval("SELECT to_regclass('tenants') IS NULL")
    again, _ = await run(migrated_database, "forwards", "all")

    assert (code, gone, again) == (0, True, 0), output
    assert "keeps 20 rows of tenants" in output
    assert "keeps 20 rows of users (tenantId, isOwner, documentId, phoneNumber)" in output
    assert await every_row(connection) == before
    assert all(before.values())


@pytest.mark.slow
async def test_what_is_kept_is_erased_only_when_asked_for(
    migrated_database: str, connection: asyncpg.Connection
) -> None:
    await fill(connection)
    await run(migrated_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")

    asked, question = run_gatehouse(migrated_database, "db", "forget")
    kept = await connection.fetchval("SELECT to_regclass('gatehouse_undone.tenants') IS NOT NULL")
    erased, output = run_gatehouse(migrated_database, "db", "forget", "--yes")
    again = run_gatehouse(migrated_database, "db", "forget", "--yes", "--json")

    assert (asked, kept, erased) == (1, True, 0)
    assert "--yes" in question
    assert "erased 20 rows of tenants" in output
    assert (again[0], json.loads(again[1])) == (0, {"erased": []})
    assert await connection.fetchval("SELECT to_regnamespace('gatehouse_undone') IS NULL")
    assert (await run(migrated_database, "forwards", "all"))[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depending", "named"),
    [
        ("CREATE VIEW report AS SELECT nit FROM gatehouse_undone.tenants", "view report"),
        (
            "CREATE TABLE orders (tenant uuid CONSTRAINT for_whom REFERENCES gatehouse_undone.tenants (id))",
            "constraint for_whom on table orders",
        ),
        ("CREATE FUNCTION gatehouse_undone.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "mine()"),
    ],
    ids=["a view", "a foreign key", "a function in the schema"],
)
async def test_what_is_kept_stays_while_something_else_depends_on_it(
    migrated_database: str, connection: asyncpg.Connection, depending: str, named: str
) -> None:
    """Erasing must not drop an object that the command did not name."""
    await fill(connection)
    await run(migrated_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")
    await connection.execute(depending)

    code, output = run_gatehouse(migrated_database, "db", "forget", "--yes")

    assert code == 1
    assert output.startswith("gatehouse: nothing was erased")
    assert named in output
    assert len(output.splitlines()) == 1
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        assert await connection.fetchval("SELECT count(*) FROM gatehouse_undone.tenants") == 20


@pytest.mark.slow
async def test_what_is_written_while_a_migration_is_undone_is_kept(
    migrated_database: str, connection: asyncpg.Connection
) -> None:
    """Copied before and dropped after it, it would be in neither place."""
    await fill(connection)
    writer = await asyncpg.connect(migrated_database)
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("SET LOCAL gatehouse.scope = 'platform'")
    await writer.execute("""UPDATE users SET "documentId" = 'late' WHERE "documentId" = 'n7'""")

    process = start(migrated_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")
    await until(connection, WAITS_FOR_USERS)
    await transaction.commit()
    await writer.close()
    code, output = await ended(process)
    await run(migrated_database, "forwards", "all")

    assert code == 0, output
    users = str((await every_row(connection))["users"])
    assert '"documentId": "late"' in users
    assert '"documentId": "n7"' not in users


async def test_a_second_undoing_does_not_overwrite_what_the_first_one_keeps(
    migrated_database: str, connection: asyncpg.Connection
) -> None:
    await fill(connection)
    back = ("backwards", "gatehouse", "--migration_id", SUSPENSION, "--auto_agree")
    await run(migrated_database, *back)
    await connection.execute(
        "INSERT INTO migration (name, app_name) VALUES ('2026-11-24T00:18:40:663925', 'gatehouse')"
    )
    await connection.execute('ALTER TABLE beta_keys ADD COLUMN "expiresAt" timestamptz')

    code, output = await run(migrated_database, *back)

    assert code == 1
    assert "still holds the data of an earlier revert" in output
    rows = "SELECT count(*) FROM gatehouse_undone.beta_keys_20261124001840663925"
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        assert await connection.fetchval(rows) == 20


@pytest.mark.slow
async def test_rows_that_are_kept_are_not_passed_over_for_a_table_made_since(
    migrated_database: str, connection: asyncpg.Connection
) -> None:
    await fill(connection)
    await run(migrated_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")
    await connection.execute("CREATE TABLE tenants (id uuid PRIMARY KEY)")

    code, output = await run(migrated_database, "forwards", "all")
    await connection.execute("DROP TABLE tenants")
    again, _ = await run(migrated_database, "forwards", "all")

    assert (code, again) == (1, 0)
    assert "tenants exists, and gatehouse_undone.tenants holds the rows" in output
    assert len((await every_row(connection))["tenants"]) == 20


@pytest.mark.slow
async def test_values_that_were_written_meanwhile_win_over_retained_ones(
    migrated_database: str, connection: asyncpg.Connection
) -> None:
    """The column was added again by hand. What it replaces stays, and the rows are counted."""
    await fill(connection)
    back = ("backwards", "gatehouse", "--migration_id", SUSPENSION, "--auto_agree")
    await run(migrated_database, *back)
    await connection.execute(
        """
        SET gatehouse.scope = 'platform';
        ALTER TABLE beta_keys ADD COLUMN "expiresAt" timestamptz;
        UPDATE beta_keys SET "expiresAt" = '2031-01-01Z' WHERE key = 'kn1';
        ALTER TABLE tenants ADD COLUMN "suspendedAt" timestamptz, ADD COLUMN "suspendedReason" text;
        UPDATE tenants SET "suspendedReason" = 'typed' WHERE nit IN ('n1', 'n2', 'n4');
        """
    )

    code, output = await run(migrated_database, "forwards", "all")

    assert code == 0, output
    copy = f"gatehouse_undone.tenants_{re.sub(r'[^0-9]', '', SUSPENSION)}_replaced"
    assert "tenants: 2 rows were written meanwhile and keep their values" in output
    assert copy in output
    reasons = await connection.fetch('SELECT nit, "suspendedReason" AS reason FROM tenants ORDER BY nit')
    by_nit = {row["nit"]: row["reason"] for row in reasons}
    assert by_nit | {"n1": "typed", "n2": "typed", "n3": None, "n4": "typed", "n6": "unpaid"} == by_nit
    retained = await connection.fetch(f'SELECT "suspendedReason" AS reason FROM {copy}')
    assert [row["reason"] for row in retained] == ["unpaid", "unpaid"]
    typed = await connection.fetch("""SELECT key FROM beta_keys WHERE "expiresAt" = '2031-01-01Z'""")
    assert [row["key"] for row in typed] == ["kn1"]
    assert await connection.fetchval('SELECT count(*) FROM beta_keys WHERE "expiresAt" IS NOT NULL') == 20
    code, output = run_gatehouse(migrated_database, "db", "forget", "--yes")
    assert "erased 2 rows of tenants_" in output


BADGES = """
from api.deploy.migrations.migration import Index, SqlMigration

ID = "2099-01-01T00:00:00:000000"
DESCRIPTION = "Give each user a badge of its own."
COLUMN = "ALTER TABLE users ADD COLUMN IF NOT EXISTS badge text;"
INDEX = Index("users_badge", "users (badge)", unique=True)
MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=[COLUMN, INDEX])
"""


@pytest.mark.slow
async def test_a_value_that_another_row_took_meanwhile_is_named_before_the_first_step(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """Nothing is lost, and after a change of one row everything comes back."""
    copy_project(tmp_path)
    (tmp_path / "migrations" / "gatehouse_2099_01_01t00_00_00_000000.py").write_text(BADGES)
    environment = {"PYTHONPATH": str(tmp_path)}
    await fill(connection)
    await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)
    await connection.execute("SET gatehouse.scope = 'platform'; UPDATE users SET badge = email")
    ids = [row[0] for row in await connection.fetch("SELECT id FROM users ORDER BY id LIMIT 2")]
    await run(migrated_database, "backwards", "gatehouse", "--auto_agree", cwd=tmp_path, **environment)
    await connection.execute("ALTER TABLE users ADD COLUMN badge text")
    taken = "UPDATE users SET badge = (SELECT email FROM users WHERE id = $1) WHERE id = $2"
    await connection.execute(taken, *ids)

    code, output = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)
    await connection.execute("UPDATE users SET badge = 'other' WHERE id = $1", ids[1])
    again = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)

    assert (code, again[0]) == (1, 0), (output, again)
    assert f"nothing was applied: the rows {ids[0]} and {ids[1]} of users have the same badge (" in output
    assert await connection.fetchval("SELECT badge FROM users WHERE id = $1", ids[1]) == "other"
    assert await connection.fetchval("SELECT count(*) FROM users WHERE badge = email") == 20
