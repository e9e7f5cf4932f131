"""Look-ups of concurrent requests that share one query."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

V = TypeVar("V")


class SharedLookup(Generic[V]):
    """While one query is under way, the keys that are asked for gather; the next query asks for all of them.

    `query` gets the distinct keys and answers a dictionary of those it found. A caller never joins a query
    that has been sent already, so it sees everything that was committed before it asked.
    """

    def __init__(self, query: Callable[[list[str]], Awaitable[dict[str, V]]]) -> None:
        self._query = query
        self._waiting: dict[str, list[asyncio.Future[V | None]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: str) -> V | None:
        """What is stored under `key`, or None. Raises what the query raises."""
        loop = asyncio.get_running_loop()
        # One future a caller: a shared one would be cancelled for all when one of them goes away.
        future: asyncio.Future[V | None] = loop.create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._task is None or self._task.done():
            # An empty context, because the query must not join a transaction that the caller has open.
            self._task = loop.create_task(self._run(), context=Context())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            try:
                found = await self._query(list(asked))
            except BaseException as error:
                # The callers get the error, whatever it is: without it they would wait for ever. So do those
                # who gathered meanwhile: behind a database that hangs they would wait for a second query.
                gathered, self._waiting = self._waiting, {}
                for future in _open_futures(asked) + _open_futures(gathered):
                    future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                for key, futures in asked.items():
                    for future in futures:
                        if not future.done():
                            future.set_result(found.get(key))


def _open_futures(asked: dict[str, list[asyncio.Future[V | None]]]) -> list[asyncio.Future[V | None]]:
    return [future for futures in asked.values() for future in futures if not future.done()]
