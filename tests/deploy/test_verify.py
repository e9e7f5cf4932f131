"""`gatehouse db verify`: reports every kind of difference, with SQL that repairs it."""

import json
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from api.deploy.verify import verify
from tests.commands import run_command
from tests.support import copy_project, migrate, run_gatehouse

pytestmark = pytest.mark.anyio

# A change of the database, and the difference that the command reports.
BROKEN = {
    "a table": ("DROP TABLE sessions", ["table sessions is missing"]),
    "two tables that refer to one another": (
        "DROP TABLE sessions, beta_keys",
        ["table beta_keys is missing", "table sessions is missing"],
    ),
    "a column": (
        "ALTER TABLE tenants DROP COLUMN phone",
        ["tenants.phone is missing; it should be text"],
    ),
    "a column of the key": (
        "ALTER TABLE one_time_codes DROP COLUMN id",
        [
            "one_time_codes.id is missing; it should be uuid NOT NULL DEFAULT gen_random_uuid()",
            "one_time_codes lacks PRIMARY KEY (id)",
        ],
    ),
    "a type": (
        "ALTER TABLE beta_keys ALTER key TYPE varchar(10)",
        ["beta_keys.key is character varying(10) NOT NULL; it should be character varying(20) NOT NULL"],
    ),
    "an enum": (
        "CREATE TYPE roles AS ENUM ('ADMIN', 'CASHIER'); ALTER TABLE users ALTER role DROP DEFAULT,"
        " ALTER role TYPE roles USING role::roles, ALTER role SET DEFAULT 'ADMIN'",
        ["users.role is roles NOT NULL DEFAULT 'ADMIN'::roles; it should be character varying NOT NULL"],
    ),
    "a type that a generated column is made of": (
        'ALTER TABLE users DROP COLUMN "emailLower", ALTER email TYPE text;'
        ' ALTER TABLE users ADD COLUMN "emailLower" text GENERATED ALWAYS AS (lower(email)) STORED',
        [
            "users.email is text NOT NULL",
            "users lacks the unique index btree",
            "users.emailLower is text GENERATED",
        ],
    ),
    "a type that a policy is made of": (
        "DROP POLICY scope ON users; ALTER TABLE users DROP CONSTRAINT users_tenant;"
        ' ALTER TABLE users ALTER "tenantId" TYPE text;'
        " CREATE POLICY scope ON users USING (\"tenantId\" = 'x')",
        [
            "users.tenantId is text; it should be uuid",
            "users lacks FOREIGN KEY",
            "users has the policy scope",
        ],
    ),
    "a time without its zone": (
        "ALTER TABLE audit_events ALTER at TYPE timestamp",
        ["audit_events.at is timestamp without time zone NOT NULL"],
    ),
    "nullability": (
        "SET gatehouse.scope = 'platform'; ALTER TABLE users ALTER \"isActive\" DROP NOT NULL;"
        ' UPDATE users SET "isActive" = NULL; RESET gatehouse.scope',
        ["users.isActive is boolean DEFAULT true; it should be boolean NOT NULL DEFAULT true"],
    ),
    "nullability the other way": (
        "SET gatehouse.scope = 'platform'; UPDATE tenants SET phone = '1';"
        " ALTER TABLE tenants ALTER phone SET NOT NULL",
        ["tenants.phone is text NOT NULL; it should be text"],
    ),
    "a default": (
        'ALTER TABLE tenants ALTER "maxCashiers" SET DEFAULT 9, ALTER "maxAdmins" DROP DEFAULT,'
        " ALTER phone SET DEFAULT 'none'",
        [
            "tenants.maxCashiers is integer NOT NULL DEFAULT 9; it should be integer NOT NULL DEFAULT 2",
            "tenants.maxAdmins is integer NOT NULL; it should be integer NOT NULL DEFAULT 1",
            "tenants.phone is text DEFAULT 'none'::text;",
        ],
    ),
    "a generated column": (
        'ALTER TABLE users DROP COLUMN "emailLower"; ALTER TABLE users ADD COLUMN "emailLower" text',
        ["users.emailLower is text; it should be text GENERATED", "users lacks the unique index btree"],
    ),
    "a foreign key": (
        "ALTER TABLE users DROP CONSTRAINT users_tenant",
        ['users lacks FOREIGN KEY ("tenantId") REFERENCES tenants(id) ON DELETE CASCADE'],
    ),
    "what a foreign key does": (
        "ALTER TABLE users DROP CONSTRAINT users_tenant;"
        ' ALTER TABLE users ADD CONSTRAINT users_tenant FOREIGN KEY ("tenantId") REFERENCES tenants',
        [
            'users has the unexpected FOREIGN KEY ("tenantId") REFERENCES tenants(id)',
            'users lacks FOREIGN KEY ("tenantId") REFERENCES tenants(id) ON DELETE CASCADE',
        ],
    ),
    "a foreign key that was never checked": (
        "ALTER TABLE users DROP CONSTRAINT users_tenant;"
        ' ALTER TABLE users ADD CONSTRAINT x FOREIGN KEY ("tenantId")'
        " REFERENCES tenants ON DELETE CASCADE NOT VALID",
        ['users has not validated FOREIGN KEY ("tenantId") REFERENCES tenants(id) ON DELETE CASCADE'],
    ),
    "a check besides": (
        "ALTER TABLE beta_keys ADD CHECK (length(key) > 5)",
        ["beta_keys has the unexpected CHECK ((length((key)::text) > 5))"],
    ),
    "an index": ("DROP INDEX beta_keys_is_used", ['beta_keys lacks the index btree ("isUsed")']),
    "an index that is not unique": (
        "DROP INDEX beta_keys_key; CREATE INDEX beta_keys_key ON beta_keys (key)",
        ["beta_keys lacks the unique index btree (key)"],
    ),
    "an index that refuses": (
        "CREATE UNIQUE INDEX once ON tenants (phone)",
        ["tenants has the unexpected unique index btree (phone)"],
    ),
    "a constraint that refuses": (
        "ALTER TABLE tenants ADD UNIQUE (email)",
        ["tenants has the unexpected unique index btree (email)"],
    ),
    "row security that is off": (
        "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
        ["row security of users is off; it should be enabled and forced"],
    ),
    "row security that is not forced": (
        "ALTER TABLE users NO FORCE ROW LEVEL SECURITY",
        ["row security of users is enabled; it should be enabled and forced"],
    ),
    "a policy": (
        "DROP POLICY tenant_adds ON audit_events",
        ["audit_events lacks the policy tenant_adds FOR INSERT TO PUBLIC WITH CHECK"],
    ),
    "a policy that says something else": (
        "DROP POLICY scope ON users; CREATE POLICY scope ON users USING (true)",
        ["users has the policy scope FOR ALL TO PUBLIC USING (true); it should be FOR ALL"],
    ),
    "a policy that lets everybody in": (
        "CREATE POLICY open ON users FOR SELECT USING (true)",
        ["users has the unexpected policy open FOR SELECT TO PUBLIC USING (true)"],
    ),
    "a trigger": (
        "DROP TRIGGER keep_rows ON audit_events",
        ["audit_events lacks the trigger keep_rows"],
    ),
    "a trigger that is switched off": (
        "ALTER TABLE audit_events DISABLE TRIGGER keep_all",
        ["the trigger keep_all of audit_events is disabled"],
    ),
    "a trigger that does something else": (
        "CREATE OR REPLACE FUNCTION keep_audit_events() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN OLD; END'",
        [
            "the trigger keep_all of audit_events has another definition",
            "the trigger keep_rows of audit_events has another definition",
        ],
    ),
    "a column that nothing fills": (
        "ALTER TABLE users ADD nickname text NOT NULL DEFAULT '';"
        " ALTER TABLE users ALTER nickname DROP DEFAULT",
        ["users.nickname is text NOT NULL, has no default"],
    ),
}


@pytest.mark.parametrize(("broken", "told"), BROKEN.values(), ids=BROKEN)
async def test_what_differs_is_told_and_the_sql_told_with_it_mends_it(
    migrated_database: str, broken: str, told: list[str], use_database: Callable[[str], None]
) -> None:
    """The statements are run one by one, as psql would."""
    use_database(migrated_database)
    owner = await asyncpg.connect(migrated_database)
    await _fill(owner)
    try:
        await owner.execute(broken)

        found = (await verify()).differences

        for what in told:
            assert any(one.description.startswith(what) for one in found), [one.description for one in found]
        assert len(found) == len(told)
        for one in found:
            for statement in one.sql:
                await owner.execute(statement)
        assert (await verify()).clean
    finally:
        await owner.close()


ALTERED = """
ALTER TABLE beta_keys ALTER key TYPE text, ALTER notes TYPE varchar(500), ALTER "recipientEmail" TYPE text,
    ALTER "createdAt" TYPE timestamp;
ALTER TABLE tenants ALTER nit TYPE varchar(60), ALTER "businessName" TYPE varchar(200),
    ALTER email TYPE varchar(120), ALTER "createdAt" TYPE timestamp;
ALTER TABLE users ALTER "isOwner" DROP DEFAULT, ALTER "isOwner" TYPE integer USING "isOwner"::integer;
"""

WORDS = """
SELECT array_agg(DISTINCT word) @> $1
  FROM (SELECT word FROM beta_key_words UNION ALL SELECT word FROM tenant_words) words
"""


async def test_the_types_of_searched_columns_can_be_repaired(
    migrated_database: str, use_database: Callable[[str], None]
) -> None:
    """The triggers that list their words would refuse it if they named a column. They work on afterwards."""
    use_database(migrated_database)
    owner = await asyncpg.connect(migrated_database)
    await _fill(owner)
    await owner.execute(ALTERED)

    found = (await verify()).differences
    assert len(found) >= 9
    for one in found:
        for statement in one.sql:
            await owner.execute(statement)
    assert (await verify()).clean
    await owner.close()

    # A session that wrote before has the types of the older triggers in its memory.
    writer = await asyncpg.connect(migrated_database)
    await writer.execute("""
        SET gatehouse.scope = 'platform';
        UPDATE beta_keys SET notes = 'Ñame';
        UPDATE tenants SET "businessName" = 'Panadería';
        UPDATE users SET email = 'luz@example.com', "isOwner" = true;
    """)
    assert await writer.fetchval(WORDS, ["name", "panaderia", "luz@example.com", "n"])
    await writer.execute("DELETE FROM beta_keys; DELETE FROM tenants")
    assert (
        await writer.fetchval("SELECT count(*) FROM (TABLE beta_key_words UNION TABLE tenant_words) w") == 0
    )
    await writer.close()


async def _fill(owner: asyncpg.Connection) -> None:
    """Rows, because what is easily changed in an empty table may not be in a filled one."""
    await owner.execute("""
        BEGIN; SET LOCAL gatehouse.scope = 'platform';
        INSERT INTO tenants ("businessName", nit, "businessType", address) VALUES ('b', 'n', 'OTRO', 'x');
        INSERT INTO users (email, password, "firstName", "lastName", "tenantId")
            SELECT 'a@example.com', 'p', 'f', 'l', id FROM tenants;
        INSERT INTO beta_keys (key) VALUES ('BETA-1');
        INSERT INTO audit_events (action) VALUES ('x');
        COMMIT;
    """)


async def test_an_index_that_was_broken_off_is_told(
    migrated_database: str, use_database: Callable[[str], None]
) -> None:
    use_database(migrated_database)
    owner = await asyncpg.connect(migrated_database)
    await owner.execute("INSERT INTO beta_keys (key, notes) VALUES ('1', 'same'), ('2', 'same')")
    with pytest.raises(asyncpg.UniqueViolationError):
        await owner.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON beta_keys (notes)")

    (found,) = (await verify()).differences
    await owner.execute(*found.sql)
    await owner.close()

    assert found.description == "beta_keys has the invalid index broken: its creation was interrupted"
    assert (await verify()).clean


async def test_what_other_schemas_hold_makes_no_difference(
    migrated_database: str, use_database: Callable[[str], None]
) -> None:
    """A copy of a table for safety's sake; and a schema of the role's own, in which the tables are then."""
    use_database(migrated_database)
    owner = await asyncpg.connect(migrated_database)
    await owner.execute("CREATE SCHEMA backup; CREATE TABLE backup.users AS SELECT * FROM users")
    assert (await verify()).clean
    await owner.close()


async def test_the_tables_may_be_in_a_schema_named_as_the_role_is(
    empty_database: str, use_database: Callable[[str], None]
) -> None:
    """PostgreSQL prefers it to public; the name is also the beginning of the settings of the scope."""
    owner = await asyncpg.connect(empty_database)
    await owner.execute("CREATE SCHEMA gatehouse")

    migrate(empty_database)

    use_database(empty_database)
    assert (await verify()).clean
    assert await owner.fetchval("SELECT to_regclass('gatehouse.users') IS NOT NULL")
    await owner.close()


LATER = '''
from api.deploy.migrations.migration import SqlMigration

ID = "2099-01-01T00:00:00:000000"
DESCRIPTION = "Demand a key."
ADD = """
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_constraint WHERE conrelid = 'beta_keys'::regclass AND conname = 'named'
    ) THEN
        ALTER TABLE beta_keys ADD CONSTRAINT named CHECK (key <> '') NOT VALID;
    END IF;
END $$;
"""
VALIDATE = "ALTER TABLE beta_keys VALIDATE CONSTRAINT named;"
MIGRATION = SqlMigration(
    migration_id=ID, forwards=[ADD, VALIDATE], backwards="ALTER TABLE beta_keys DROP CONSTRAINT named;"
)
'''


@pytest.mark.slow
async def test_what_a_later_version_made_stops_neither_it_nor_the_one_before(
    empty_database: str, tmp_path: Path
) -> None:
    """With its bookkeeping lost, wholly or in part; and the older version finds nothing to undo."""
    copy_project(tmp_path)
    (tmp_path / "migrations" / "gatehouse_2099_01_01t00_00_00_000000.py").write_text(LATER)

    def forwards() -> None:
        words = ("migrations", "forwards", "all")
        done = run_command("piccolo", *words, cwd=tmp_path, DATABASE_URL=empty_database)
        assert done.returncode == 0, done.stdout + done.stderr

    forwards()
    owner = await asyncpg.connect(empty_database)
    await owner.execute("DELETE FROM migration WHERE name < '2026-11-24T00:10'")
    forwards()
    await owner.execute("DELETE FROM migration")
    forwards()
    await owner.close()

    assert run_gatehouse(empty_database, "db", "verify", cwd=tmp_path)[0] == 0
    older = run_gatehouse(empty_database, "db", "verify")
    assert older[0] == 0, older[1]


@pytest.mark.slow
async def test_the_command_prints_a_script_that_psql_can_run(empty_database: str) -> None:
    """Exit code 3 while anything differs, 0 afterwards; the runbook's queries are part of it."""
    nothing, _ = run_gatehouse(empty_database, "db", "verify")
    migrate(empty_database)
    connection = await asyncpg.connect(empty_database)
    await connection.execute('ALTER TABLE users DROP COLUMN "isOwner"; DROP TABLE beta_keys')

    differs, script = run_gatehouse(empty_database, "db", "verify")
    _, told = run_gatehouse(empty_database, "db", "verify", "--json")
    await connection.execute(script)
    clean, said = run_gatehouse(empty_database, "db", "verify")
    await connection.close()

    assert (nothing, differs, clean) == (3, 3, 0), (script, said)
    assert "found: documentId, phoneNumber, tenantId\n" in script
    assert "no differences" in said
    tables, columns = json.loads(told)["runbook"]
    assert (tables["found"], columns["found"]) == (["tenants"], ["documentId", "phoneNumber", "tenantId"])
    assert columns["expected"] == ["documentId", "isOwner", "phoneNumber", "tenantId"]
    assert {"what", "sql"} == set(json.loads(told)["differences"][0])
