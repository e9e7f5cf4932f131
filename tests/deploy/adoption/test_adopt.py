"""`gatehouse db adopt`: databases of the old system, as they are found."""

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from api.database.embedded import EmbeddedServer
from api.deploy.migrations.expected_schema import build_expected_schema
from api.deploy.schema.catalog import Catalog, read_catalog
from tests.deploy.adoption.old_databases import SHAPES, TENANT, old, rows_of
from tests.support import GATEHOUSE, Api, GatehouseProcess, migrate, registration, run_gatehouse

pytestmark = pytest.mark.anyio


def names_and_definitions(catalog: Catalog) -> dict[str, Any]:
    """A catalog but for whether a unique index belongs to a constraint, which makes no difference."""
    return {
        name: (
            table.columns,
            table.constraints,
            {index: one.definition for index, one in table.indexes.items()},
            table.policies,
            table.row_security,
        )
        for name, table in catalog.items()
    }


@pytest.mark.parametrize("shape", SHAPES)
async def test_an_old_database_becomes_one_that_the_migrations_might_have_built(
    empty_database: str, connection: asyncpg.Connection, shape: str
) -> None:
    """Down to the names of its constraints; what is the old system's own stays as it is."""
    await connection.execute(old(shape))
    async with connection.transaction():
        wanted = (await build_expected_schema(connection)).final
    before = await read_catalog(connection, "public")

    code, told = run_gatehouse(empty_database, "db", "adopt")

    assert code == 0, told
    assert told.splitlines()[-1] == "adopted"
    adopted = await read_catalog(connection, "public")
    assert {name: table for name, table in adopted.items() if name not in wanted and name != "migration"} == {
        name: table for name, table in before.items() if name not in wanted
    }
    for extra in ("refreshToken", "shopId"):
        adopted["users"].columns.pop(extra, None)
    adopted["users"].constraints.pop("FK_users_shop", None)
    assert names_and_definitions({name: adopted[name] for name in wanted}) == names_and_definitions(wanted)
    assert run_gatehouse(empty_database, "db", "verify")[0] == 0
    assert run_gatehouse(empty_database, "db", "status")[0] == 0


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_row_is_kept(empty_database: str, connection: asyncpg.Connection, shape: str) -> None:
    """Naive times mean UTC, wherever the server is; a null takes the default where there must be a value."""
    await connection.execute("ALTER ROLE CURRENT_USER SET timezone = 'America/Bogota'")
    await connection.execute(old(shape))
    expected = await rows_of(connection)
    for tenant in expected.get("tenants", []):
        tenant["nit"] = "9001234568"
        tenant["businessType"] = "SUPERMERCADO" if shape == "migrated" else "CAFETERIA"
        tenant["maxAdmins"] = 1
    for user in expected["users"]:
        user["isOwner"] = user.get("isOwner") or False

    code, told = run_gatehouse(empty_database, "db", "adopt")
    await connection.execute("ALTER ROLE CURRENT_USER RESET timezone")

    assert code == 0, told
    found = await rows_of(connection)
    for table, rows in expected.items():
        kept = [{name: row[name] for name in before} for before, row in zip(rows, found[table], strict=True)]
        assert kept == rows


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
async def test_the_people_of_an_old_database_go_on(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path, shape: str
) -> None:
    """Old passwords sign in, old keys are what they were, and the free one admits a business."""
    await connection.execute(old(shape))
    assert run_gatehouse(empty_database, "db", "adopt")[0] == 0
    server = GatehouseProcess(tmp_path / "log", DATABASE_URL=empty_database, RATE_LIMITS="off")
    server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url) as http:
            api = Api(http)
            signed_in = [
                await api.login(email, "OldP@ssw0rd") for email in ("root@example.com", "ANA@example.com")
            ]
            assert [one["__typename"] for one in signed_in] == ["SignedIn", "SignedIn"], signed_in
            assert (await api.login("luis@example.com", "OldP@ssw0rd!"))["__typename"] == "WrongCredentials"
            if shape != "users_only":
                assert (await api.validate("BETA-O0I1L-ABC12"))["reason"] == "USED"
                assert (await api.validate("beta u0u0u zzz99"))["valid"]
                # A business that the old system knows is known by its tax id, however it is typed.
                form = registration("BETA-U0U0U-ZZZ99", nit="900 123 456 8")
                assert (await api.register(form))["__typename"] == "NitTaken"
                admitted = await api.register(registration("BETA-U0U0U-ZZZ99"))
                assert admitted["__typename"] == "Registration"
    finally:
        server.stop()


async def test_a_dry_run_tells_and_changes_nothing(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """And so does `piccolo migrations forwards all`, which names the command to run."""
    await connection.execute(old("synced"))
    before = await read_catalog(connection, "public"), await rows_of(connection)

    code, told = run_gatehouse(empty_database, "db", "adopt", "--dry-run")
    _, as_json = run_gatehouse(empty_database, "db", "adopt", "--dry-run", "--json")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        migrate(empty_database)

    assert code == 0
    assert "users.role is users_role_enum NOT NULL DEFAULT" in told
    assert "PK_a3ffb1c0c8416b9fc6f907b7433 of users becomes users_pkey" in told
    assert "tenants.nit is written as Gatehouse writes it, in 1 of the rows" in told
    assert told.splitlines()[-1] == "nothing was changed"
    planned = json.loads(as_json)
    for change in planned["changes"]:
        assert "\n    ".join([change["what"], *change["sql"]]) in told
    assert len(planned["migrations"]) == told.count("apply 2026-")
    assert "run: gatehouse db adopt" in refused.value.stderr
    after = await read_catalog(connection, "public"), await rows_of(connection)
    after[0].pop("migration", None)
    after[1].pop("migration", None)
    assert after == before


UNDECIDED = """
ALTER TABLE users DROP CONSTRAINT "UQ_97672ac88f789774dd47f7c8be3";
ALTER TABLE beta_keys DROP CONSTRAINT "FK_8c1b6c0a3de3e0b8a4b7f1f2d9e";
ALTER TYPE users_role_enum ADD VALUE 'INTERN';
INSERT INTO users (id, email, password, "firstName", "lastName", "refreshToken") VALUES
  ('11111111-0000-4000-8000-000000000001', 'ANA@example.com', 'x', 'x', 'x', 'x'),
  ('11111111-0000-4000-8000-000000000002', repeat('x', 120) || '@example.com', 'x', 'x', 'x', 'x');
INSERT INTO tenants (id, "businessName", nit, address) VALUES
  ('11111111-0000-4000-8000-000000000003', 'x', '9001234568', 'x');
INSERT INTO beta_keys (id, key, "usedByTenantId") VALUES
  ('11111111-0000-4000-8000-000000000004', 'LOST', gen_random_uuid());
"""


async def test_what_it_cannot_decide_is_listed_with_ids_and_nothing_is_changed(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """All of it at once, so that a person sees the whole of the work."""
    await connection.execute(old("synced"))
    for statement in UNDECIDED.strip().split(";\n"):
        await connection.execute(statement)
    await connection.execute("""UPDATE users SET role = 'INTERN' WHERE email LIKE 'xx%'""")
    ana = await connection.fetchval("SELECT id FROM users WHERE email = 'ana@example.com'")
    before = await read_catalog(connection, "public"), await rows_of(connection)

    code, told = run_gatehouse(empty_database, "db", "adopt")
    listed = json.loads(run_gatehouse(empty_database, "db", "adopt", "--json")[1])["undecided"]

    assert code == 3, told
    one = "11111111-0000-4000-8000-00000000000"
    assert {what["what"]: set(what["ids"]) for what in listed} == {
        "users with the email ana@example.com in different spellings": {f"{one}1", str(ana)},
        "users with the unknown role INTERN": {f"{one}2"},
        "users whose email is longer than 120 characters": {f"{one}2"},
        "tenants with the tax id 9001234568 in different spellings": {f"{one}3", TENANT},
        "beta_keys whose usedByTenantId is not the id of a row of tenants": {f"{one}4"},
        "tenants without an owner, x": {f"{one}3"},
    }
    assert f"resolve first: users whose email is longer than 120 characters: {one}2" in told
    assert (await read_catalog(connection, "public"), await rows_of(connection)) == before
    # The first choice is suggested; the choices of all questions together are an answer.
    for question in listed:
        assert question["choices"][0]["what"] in told
        for statement in question["choices"][0]["sql"]:
            assert statement in told
            await connection.execute(statement)
    assert run_gatehouse(empty_database, "db", "adopt")[0] == 0


async def test_what_was_typed_untidily_is_tidied(empty_database: str, connection: asyncpg.Connection) -> None:
    """Sign-in and look-ups trim their input and read keys in upper case, so they would not find it."""
    await connection.execute(old("migrated"))
    await connection.execute("""
        UPDATE users SET email = ' Ana@example.com ' WHERE email = 'ana@example.com';
        UPDATE beta_keys SET key = lower(key) WHERE NOT "isUsed";
        INSERT INTO beta_keys (key) VALUES ('feria 7b');
    """)

    assert run_gatehouse(empty_database, "db", "adopt")[0] == 0

    rows = await rows_of(connection)
    assert {user["email"] for user in rows["users"]} == {
        "Ana@example.com",
        "luis@example.com",
        "Root@Example.com",
    }
    assert {key["key"] for key in rows["beta_keys"]} == {"BETA-U0U0U-ZZZ99", "BETA-O0I1L-ABC12", "feria 7b"}


UNDECIDABLE = {
    "keys": (
        "INSERT INTO beta_keys (key) VALUES ('beta-u0u0u-zzz99')",
        "beta keys BETA-U0U0U-ZZZ99 in different spellings: ",
    ),
    "emails": (
        """INSERT INTO users (email, password, "firstName", "lastName", "refreshToken")
           VALUES ('ana@example.com ', 'x', 'x', 'x', 'x')""",
        "users with the email ana@example.com in different spellings: ",
    ),
    "no role": (
        "ALTER TABLE users ALTER role DROP NOT NULL; UPDATE users SET role = NULL WHERE email LIKE 'Root%'",
        "users with the unknown role null: ",
    ),
    "an index": (
        "CREATE FUNCTION is_admin(users_role_enum) RETURNS boolean IMMUTABLE LANGUAGE sql"
        " AS $$ SELECT $1 = 'ADMIN' $$; CREATE INDEX admins ON users (is_admin(role))",
        "index that cannot be created again, because a type changes: CREATE INDEX admins ON users",
    ),
}


@pytest.mark.parametrize(("made", "told"), UNDECIDABLE.values(), ids=UNDECIDABLE)
async def test_more_that_it_cannot_decide(
    empty_database: str, connection: asyncpg.Connection, made: str, told: str
) -> None:
    await connection.execute(old("synced"))
    await connection.execute(made)

    code, output = run_gatehouse(empty_database, "db", "adopt")

    assert code == 3
    assert f"resolve first: {told}" in output


IN_THE_WAY = {
    "a row type": (
        "CREATE TABLE history (id int, before users)",
        'column "history.before" uses its row type',
    ),
    "a table of its own": (
        'CREATE TABLE sessions (id serial PRIMARY KEY, token text, "userId" uuid REFERENCES users)',
        "sessions is neither Gatehouse's table nor the old system's: it lacks tokenDigest, expiresAt",
    ),
    "its bookkeeping": (
        "CREATE TABLE migration (id serial PRIMARY KEY, name text)",
        "the table migration belongs to another system; rename it",
    ),
}


@pytest.mark.parametrize(("made", "told"), IN_THE_WAY.values(), ids=IN_THE_WAY)
async def test_what_stands_in_the_way_is_told_in_one_line(
    empty_database: str, connection: asyncpg.Connection, made: str, told: str
) -> None:
    await connection.execute(old("synced"))
    await connection.execute(made)
    before = await read_catalog(connection, "public"), await rows_of(connection)

    code, output = run_gatehouse(empty_database, "db", "adopt")

    assert code == 1
    assert told in output.splitlines()[-1]
    assert "Traceback" not in output
    assert (await read_catalog(connection, "public"), await rows_of(connection)) == before


async def test_what_went_half_way_forwards_is_adopted_all_the_same(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """Its users pass for Gatehouse's, and its tenants do not: nothing is recorded before all is known."""
    await connection.execute(old("migrated"))
    await connection.execute('ALTER TABLE users DROP CONSTRAINT "UQ_97672ac88f789774dd47f7c8be3"')
    with pytest.raises(subprocess.CalledProcessError) as refused:
        migrate(empty_database)

    assert "tenants.createdAt is timestamp without time zone" in refused.value.stderr
    assert await connection.fetchval("SELECT to_regclass('migration') IS NULL")
    migrate(empty_database, "forwards", "gatehouse", "1")
    assert run_gatehouse(empty_database, "db", "adopt")[0] == 0
    assert run_gatehouse(empty_database, "db", "verify")[0] == 0
    assert run_gatehouse(empty_database, "db", "status")[0] == 0


@pytest.mark.slow
async def test_one_that_is_killed_leaves_everything_as_it_was(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """It is one transaction; the old system still holds a lock here, so it is at work until it is killed."""
    await connection.execute(old("synced"))
    before = await read_catalog(connection, "public"), await rows_of(connection)
    async with connection.transaction():
        await connection.execute("LOCK TABLE beta_keys IN ACCESS SHARE MODE")
        process = subprocess.Popen(  # noqa: ASYNC220 (it only starts it)
            [GATEHOUSE, "db", "adopt"],
            env={**os.environ, "DATABASE_URL": empty_database},
            stdout=subprocess.PIPE,
        )
        waits = "EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'beta_keys'::regclass)"
        async with asyncio.timeout(20):
            while not await connection.fetchval(f"SELECT {waits}"):
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.communicate)

    assert (await read_catalog(connection, "public"), await rows_of(connection)) == before
    assert run_gatehouse(empty_database, "db", "adopt")[0] == 0


async def test_run_again_it_does_nothing(empty_database: str, connection: asyncpg.Connection) -> None:
    await connection.execute(old("migrated"))
    assert run_gatehouse(empty_database, "db", "adopt")[0] == 0
    before = await read_catalog(connection, "public"), await rows_of(connection)

    assert run_gatehouse(empty_database, "db", "adopt") == (0, "nothing was changed\n")
    assert (await read_catalog(connection, "public"), await rows_of(connection)) == before


async def test_what_is_not_a_database_of_the_old_system_is_told_in_one_line(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    empty = run_gatehouse(empty_database, "db", "adopt")
    await connection.execute("CREATE TABLE users (id uuid PRIMARY KEY, email text)")
    other = run_gatehouse(empty_database, "db", "adopt")

    assert (empty[0], other[0]) == (1, 1)
    assert empty[1].count("\n") == other[1].count("\n") == 1
    assert "run: piccolo migrations forwards all" in empty[1]
    assert "it lacks password, firstName, lastName, role; rename it" in other[1]


async def test_tables_of_another_owner_are_asked_for(
    empty_database: str, connection: asyncpg.Connection, server: EmbeddedServer
) -> None:
    """The old system's role made them; ours may not change them, nor create a view of another role."""
    database = empty_database.split("?")[0].rsplit("/", 1)[1]
    superuser = await asyncpg.connect(server.dsn(user="postgres", database=database))
    await superuser.execute(old("migrated"))
    await superuser.execute('CREATE VIEW joined AS SELECT "createdAt" FROM tenants')
    try:
        code, told = run_gatehouse(empty_database, "db", "adopt")
        assert (code, told.count("\n")) == (1, 1)
        await superuser.execute(told.split("run: ", 1)[1])
        code, told = run_gatehouse(empty_database, "db", "adopt")
        assert code == 3
        assert (
            "resolve first: view that cannot be created again, because a type changes: view joined of" in told
        )
        await superuser.execute("DROP VIEW joined CASCADE")
        assert run_gatehouse(empty_database, "db", "adopt")[0] == 0
    finally:
        await superuser.close()


CHANGED_BY_HAND = {
    "a column is missing": "ALTER TABLE tenants DROP COLUMN phone",
    "a type is another one": "ALTER TABLE tenants ALTER COLUMN address TYPE varchar(1000)",
    "a constraint is new": "ALTER TABLE tenants ADD CHECK (phone <> '')",
    "a policy is another one": "ALTER POLICY scope ON users USING (true)",
    "the record is lost": "DROP TABLE migration",
}


@pytest.mark.parametrize("reverted", [0, 2])
@pytest.mark.parametrize("changed", CHANGED_BY_HAND.values(), ids=CHANGED_BY_HAND)
async def test_tables_of_migrations_are_not_taken_for_those_of_the_old_system(
    migrated_database: str, reverted: int, changed: str
) -> None:
    """The second newest migration changes policies only: after its revert, nothing is missing."""
    for _ in range(reverted):
        migrate(migrated_database, "backwards", "gatehouse", "1", "--auto_agree")
    connection = await asyncpg.connect(migrated_database)
    await connection.execute("SET gatehouse.scope = 'platform'")
    await connection.execute(changed)
    before = await read_catalog(connection, "public"), await rows_of(connection)

    codes = {run_gatehouse(migrated_database, "db", "adopt", *dry)[0] for dry in ([], ["--dry-run"])}
    _, output = run_gatehouse(migrated_database, "db", "adopt")
    after = await read_catalog(connection, "public"), await rows_of(connection)
    await connection.close()

    assert codes == {1}, output
    assert "the old system did not create these tables; " in output
    assert after == before
