"""The worker process of a server: it runs as long as the server does."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import asyncpg
import pytest

from tests.mail.queue import queue, until_settled
from tests.mail.smtp import MailServer
from tests.server.serving import client
from tests.support import ROOT, GatehouseProcess, issue_key, registration

pytestmark = pytest.mark.anyio


@pytest.fixture
def running(gatehouse: GatehouseProcess, tmp_path: Path) -> GatehouseProcess:
    gatehouse.environment |= {"WORKER": "on", "GATEHOUSE_HOME": str(tmp_path / "home")}
    gatehouse.start()
    return gatehouse


def workers(server: GatehouseProcess) -> list[int]:
    """The process ids of the workers that the server started."""
    processes = Path(f"/proc/{server.process.pid}/task/{server.process.pid}").parent.glob("*/children")
    children = [int(child) for file in processes for child in file.read_text().split()]
    return [child for child in children if b"worker" in Path(f"/proc/{child}/cmdline").read_bytes()]


async def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def the_worker(server: GatehouseProcess) -> int:
    """A server listens before its worker has replaced the process that it is forked from."""
    await wait_for(lambda: workers(server))
    (worker,) = workers(server)
    return worker


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}/exe").exists()


@pytest.mark.parametrize("count", ["1", pytest.param("2", marks=pytest.mark.slow)])
async def test_a_server_of_several_processes_has_one_worker(
    gatehouse: GatehouseProcess, tmp_path: Path, count: str
) -> None:
    """The worker has a lower priority."""
    gatehouse.environment |= {"WORKER": "on", "WORKERS": count, "GATEHOUSE_HOME": str(tmp_path / "home")}
    gatehouse.start()

    worker = await the_worker(gatehouse)

    usual = os.getpriority(os.PRIO_PROCESS, gatehouse.process.pid)
    await wait_for(lambda: os.getpriority(os.PRIO_PROCESS, worker) > usual)


@pytest.mark.slow
async def test_a_killed_worker_is_started_again(running: GatehouseProcess) -> None:
    killed = await the_worker(running)

    os.kill(killed, signal.SIGKILL)

    await wait_for(lambda: workers(running) not in ([killed], []))
    assert f"will be restarted exit_code=-{int(signal.SIGKILL)}" in running.log.read_text()


async def test_a_killed_server_leaves_no_worker(running: GatehouseProcess) -> None:
    worker = await the_worker(running)

    os.kill(running.process.pid, signal.SIGKILL)

    await wait_for(lambda: not is_alive(worker))


async def test_a_stopping_server_waits_for_the_mail_that_is_being_sent(
    running: GatehouseProcess, database: asyncpg.Connection, tmp_path: Path
) -> None:
    """No mail is interrupted, and nothing is logged at the end."""
    worker = await the_worker(running)
    async with client(running) as api:
        for _ in range(3):
            await api.register(registration(await issue_key(database)))

    assert running.interrupt() == 0

    assert not is_alive(worker)
    left = await database.fetchval("SELECT count(*) FROM mails") or 0
    outbox = tmp_path / "home" / "outbox"
    assert left + (len(list(outbox.glob("*.eml"))) if outbox.exists() else 0) == 3
    assert "Traceback" not in running.log.read_text()


@pytest.mark.slow
async def test_without_a_mail_server_mails_are_written_to_files(
    pool: None, database: asyncpg.Connection, gatehouse: GatehouseProcess, tmp_path: Path
) -> None:
    """By the worker of the server."""
    outbox = tmp_path / "home" / "outbox"
    gatehouse.environment |= {"WORKER": "on", "GATEHOUSE_HOME": str(tmp_path / "home")}
    await queue()
    assert not outbox.exists()

    gatehouse.start()
    await until_settled(database)
    assert gatehouse.interrupt() == 0

    (file,) = outbox.iterdir()
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert message["To"] == "ana@example.com"
    assert file.suffix == ".eml"
    for path in (file, outbox, outbox.parent):
        assert path.stat().st_mode & 0o077 == 0


async def test_an_outbox_that_others_can_read_is_restricted(
    pool: None, database: asyncpg.Connection, gatehouse: GatehouseProcess, tmp_path: Path
) -> None:
    """An older version made it."""
    outbox = tmp_path / "home" / "outbox"
    outbox.mkdir(parents=True)
    outbox.chmod(0o755)
    gatehouse.environment |= {"WORKER": "on", "GATEHOUSE_HOME": str(tmp_path / "home")}
    await queue()

    gatehouse.start()
    await until_settled(database)

    assert outbox.stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
async def test_mails_wait_for_a_mail_server_where_no_folder_is_set(
    pool: None, database: asyncpg.Connection, gatehouse: GatehouseProcess
) -> None:
    """A deploy may discard the disk of the server, and a container may have none that it can write."""
    gatehouse.environment |= {"WORKER": "on", "GATEHOUSE_HOME": ""}
    await queue()
    gatehouse.start()
    await the_worker(gatehouse)
    # A worker that delivered would claim the mail within a second.
    await asyncio.sleep(2.5)
    tries = await database.fetchval("SELECT tries FROM mails")
    assert gatehouse.interrupt() == 0
    server = MailServer()
    await server.start()

    gatehouse.environment |= {"SMTP_URL": server.url, "MAIL_FROM": "beta@example.com"}
    await asyncio.to_thread(gatehouse.start)
    await until_settled(database)
    await server.stop()

    assert tries == 0
    assert [message["To"] for message in server.accepted] == ["ana@example.com"]
    assert not (ROOT / ".gatehouse" / "outbox").exists()


@pytest.mark.slow
async def test_without_a_worker_a_server_sends_nothing(
    pool: None, database: asyncpg.Connection, gatehouse: GatehouseProcess, tmp_path: Path
) -> None:
    gatehouse.environment |= {"WORKER": "off", "GATEHOUSE_HOME": str(tmp_path / "home")}
    await queue()
    gatehouse.start()
    time.sleep(2)  # noqa: ASYNC251

    assert await database.fetchval("SELECT tries FROM mails") == 0
    assert not (tmp_path / "home" / "outbox").exists()
