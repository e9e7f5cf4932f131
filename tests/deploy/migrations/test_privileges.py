"""Roles with few privileges, and schemas whose names need quoting."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from api.database.embedded import EmbeddedServer
from tests.deploy.migrations.piccolo_command import COUNT, run
from tests.support import run_gatehouse

pytestmark = pytest.mark.anyio


@pytest.fixture
async def superuser(server: EmbeddedServer, empty_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to `empty_database`, which then belongs to the superuser."""
    name = empty_database.split("?")[0].rsplit("/", 1)[1]
    connection = await asyncpg.connect(server.dsn(user="postgres", database=name))
    await connection.execute(
        f"ALTER DATABASE {name} OWNER TO postgres; ALTER SCHEMA public OWNER TO postgres"
    )
    try:
        yield connection
    finally:
        await connection.execute(f"ALTER DATABASE {name} OWNER TO gatehouse")
        await connection.close()


async def test_create_on_the_schema_is_enough_to_migrate_and_verify(
    superuser: asyncpg.Connection, empty_database: str
) -> None:
    await superuser.execute("GRANT CREATE ON SCHEMA public TO gatehouse")

    code, output = await run(empty_database, "forwards", "all")
    verified = run_gatehouse(empty_database, "db", "verify")

    assert code == 0, output
    assert verified[0] == 0, verified[1]


@pytest.mark.parametrize(
    ("revoke", "told"),
    [
        (
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC, gatehouse",
            "the role gatehouse may not create tables in the schema public; let the owner of the schema run:"
            " GRANT CREATE ON SCHEMA public TO gatehouse",
        ),
        ("REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC", "GRANT TEMPORARY ON DATABASE"),
    ],
    ids=["CREATE", "TEMPORARY"],
)
async def test_a_missing_privilege_is_named_before_anything_is_created(
    superuser: asyncpg.Connection, empty_database: str, revoke: str, told: str
) -> None:
    name = await superuser.fetchval("SELECT current_database()")
    await superuser.execute("GRANT CREATE ON SCHEMA public TO gatehouse")
    await superuser.execute(revoke.format(name=name))

    code, output = await run(empty_database, "forwards", "all")

    assert code == 1
    assert told in output
    assert "Traceback" not in output
    assert await superuser.fetchval("SELECT to_regclass('migration') IS NULL")


@pytest.mark.slow
async def test_without_create_on_the_database_a_revert_needs_the_schema_of_the_retained_data(
    superuser: asyncpg.Connection, empty_database: str
) -> None:
    """The owner of the database creates it once, as the message says."""
    await superuser.execute("GRANT CREATE ON SCHEMA public TO gatehouse")
    await run(empty_database, "forwards", "all")

    refused, told = await run(empty_database, "backwards", "all", "--auto_agree")
    count = await superuser.fetchval("SELECT count(*) FROM migration")
    (statement,) = [line.split("run: ")[1] for line in told.splitlines() if "run: " in line]
    await superuser.execute(statement)
    reverted, output = await run(empty_database, "backwards", "all", "--auto_agree")
    again, _ = await run(empty_database, "forwards", "all")

    assert (refused, count) == (1, COUNT)
    assert (reverted, again) == (0, 0), output


@pytest.mark.slow
@pytest.mark.parametrize(
    "schema",
    [
        pytest.param("Shop", marks=pytest.mark.slow),
        "Mi Tienda",
        pytest.param('the "best"', marks=pytest.mark.slow),
    ],
)
async def test_a_schema_whose_name_needs_quoting_is_migrated_and_verified(
    connection: asyncpg.Connection, empty_database: str, schema: str
) -> None:
    quoted = '"{}"'.format(schema.replace('"', '""'))
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"CREATE SCHEMA {quoted}")
    await connection.execute(f"ALTER DATABASE {name} SET search_path = {quoted}")

    codes = []
    for command in (["forwards", "all"], ["backwards", "all", "--auto_agree"], ["forwards", "all"]):
        code, output = await run(empty_database, *command)
        codes.append(code)
        assert code == 0, output
    verified = run_gatehouse(empty_database, "db", "verify")

    assert verified[0] == 0, verified[1]
    assert "no differences" in verified[1]
    schemas = await connection.fetch("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'users'")
    assert [row[0] for row in schemas] == [schema]


async def test_a_search_path_without_a_schema_is_named(
    connection: asyncpg.Connection, empty_database: str
) -> None:
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET search_path = nowhere")

    code, output = await run(empty_database, "forwards", "all")

    assert code == 1
    assert "search_path" in output
    assert "nowhere" in output
    assert "Traceback" not in output
