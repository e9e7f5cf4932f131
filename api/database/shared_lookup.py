"""Batching the look-ups of concurrent requests into one query."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from typing import Generic, TypeVar

from api.database.bulkheads import Work, working

V = TypeVar("V")

on_behalf: Callable[[Sequence[Context]], AbstractContextManager[object]] | None = None
"""Makes a context manager around each query from the contexts of its callers; set by tracing."""


class SharedLookup(Generic[V]):
    """Collects the requested keys while one query runs; the next query looks all of them up.

    `query` takes the distinct keys and returns a dictionary of those it found. A caller never joins a query
    that was sent before its call, so it sees everything that was committed before its call.
    """

    def __init__(self, query: Callable[[list[str]], Awaitable[dict[str, V]]]) -> None:
        self._query = query
        self._waiting: dict[str, list[asyncio.Future[V | None]]] = {}
        self._callers: list[Context] = []
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: str) -> V | None:
        """The value of `key`, or None. Raises the error of the query."""
        task = self._task
        if task is None or task.done():
            # An empty context, because the query must not join an open transaction of the caller.
            task = self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())
        # One future for each caller: cancelling one request would cancel a shared future for all. The loop
        # comes from the task, because asyncio.get_running_loop() costs a system call in Python 3.11.
        future: asyncio.Future[V | None] = task.get_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if on_behalf is not None:
            self._callers.append(copy_context())
        return await future

    async def _run(self) -> None:
        with working(Work.LOOKUP):
            await self._run_queries()

    async def _run_queries(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            callers, self._callers = self._callers, []
            try:
                with nullcontext() if on_behalf is None else on_behalf(callers):
                    found = await self._query(list(batch))
            except BaseException as error:
                # Every error goes to the callers, or they would wait forever. The callers that arrived during
                # the query get it too: with a database that hangs, they would wait for the timeout of a
                # second query.
                later, self._waiting = self._waiting, {}
                for future in _open_futures(batch) + _open_futures(later):
                    future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                for key, futures in batch.items():
                    for future in futures:
                        if not future.done():
                            future.set_result(found.get(key))


def _open_futures(batch: dict[str, list[asyncio.Future[V | None]]]) -> list[asyncio.Future[V | None]]:
    return [future for futures in batch.values() for future in futures if not future.done()]
