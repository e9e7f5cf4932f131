"""Servers and workers register in `server_processes` while they run."""

import asyncio
from typing import Any

import asyncpg
import pytest

from api.deploy.migrations import server_processes
from api.deploy.migrations.pending import migration_ids
from api.deploy.migrations.server_processes import registered_process
from tests.support import GatehouseProcess

pytestmark = pytest.mark.anyio


async def rows(database: asyncpg.Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await database.fetch("SELECT * FROM server_processes ORDER BY kind, id")]


@pytest.fixture(autouse=True)
async def no_processes(pool: None, database: asyncpg.Connection) -> None:
    """The application of this test process has registered, too."""
    await database.execute("DELETE FROM server_processes")


@pytest.mark.slow
async def test_servers_and_workers_register_and_leave(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """Each of the server processes of one host; a killed server leaves its row."""
    gatehouse.environment |= {"WORKERS": "2", "WORKER": "on"}
    gatehouse.start()
    async with asyncio.timeout(20):
        while len(running := await rows(database)) < 3:
            await asyncio.sleep(0.05)
    gatehouse.stop()
    stopped = await rows(database)
    gatehouse.environment |= {"WORKERS": "1", "WORKER": "off"}
    gatehouse.start()
    gatehouse.kill()
    (killed,) = await rows(database)

    assert [row["kind"] for row in running] == ["server", "server", "worker"]
    assert len({row["processId"] for row in running}) == 3
    assert {row["release"] for row in running} == {max(migration_ids())}
    assert stopped == []
    assert killed["processId"] == gatehouse.process.pid


async def test_a_heartbeat_registers_again_when_the_table_is_back(
    database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It raises nothing, and logs the outage once."""
    monkeypatch.setattr(server_processes, "HEARTBEAT_INTERVAL", 0.02)
    caplog.set_level("INFO")
    async with registered_process("server"):
        (first,) = await rows(database)
        await database.execute("ALTER TABLE server_processes RENAME TO away")
        await asyncio.sleep(0.3)
        await database.execute("DELETE FROM away")
        await database.execute("ALTER TABLE away RENAME TO server_processes")
        async with asyncio.timeout(5):
            while not (again := await rows(database)):
                await asyncio.sleep(0.01)

    assert again[0]["id"] == first["id"]
    assert await rows(database) == []
    messages = [record for record in caplog.records if "server_processes" in everything_of(record)]
    assert len(messages) == 1


def everything_of(record: Any) -> str:
    return f"{record.getMessage()}{vars(record)}"


async def test_rows_of_crashed_processes_are_removed_after_an_hour(database: asyncpg.Connection) -> None:
    insert = """
        INSERT INTO server_processes (kind, host, "processId", version, release, "seenAt")
        VALUES ('server', $1, 1, '1', '1', now() - $2 * interval '1 minute')
    """
    await database.execute(insert, "an hour ago", 61)
    await database.execute(insert, "a while ago", 59)

    async with registered_process("worker"):
        pass

    assert [row["host"] for row in await rows(database)] == ["a while ago"]
