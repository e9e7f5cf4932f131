"""A mail server, and workers that send to it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from api.mail import worker
from tests.mail.queue import working
from tests.mail.smtp import MailServer
from tests.support import Settings


@pytest.fixture
async def smtp(pool: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MailServer]:
    """A running mail server, and settings that name it. The delays of the worker are short."""
    server = MailServer()
    await server.start()
    settings(SMTP_URL=server.url, MAIL_FROM="Gatehouse <beta@example.com>")
    monkeypatch.setattr(worker, "POLL_INTERVAL", 0.02)
    monkeypatch.setattr(worker, "RETRY_DELAYS", (0.05, 0.1, 0.2))
    yield server
    await server.stop()


@pytest.fixture
async def start(smtp: MailServer) -> AsyncIterator[Callable[[], Any]]:
    """`await start()` starts another worker in this process."""
    async with AsyncExitStack() as stack:
        yield lambda: stack.enter_async_context(working())
