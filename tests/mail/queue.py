"""Mails in the queue, and a worker in this process that sends them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from api.database.scopes import platform_scope
from api.domain.mails import Template, queue_mail
from api.mail import worker


@asynccontextmanager
async def working() -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(worker.work(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def queue(name: str = "Ana", **options: Any) -> None:
    async with platform_scope():
        await queue_mail(
            Template.PASSWORD_CHANGED, to="ana@example.com", language="en", firstName=name, **options
        )


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def until_settled(database: asyncpg.Connection) -> None:
    """Wait until every mail was sent or has failed permanently."""
    async with asyncio.timeout(20):
        while await database.fetchval('SELECT count(*) FROM mails WHERE "failedAt" IS NULL'):
            await asyncio.sleep(0.01)


def names(messages: list[Any]) -> list[str]:
    """The first names in the mails of `queue`."""
    return [one.get_body(("plain",)).get_content().split(",")[0].split()[-1] for one in messages]
