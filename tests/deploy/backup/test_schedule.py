"""Daily dumps by the worker of a server."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.support import GatehouseProcess, issue_key, run_gatehouse

pytestmark = pytest.mark.anyio

OLD = [f"gatehouse-2026-01-0{day}T00-00-00Z.dump" for day in range(1, 5)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with four dumps that are older than a day, and a file of a person."""
    folder = tmp_path / "backups"
    folder.mkdir()
    for name in (*OLD, "mine.dump"):
        (folder / name).write_text("old")
        os.utime(folder / name, times=(time.time() - 90_000, time.time() - 90_000))
    return folder


@pytest.fixture
def server(tmp_path: Path, folder: Path, migrated_database: str) -> Iterator[GatehouseProcess]:
    process = GatehouseProcess(
        tmp_path / "server.log",
        DATABASE_URL=migrated_database,
        WORKER="on",
        BACKUP_DIR=str(folder),
        BACKUPS_KEPT="3",
    )
    yield process
    process.stop()


@pytest.mark.slow
async def test_the_newest_dumps_remain_and_can_be_restored(
    server: GatehouseProcess, folder: Path, migrated_database: str, tmp_path: Path
) -> None:
    owner = await asyncpg.connect(migrated_database)
    key = await issue_key(owner)
    await owner.close()

    server.start()
    await until(lambda: not (folder / OLD[1]).exists())

    (new,) = names_in(folder) - {*OLD, "mine.dump"}
    assert names_in(folder) == {new, *OLD[2:], "mine.dump"}
    assert (folder / new).stat().st_mode & 0o077 == 0
    home = tmp_path / "restored"
    code, output = run_gatehouse("", "db", "restore", str(folder / new), GATEHOUSE_HOME=str(home))
    assert code == 0, output
    _, listed = run_gatehouse("", "keys", "list", GATEHOUSE_HOME=str(home))
    assert key in listed


@pytest.mark.slow
async def test_a_dump_of_today_is_enough(server: GatehouseProcess, folder: Path) -> None:
    (folder / OLD[3]).touch()

    server.start()
    await asyncio.sleep(2)

    assert names_in(folder) == {*OLD, "mine.dump"}


async def test_a_folder_that_cannot_be_used_is_one_line_in_the_log(
    server: GatehouseProcess, folder: Path
) -> None:
    """And the worker goes on."""
    server.environment["BACKUP_DIR"] = str(folder / "mine.dump" / "backups")

    server.start()
    await until(lambda: "no backup was written" in server.log.read_text())

    assert "Traceback" not in server.log.read_text()


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.1)
