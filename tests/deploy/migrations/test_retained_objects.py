"""What an owner adds to the tables of Gatehouse survives a revert, which names it before its first step."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from api.database.embedded import EmbeddedServer
from api.deploy.migrations.object_definitions import CREATE_FUNCTION, FUNCTION
from tests.deploy.migrations.owner_objects import OBJECTS
from tests.deploy.migrations.piccolo_command import COUNT, TENANTS, every_row, fill, run
from tests.deploy.migrations.psql import psql, script
from tests.deploy.migrations.walking import catalog_of, walk

pytestmark = pytest.mark.anyio

BACK = ("backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")


@pytest.fixture
async def superuser(migrated_database: str, server: EmbeddedServer) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to the test's database, where there is a role `reporting`."""
    name = migrated_database.split("?")[0].rsplit("/", 1)[1]
    connection = await asyncpg.connect(server.dsn(user="postgres", database=name))
    if not await connection.fetchval("SELECT to_regrole('reporting') IS NOT NULL"):
        await connection.execute("CREATE ROLE reporting")
    yield connection
    await connection.close()


@pytest.fixture
async def owned(superuser: asyncpg.Connection, connection: asyncpg.Connection) -> set[tuple[str, ...]]:
    """Rows, and the objects of an owner; returns all objects."""
    await fill(connection)
    await connection.execute(OBJECTS)
    return await objects(connection)


async def objects(connection: asyncpg.Connection) -> set[tuple[str, ...]]:
    async with connection.transaction():
        await connection.execute(CREATE_FUNCTION)
        return {tuple(map(str, row)) for row in await connection.fetch(f"SELECT * FROM {FUNCTION}()")}


@pytest.mark.slow
async def test_every_object_survives_a_walk_over_all_migrations(
    migrated_database: str, connection: asyncpg.Connection, owned: set[tuple[str, ...]]
) -> None:
    """Forwards one at a time, so that each meets the objects that the others have left or created again."""
    rows, catalog = await every_row(connection), await catalog_of(connection)

    code, output = await run(migrated_database, "backwards", "all", "--auto_agree")
    walk(migrated_database, *["forwards"] * COUNT)

    assert code == 0, output
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT
    assert await objects(connection) == owned
    assert await every_row(connection) == rows
    assert await catalog_of(connection) == catalog
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname LIKE '%undone'") == 0


async def test_the_script_for_psql_saves_and_creates_them_too(
    migrated_database: str, connection: asyncpg.Connection, owned: set[tuple[str, ...]], tmp_path: Path
) -> None:
    back = await psql(migrated_database, script("--backwards", "--from", TENANTS), tmp_path)
    reverted = await objects(connection)
    again = await psql(migrated_database, script(), tmp_path)

    assert (back[0], again[0]) == (0, 0), (back, again)
    assert "view documents" in back[1].split("reverting")[0]
    assert len(reverted) < len(owned)
    assert "created again: view documents" in again[1]
    assert await objects(connection) == owned


async def test_they_are_named_before_the_first_step(
    migrated_database: str,
    connection: asyncpg.Connection,
    owned: set[tuple[str, ...]],
) -> None:
    code, preview = await run(migrated_database, *BACK, "--preview")
    unchanged = await objects(connection) == owned
    reverted, output = await run(migrated_database, *BACK)

    assert (code, reverted, unchanged) == (0, 0, True), preview
    announced = output.split(" backwards …")[0]
    for name in (
        "constraint short_document on users",
        'grant SELECT ("documentId") to reporting on users',
        'comment COLUMN users."documentId"',
        "view documents",
        "materialized view seats",
        "trigger noted on users",
    ):
        assert name in announced
        assert name in preview
    assert "users_tenant_joined" not in announced, "an index of Gatehouse, which a migration creates again"
    assert "go on using a table in gatehouse_undone: foreign key of_tenant on orders (" in announced
    assert "view businesses (" in announced
    assert "because their text names what is gone: documents_noted()" in announced


@pytest.mark.parametrize(
    ("depending", "named"),
    [
        (
            """CREATE VIEW cards AS SELECT "documentId" FROM users;
               RESET ROLE; ALTER VIEW cards OWNER TO reporting""",
            "DROP VIEW cards CASCADE; to create it again: CREATE VIEW cards AS SELECT",
        ),
        (
            """CREATE VIEW cards AS SELECT "documentId" FROM users; CREATE TABLE log (id int, card cards)""",
            "ALTER TABLE log DROP COLUMN card",
        ),
        (
            """CREATE TABLE ledger (); CREATE TRIGGER keep BEFORE DELETE ON ledger
               FOR EACH ROW EXECUTE FUNCTION keep_audit_events()""",
            "2026-11-24T09:50:33:617408 would fail: ",
        ),
    ],
    ids=["a view of another role", "a column with the type of a view", "a trigger with Gatehouse's function"],
)
async def test_what_cannot_be_created_again_stops_the_revert_before_its_first_step(
    migrated_database: str,
    connection: asyncpg.Connection,
    superuser: asyncpg.Connection,
    tmp_path: Path,
    depending: str,
    named: str,
) -> None:
    await superuser.execute(f"SET ROLE gatehouse; {depending}")
    before = await catalog_of(connection)

    code, output = await run(migrated_database, *BACK)
    by_psql = await psql(migrated_database, script("--backwards", "--from", TENANTS), tmp_path)

    assert (code, by_psql[0]) == (1, 3), by_psql
    assert output.splitlines()[-1].startswith("gatehouse: nothing was reverted: ")
    assert named in output
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT
    assert await catalog_of(connection) == before


@pytest.mark.slow
async def test_an_object_that_new_rows_break_is_named_with_its_statement(
    migrated_database: str, connection: asyncpg.Connection
) -> None:
    """It is created as soon as the rows allow it."""
    await fill(connection)
    await connection.execute(
        """ALTER TABLE users ADD CONSTRAINT owners CHECK ("isOwner" OR role <> 'CASHIER')"""
    )
    await run(migrated_database, *BACK)
    await connection.execute(
        """INSERT INTO users (email, password, "firstName", "lastName") VALUES ('new@x', 'p', 'f', 'l')"""
    )

    code, output = await run(migrated_database, "forwards", "all")
    await connection.execute("SET gatehouse.scope = 'platform'; DELETE FROM users WHERE email = 'new@x'")
    again, later = await run(migrated_database, "forwards", "all")

    assert (code, again) == (0, 0)
    assert "not created again: validation owners, because of: check constraint" in output
    assert "ALTER TABLE users VALIDATE CONSTRAINT owners" in output
    assert "not created again" not in later
    assert await connection.fetchval("SELECT convalidated FROM pg_constraint WHERE conname = 'owners'")
