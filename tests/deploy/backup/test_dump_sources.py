"""`gatehouse db dump` of a hot standby, and through PgBouncer."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.deploy.backup.content import ROWS, content
from tests.deploy.migrations.piccolo_command import run, until
from tests.pgbouncer import pgbouncer
from tests.postgres_servers import PostgresServer
from tests.standby import primary_and_standby
from tests.support import run_gatehouse

pytestmark = pytest.mark.anyio

SLOW = "CREATE POLICY slow ON tenants AS RESTRICTIVE FOR SELECT USING (pg_sleep(0.02) IS NOT NULL)"
"""A dump takes that long for each tenant."""


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary and a standby that cancels a query as soon as it is in the way of the primary's changes."""
    with primary_and_standby(tmp_path, "--max_standby_streaming_delay=0") as pair:
        yield pair


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def gatehouse(dsn: str, *arguments: str | Path) -> tuple[int, str]:
    return await asyncio.to_thread(run_gatehouse, dsn, *map(str, arguments))


async def wait_for_replay(primary: PostgresServer) -> None:
    connection = await asyncpg.connect(primary.dsn(user="postgres"))
    await until(
        connection,
        "EXISTS (SELECT FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn())",
    )
    await connection.close()


@pytest.mark.slow
async def test_a_standby_is_dumped(
    servers: tuple[PostgresServer, PostgresServer], empty_database: str, tmp_path: Path
) -> None:
    """It has every row of the primary, and the primary notices nothing."""
    primary, standby = servers
    assert (await run(primary.dsn(), "forwards", "all"))[0] == 0
    await execute(primary.dsn(), ROWS)
    await wait_for_replay(primary)

    code, output = await gatehouse(standby.dsn(), "db", "dump", tmp_path / "dump")
    assert code == 0, output
    code, output = await gatehouse(empty_database, "db", "restore", tmp_path / "dump")

    assert code == 0, output
    restored = await content(empty_database.replace("//gatehouse@", "//postgres@"))
    expected = await content(primary.dsn(user="postgres"))
    # The log has the next 32 numbers of a sequence in advance, and the standby has only the log.
    for found in (restored, expected):
        del found["migration_id_seq"]
    assert restored == expected
    assert sum(map(len, restored.values())) > 2200


@pytest.mark.slow
async def test_a_dump_that_the_standby_cancels_says_so_in_one_line(
    servers: tuple[PostgresServer, PostgresServer], tmp_path: Path
) -> None:
    """The primary removes rows that the dump still sees, and the standby does not wait for the dump."""
    primary, standby = servers
    assert (await run(primary.dsn(), "forwards", "all"))[0] == 0
    await execute(primary.dsn(), ROWS, SLOW)
    await wait_for_replay(primary)

    dump = asyncio.create_task(gatehouse(standby.dsn(), "db", "dump", tmp_path / "dump"))
    watcher = await asyncpg.connect(standby.dsn(user="postgres"))
    await until(watcher, "EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'COPY %tenants%')")
    await execute(primary.dsn(user="postgres"), "DELETE FROM mails", "VACUUM mails")
    code, output = await dump
    await watcher.close()

    assert (code, len(output.splitlines())) == (1, 1), output
    assert "hot_standby_feedback" in output
    assert not (tmp_path / "dump").exists()


@pytest.mark.slow
async def test_behind_pgbouncer_a_dump_is_taken_and_a_restore_needs_a_session(
    migrated_database: str, empty_database: str, tmp_path: Path
) -> None:
    """In transaction mode a restore is refused, because it takes the migration lock."""
    file = tmp_path / "dump"
    await execute(migrated_database, ROWS)
    for mode in ("transaction", "session"):
        folder = tmp_path / mode
        folder.mkdir()
        with pgbouncer(migrated_database, folder, mode) as pooled:
            file.unlink(missing_ok=True)
            code, output = await gatehouse(pooled, "db", "dump", file)
            assert code == 0, output
            target = pooled.rpartition("/")[0] + "/" + empty_database.split("?")[0].rpartition("/")[2]
            restored, output = await gatehouse(target, "db", "restore", file)
        if mode == "transaction":
            assert (restored, output.count("\n")) == (1, 1), output
            assert "a pooler in transaction mode" in output
    assert restored == 0, output

    found = [
        await content(dsn.replace("//gatehouse@", "//postgres@"))
        for dsn in (empty_database, migrated_database)
    ]
    assert found[0] == found[1]
