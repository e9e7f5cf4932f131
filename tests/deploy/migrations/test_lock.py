"""Runs of `piccolo migrations` at once, and killed in the middle."""

import asyncio
import signal
from pathlib import Path

import asyncpg
import pytest

from tests.deploy.migrations.piccolo_command import COUNT, ended, run, start, waiting_for_users
from tests.pgbouncer import pgbouncer
from tests.support import run_gatehouse

pytestmark = pytest.mark.anyio


async def test_of_four_at_once_one_applies_and_all_succeed(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    processes = [start(empty_database, "forwards", "all") for _ in range(4)]
    results = await asyncio.gather(*map(ended, processes))

    assert [code for code, _ in results] == [0] * 4, results
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT
    assert sum("no migrations to apply" in output for _, output in results) == 3


async def test_one_that_waits_too_long_gives_up_and_names_the_holder(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    from api.deploy.migrations.lock import KEY

    await connection.execute("SELECT pg_advisory_lock($1)", KEY)
    holder = await connection.fetchval("SELECT pg_backend_pid()")

    code, output = await run(empty_database, "forwards", "all", MIGRATION_LOCK_TIMEOUT="0.3")

    assert code == 1
    assert f"waiting for another migration (PostgreSQL process {holder})" in output
    assert f"PostgreSQL process {holder}); wait for it" in output
    assert "Traceback" not in output
    assert await connection.fetchval("SELECT to_regclass('users') IS NULL")


@pytest.mark.slow
async def test_a_killed_run_leaves_no_lock_and_the_next_one_goes_on(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """SIGKILL while the tenants migration waits for a lock on users."""
    await run(empty_database, "forwards", "gatehouse", "1")
    async with waiting_for_users(empty_database, connection, "forwards", "all") as (process, _):
        process.send_signal(signal.SIGKILL)
        await ended(process)

    code, output = await run(empty_database, "forwards", "all")

    assert code == 0, output
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT


@pytest.mark.slow
async def test_a_run_that_loses_its_lock_does_not_go_on(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """Another run may have the lock by then, and two must not migrate at the same time."""
    await run(empty_database, "forwards", "gatehouse", "1")
    async with waiting_for_users(empty_database, connection, "forwards", "all") as (process, watcher):
        await watcher.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        )
        code, output = await ended(process)

    assert code == 1
    assert "run the migrations again" in output
    assert (await run(empty_database, "forwards", "all"))[0] == 0
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT


@pytest.mark.parametrize("command", ["forwards", "backwards", "adopt"])
async def test_behind_a_pooler_in_transaction_mode_nothing_is_done(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path, command: str
) -> None:
    """The lock would stay with the connection of the pooler."""
    with pgbouncer(empty_database, tmp_path, "transaction") as pooled:
        if command == "adopt":
            code, output = await asyncio.to_thread(run_gatehouse, pooled, "db", "adopt")
        else:
            target = ["all"] if command == "forwards" else ["all", "--auto_agree"]
            code, output = await run(pooled, command, *target)

    assert code == 1
    assert "a pooler in transaction mode" in output
    assert "Traceback" not in output
    assert await connection.fetchval("SELECT to_regclass('migration') IS NULL")
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_behind_a_pooler_with_one_connection_nothing_waits(
    empty_database: str, tmp_path: Path, mode: str
) -> None:
    with pgbouncer(empty_database, tmp_path, mode, "default_pool_size = 1") as pooled:
        code, output = await run(pooled, "forwards", "all")

    assert code == 1
    assert len(output.strip().splitlines()) == 1, output
    assert "a pooler that has no two connections" in output


@pytest.mark.slow
async def test_behind_a_pooler_in_session_mode_migrations_run(empty_database: str, tmp_path: Path) -> None:
    with pgbouncer(empty_database, tmp_path, "session") as pooled:
        code, output = await run(pooled, "forwards", "all")

    assert code == 0, output
