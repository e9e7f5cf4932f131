"""`gatehouse worker` in processes of its own, which are killed or stopped."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from api.mail import worker
from api.settings import get_settings
from tests.commands import Command
from tests.mail.queue import names, queue, until, until_settled
from tests.mail.smtp import MailServer, after

pytestmark = pytest.mark.anyio


class WorkerProcess:
    """`gatehouse worker` in a process of its own."""

    def __init__(self, smtp: MailServer, log: Path) -> None:
        self.log = log
        self.smtp = smtp

    def start(self) -> None:
        with self.log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            environment = {**os.environ, "SMTP_URL": self.smtp.url, "MAIL_FROM": "beta@example.com"}
            self.process = Command(["gatehouse", "worker"], environment, (nothing, log, log))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)


@pytest.fixture
def process(smtp: MailServer, tmp_path: Path) -> Iterator[WorkerProcess]:
    process = WorkerProcess(smtp, tmp_path / "worker.log")
    yield process
    if process.process.poll() is None:
        process.kill()


async def let_leases_end(database: asyncpg.Connection) -> None:
    """End the lease of a minute, after which another worker claims the mails of a killed one."""
    ended = 'UPDATE mails SET "dueAt" = "dueAt" - interval \'1 minute\' RETURNING id'
    assert await database.fetch(ended)


async def test_the_mail_of_a_killed_worker_is_sent_by_the_next_one(
    database: asyncpg.Connection, smtp: MailServer, process: WorkerProcess
) -> None:
    """Killed while the server delays its reply."""
    smtp.answers = [after(3600)]
    await queue()
    process.start()
    await until(lambda: smtp.seen)
    process.kill()
    assert await database.fetchval("""SELECT "dueAt" > now() + interval '50 seconds' FROM mails""")
    await let_leases_end(database)

    process.start()
    await until_settled(database)

    assert names(smtp.accepted) == ["Ana"]
    assert len({message["Message-ID"] for message in smtp.seen}) == 1


async def test_a_killed_worker_loses_no_mail_and_repeats_none_that_was_recorded_as_sent(
    database: asyncpg.Connection, smtp: MailServer, process: WorkerProcess
) -> None:
    for number in range(30):
        await queue(f"Ana{number}")
    smtp.answers = [after(0.05)] * 30
    process.start()
    await until(lambda: len(smtp.accepted) >= 10)
    process.kill()
    left = {row[0] for row in await database.fetch("""SELECT "values"->>'firstName' FROM mails""")}
    before = names(smtp.accepted)
    await let_leases_end(database)

    process.start()
    await until_settled(database)

    assert set(names(smtp.accepted)) == {f"Ana{number}" for number in range(30)}
    repeated = set(names(smtp.accepted)[len(before) :]) & set(before)
    assert repeated <= left
    assert len(repeated) <= get_settings().mail_concurrency


async def test_a_mail_that_kills_its_workers_is_not_retried_forever(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    await queue()
    await database.execute("UPDATE mails SET tries = $1", len(worker.RETRY_DELAYS) + 1)
    await start()
    await until_settled(database)

    assert smtp.connections == 0
    assert "the worker ended" in str(await database.fetchval("SELECT error FROM mails"))


async def test_a_stopping_worker_finishes_its_mails(
    database: asyncpg.Connection, smtp: MailServer, process: WorkerProcess
) -> None:
    smtp.answers = [after(1)]
    await queue()
    process.start()
    await until(lambda: smtp.seen)
    process.process.terminate()

    assert await asyncio.to_thread(process.process.wait, 20) == 0
    assert names(smtp.accepted) == ["Ana"]
    assert await database.fetchval("SELECT count(*) FROM mails") == 0
