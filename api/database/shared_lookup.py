"""Look-ups of concurrent requests that share one query."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from typing import Generic, TypeVar

V = TypeVar("V")

on_behalf: Callable[[Sequence[Context]], AbstractContextManager[object]] | None = None
"""What each query runs within, made of the contexts of its callers; set by whoever traces them."""


class SharedLookup(Generic[V]):
    """While one query is under way, the keys that are asked for gather; the next query asks for all of them.

    `query` gets the distinct keys and answers a dictionary of those it found. A caller never joins a query
    that has been sent already, so it sees everything that was committed before it asked.
    """

    def __init__(self, query: Callable[[list[str]], Awaitable[dict[str, V]]]) -> None:
        self._query = query
        self._waiting: dict[str, list[asyncio.Future[V | None]]] = {}
        self._callers: list[Context] = []
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: str) -> V | None:
        """What is stored under `key`, or None. Raises what the query raises."""
        task = self._task
        if task is None or task.done():
            # An empty context, because the query must not join a transaction that the caller has open.
            task = self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())
        # One future a caller: a shared one would be cancelled for all when one of them goes away. The task
        # knows the loop; to look for the running one takes Python 3.11 a call of the system.
        future: asyncio.Future[V | None] = task.get_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if on_behalf is not None:
            self._callers.append(copy_context())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            callers, self._callers = self._callers, []
            try:
                with nullcontext() if on_behalf is None else on_behalf(callers):
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
