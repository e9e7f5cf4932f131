"""Migrations, as `piccolo migrations …` runs them: forwards, backwards, and over what exists."""

import subprocess
from pathlib import Path

import asyncpg
import pytest

from api.deploy.schema.catalog import Catalog
from tests.commands import run_command
from tests.deploy.migrations.walking import catalog_of, changed_by_walking, walk
from tests.support import ROOT, copy_project, is_running, migrate

pytestmark = pytest.mark.anyio


MIGRATIONS = sorted(path.name for path in (ROOT / "migrations").glob("gatehouse_*.py"))

RUNBOOK = {
    """SELECT table_name FROM information_schema.tables
        WHERE table_schema = 'public' AND table_name IN ('tenants','beta_keys')""": 2,
    """SELECT column_name FROM information_schema.columns
        WHERE table_name = 'users'
          AND column_name IN ('tenantId','isOwner','documentId','phoneNumber')""": 4,
}


def refused(dsn: str) -> str:
    """What `piccolo migrations forwards all` prints when it fails."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        migrate(dsn)
    return failed.value.output + failed.value.stderr


async def test_an_empty_database_comes_up_goes_back_one_and_comes_up_again(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """A second run forwards does nothing."""
    migrate(empty_database)
    up = await catalog_of(connection)
    recorded = await connection.fetch("SELECT * FROM migration")
    tables = {"users", "tenants", "beta_keys", "sessions", "audit_events", "mails", "one_time_codes"}
    tables |= {"server_processes", "known_devices", "authenticator_apps", "recovery_codes"}
    tables |= {"staff_invitations", "wrong_passwords", "mail_delays", "passkeys"}
    tables |= {"beta_key_words", "tenant_words"}
    assert set(up) == tables

    assert "no migrations to apply" in migrate(empty_database)
    assert await connection.fetch("SELECT * FROM migration") == recorded

    migrate(empty_database, "backwards", "gatehouse", "1", "--auto_agree")
    assert await catalog_of(connection) != up
    assert await connection.fetchval("SELECT count(*) FROM migration") == len(MIGRATIONS) - 1

    migrate(empty_database)
    assert await catalog_of(connection) == up
    for query, rows in RUNBOOK.items():
        assert len(await connection.fetch(query)) == rows


@pytest.mark.slow
async def test_the_newest_migrations_undo_what_they_did_and_can_do_it_again(migrated_database: str) -> None:
    """As the next test, which takes all of them."""
    newest = ["backwards"] * 3
    *_, first = walk(migrated_database, *newest)

    assert changed_by_walking(migrated_database, len(newest)) == []
    assert walk(migrated_database, *newest)[-1] == first


@pytest.mark.slow
async def test_each_migration_undoes_what_it_did_and_can_do_it_again(empty_database: str) -> None:
    """Up, down and up, one migration at a time, meet the same catalogs at the same place."""
    assert changed_by_walking(empty_database, len(MIGRATIONS)) == []


def test_the_tables_ask_for_no_further_migration(tmp_path: Path) -> None:
    """`piccolo migrations new gatehouse --auto` finds no difference; run in a copy, lest it write a file."""
    copy_project(tmp_path)

    done = run_command("piccolo", "migrations", "new", "gatehouse", "--auto", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "No changes detected" in done.stdout
    assert sorted(path.name for path in (tmp_path / "migrations").glob("gatehouse_*.py")) == MIGRATIONS


# What exists already


async def test_a_database_whose_bookkeeping_is_lost_is_migrated_again(
    migrated_database: str, connection: asyncpg.Connection
) -> None:
    """Nothing changes, and what is stored stays."""
    before = await catalog_of(connection)
    await connection.execute("INSERT INTO beta_keys (key) VALUES ('KEPT')")
    await connection.execute("DELETE FROM migration")

    migrate(migrated_database)

    assert await catalog_of(connection) == before
    assert await connection.fetchval("SELECT count(*) FROM migration") == len(MIGRATIONS)
    assert await connection.fetchval("SELECT key FROM beta_keys") == "KEPT"


USERS = """
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email {email} NOT NULL, password varchar NOT NULL, {names}
    role varchar NOT NULL DEFAULT 'CASHIER', "isActive" boolean NOT NULL DEFAULT true,
    "createdAt" timestamptz NOT NULL DEFAULT now(), "updatedAt" timestamptz NOT NULL DEFAULT now(),
    nickname text
)
"""


async def test_a_table_that_exists_as_it_should_be_is_kept(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """What it has beyond that, and its rows, stay."""
    names = '"firstName" varchar(60) NOT NULL, "lastName" varchar(60) NOT NULL,'
    await connection.execute(USERS.format(email="varchar(120)", names=names))
    await connection.execute(
        """INSERT INTO users (email, password, "firstName", "lastName", nickname)
           VALUES ('Ana@example.com', 'x', 'Ana', 'Rios', 'kept')"""
    )

    migrate(empty_database)

    assert (await catalog_of(connection))["users"].columns["nickname"].definition == "text"
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        kept = await connection.fetchrow("SELECT * FROM users")
    assert kept is not None
    assert (kept["nickname"], kept["emailLower"], kept["isOwner"]) == ("kept", "ana@example.com", False)


async def test_a_table_that_exists_otherwise_stops_the_run_with_every_difference(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """Nothing is changed; not even what the failed migration had got done."""
    names = '"lastName" varchar(60) NOT NULL,'
    await connection.execute(USERS.format(email="varchar(50)", names=names))
    before = await catalog_of(connection)

    told = refused(empty_database)

    assert "users.email is character varying(50) NOT NULL; it should be character varying(120)" in told
    assert "users.firstName is missing; it should be " in told
    assert "Traceback" not in told
    assert await catalog_of(connection) == before
    assert await connection.fetchval("SELECT to_regclass('migration') IS NULL")


async def test_a_migration_of_several_steps_is_refused_before_the_first(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """Its first step would make the tables, and only the last one would find what is wrong."""
    migrate(empty_database, "forwards", "gatehouse", "1")
    await connection.execute('ALTER TABLE users ADD COLUMN "tenantId" text')
    before = await catalog_of(connection)

    told = refused(empty_database)

    assert "users.tenantId is text; it should be uuid" in told
    assert await catalog_of(connection) == before


async def test_indices_and_foreign_keys_are_compared_too(
    migrated_database: str, connection: asyncpg.Connection
) -> None:
    """An index with the right name and another definition is a difference."""
    await connection.execute(
        """
        DELETE FROM migration;
        DROP INDEX beta_keys_key;
        CREATE INDEX beta_keys_key ON beta_keys (key);
        ALTER TABLE beta_keys DROP CONSTRAINT beta_keys_tenant, ALTER COLUMN "isUsed" DROP NOT NULL;
        """
    )
    before = await catalog_of(connection)

    told = refused(migrated_database)

    assert "beta_keys lacks the unique index btree (key)" in told
    assert 'beta_keys lacks FOREIGN KEY ("usedByTenantId") REFERENCES tenants(id) ON DELETE SET NULL' in told
    assert "beta_keys.isUsed is boolean DEFAULT false; it should be boolean NOT NULL DEFAULT false" in told
    assert await catalog_of(connection) == before


# Row security


def unprotected(catalog: Catalog) -> list[str]:
    """The tables whose rows belong to a tenant or a user, and which row security does not hold to that."""
    belonging = {
        name: shape
        for name, shape in catalog.items()
        if name in ("users", "tenants") or {"tenantId", "userId"} & set(shape.columns)
    }
    return [
        name
        for name, shape in belonging.items()
        if shape.row_security != "enabled and forced"
        or not any("gatehouse.scope" in policy for policy in shape.policies.values())
        # One policy that lets everything through is enough to undo all others.
        or any("USING (true)" in policy for policy in shape.policies.values())
    ]


async def test_every_table_of_tenants_or_users_has_row_security(database: asyncpg.Connection) -> None:
    catalog = await catalog_of(database)

    assert {"users", "tenants", "sessions", "audit_events", "one_time_codes"} <= set(catalog)
    assert unprotected(catalog) == []


FORCED = "ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"

SCOPED = "CREATE POLICY scope ON notes USING (current_setting('gatehouse.scope', true) = 'platform');"


@pytest.mark.parametrize(
    "made",
    [
        "",
        SCOPED,
        f"ALTER TABLE notes ENABLE ROW LEVEL SECURITY; {SCOPED}",
        FORCED,
        f"{FORCED} {SCOPED} CREATE POLICY open ON notes USING (true)",
    ],
    ids=["no row security", "not enabled", "not forced", "no policy", "an open policy"],
)
async def test_a_new_table_of_tenants_without_row_security_is_found(
    connection: asyncpg.Connection, made: str
) -> None:
    """The check above is worth what it finds."""
    await connection.execute(f'CREATE TABLE notes ("tenantId" uuid); {made}')

    assert unprotected(await catalog_of(connection)) == ["notes"]


# The embedded server


@pytest.mark.slow
def test_the_embedded_server_is_migrated_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs for as long as the command needs it."""
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "home"))

    first = migrate("")
    second = migrate("")

    assert first.count(" ok\n") == len(MIGRATIONS)
    assert "no migrations to apply" in second
    assert not is_running(tmp_path / "home")
