"""`Backfill` with a standby: the WAL that a batch writes must not put the standby far behind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from api.command_error import CommandError
from api.deploy.migrations import backfill_sql
from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.backfill_run import Lines, run_backfill
from tests.deploy.migrations.piccolo_command import until
from tests.postgres_servers import PostgresServer
from tests.standby import primary_and_standby

pytestmark = pytest.mark.anyio

STEP = Backfill("users", {"name": "upper(name)"}, "name <> upper(name)", pause=0.01)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    with primary_and_standby(tmp_path) as pair:
        yield pair


@pytest.fixture
async def paused_standby(
    servers: tuple[PostgresServer, PostgresServer],
    use_database: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    """Superusers' connections to a primary with 20,000 users, and to its standby, which replays nothing."""
    monkeypatch.setattr(backfill_sql, "MAX_LAG_BYTES", 100_000)
    primary, standby = servers
    use_database(primary.dsn())
    on_primary = await asyncpg.connect(primary.dsn(user="postgres"))
    on_standby = await connect_when_ready(standby)
    await on_primary.execute(
        """CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
           INSERT INTO users (name) SELECT 'n' || n FROM generate_series(1, 20000) n;
           ALTER TABLE users OWNER TO gatehouse"""
    )
    caught_up = "FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn = pg_current_wal_lsn()"
    await until(on_primary, f"EXISTS (SELECT {caught_up})")
    await on_standby.execute("SELECT pg_wal_replay_pause()")
    yield on_primary, on_standby
    await on_primary.close()
    await on_standby.close()


async def connect_when_ready(standby: PostgresServer) -> asyncpg.Connection:
    async with asyncio.timeout(20):
        while True:
            try:
                return await asyncpg.connect(standby.dsn(user="postgres", database="postgres"))
            except asyncpg.CannotConnectNowError:
                await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_it_waits_for_a_standby_that_is_behind(
    paused_standby: tuple[asyncpg.Connection, asyncpg.Connection],
) -> None:
    primary, standby = paused_standby
    await primary.execute("GRANT pg_monitor TO gatehouse")
    left = "SELECT count(*) FROM users WHERE name <> upper(name)"
    reported: list[str] = []

    step = asyncio.create_task(run_backfill(STEP.statement("m", 0), Lines(reported.append)))
    async with asyncio.timeout(20):
        while not any("waits for a standby" in line for line in reported):
            await asyncio.sleep(0.05)
    amid = await primary.fetchval(left)
    await asyncio.sleep(1)
    still = await primary.fetchval(left)
    await standby.execute("SELECT pg_wal_replay_resume()")
    await step

    assert 0 < (amid or 0) < 20_000
    assert still == amid
    assert await primary.fetchval(left) == 0


@pytest.mark.slow
async def test_a_standby_that_stays_behind_ends_the_run_with_one_line(
    paused_standby: tuple[asyncpg.Connection, asyncpg.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    primary, standby = paused_standby
    await primary.execute("GRANT pg_monitor TO gatehouse")
    monkeypatch.setattr(backfill_sql, "LAG_TIMEOUT", 1)

    with pytest.raises(CommandError, match="a standby is over 1 s behind; repair it, then run"):
        await run_backfill(STEP.statement("m", 0), Lines(lambda _: None))
    await standby.execute("SELECT pg_wal_replay_resume()")
    reported: list[str] = []
    await run_backfill(STEP.statement("m", 0), Lines(reported.append))

    assert "    users: 20,000 rows changed\n" in reported


async def test_a_role_that_may_not_see_the_lag_says_so_and_goes_on(
    paused_standby: tuple[asyncpg.Connection, asyncpg.Connection],
) -> None:
    reported: list[str] = []

    await run_backfill(STEP.statement("m", 0), Lines(reported.append))

    assert "GRANT pg_monitor TO gatehouse" in "".join(reported)
    assert "    users: 20,000 rows changed\n" in reported
