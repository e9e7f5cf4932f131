"""Deploys on another major version than that of the embedded server, across a minor update, and on a standby.

`make test-postgres` runs all tests of this folder on each of `postgres_servers.VERSIONS`.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.deploy.adoption.test_adopt import SHAPES, old
from tests.deploy.migrations.piccolo_command import run
from tests.deploy.migrations.psql import psql, script
from tests.postgres_servers import PostgresServer
from tests.support import run_gatehouse

pytestmark = pytest.mark.anyio

OTHER_MAJOR = "15.20"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("other"), OTHER_MAJOR)
    server.start()
    yield server
    server.stop()


async def new_database(server: PostgresServer, name: str) -> str:
    connection = await asyncpg.connect(server.dsn(user="postgres", database="postgres"))
    await connection.execute(f"CREATE DATABASE {name} OWNER gatehouse")
    await connection.close()
    return server.dsn(database=name)


async def assert_clean(dsn: str) -> None:
    code, output = await asyncio.to_thread(run_gatehouse, dsn, "db", "verify")
    assert code == 0, output


async def succeed(dsn: str, *arguments: str) -> None:
    code, output = await run(dsn, *arguments)
    assert code == 0, output


@pytest.mark.slow
async def test_another_major_version_is_migrated_reverted_and_migrated_again(other: PostgresServer) -> None:
    dsn = await new_database(other, "migrated")

    await succeed(dsn, "forwards", "all")
    await assert_clean(dsn)
    await succeed(dsn, "backwards", "all", "--auto_agree")
    await succeed(dsn, "forwards", "all")

    await assert_clean(dsn)


@pytest.mark.slow
async def test_the_script_for_psql_migrates_another_major_version(
    other: PostgresServer, tmp_path: Path
) -> None:
    dsn = await new_database(other, "by_script")

    code, output = await psql(dsn, script(), tmp_path)

    assert code == 0, output
    await assert_clean(dsn)


@pytest.mark.parametrize("shape", SHAPES)
async def test_an_old_database_on_another_major_version_is_adopted(other: PostgresServer, shape: str) -> None:
    dsn = await new_database(other, f"adopted_{shape}")
    connection = await asyncpg.connect(dsn)
    await connection.execute(old(shape))
    await connection.close()

    code, output = await asyncio.to_thread(run_gatehouse, dsn, "db", "adopt")

    assert code == 0, output
    await assert_clean(dsn)


@pytest.mark.slow
async def test_a_minor_update_of_the_server_makes_no_difference(tmp_path: Path) -> None:
    """The two write the definition of an index on an expression in different ways."""
    before = PostgresServer(tmp_path, "15.18")
    await asyncio.to_thread(before.start)
    definition = "SELECT pg_get_indexdef('beta_keys_batch'::regclass)"
    try:
        await succeed(before.dsn(), "forwards", "all")
        await assert_clean(before.dsn())
        old_text = await _fetchval(before.dsn(), definition)
    finally:
        before.stop()
    after = PostgresServer(tmp_path, "15.20")
    await asyncio.to_thread(after.start)
    try:
        new_text = await _fetchval(after.dsn(), definition)
        await assert_clean(after.dsn())
        await succeed(after.dsn(), "forwards", "all")
        await succeed(after.dsn(), "backwards", "all", "--auto_agree")
        await succeed(after.dsn(), "forwards", "all")
        await assert_clean(after.dsn())
    finally:
        after.stop()

    assert old_text != new_text, "this test shows nothing on these versions"


async def _fetchval(dsn: str, query: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_on_a_standby_every_command_says_so_in_one_line(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path, OTHER_MAJOR)
    await asyncio.to_thread(server.start)
    server.stop()
    (tmp_path / "pg" / "standby.signal").touch()
    await asyncio.to_thread(server.start)
    try:
        outputs = [
            await run(server.dsn(), "forwards", "all"),
            await asyncio.to_thread(run_gatehouse, server.dsn(), "db", "verify"),
            await asyncio.to_thread(run_gatehouse, server.dsn(), "db", "adopt"),
        ]
    finally:
        server.stop()

    for code, output in outputs:
        assert code == 1, output
        assert "standby" in output or "read-only" in output
        assert "Traceback" not in output
