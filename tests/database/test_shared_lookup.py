"""Concurrent look-ups share one query."""

import asyncio

import pytest

from api.database.shared_lookup import SharedLookup

pytestmark = pytest.mark.anyio


class Store:
    """Counts its queries, and returns when the test allows it."""

    def __init__(self) -> None:
        self.queries: list[list[str]] = []
        self.answer = asyncio.Event()
        self.error: Exception | None = None

    async def query(self, keys: list[str]) -> dict[str, str]:
        self.queries.append(keys)
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return {key: key.upper() for key in keys if key != "missing"}


async def _ask(lookup: SharedLookup[str], *keys: str) -> list[asyncio.Task[str | None]]:
    tasks = [asyncio.create_task(lookup.get(key)) for key in keys]
    await asyncio.sleep(0.01)
    return tasks


async def test_look_ups_during_a_query_share_the_next_one() -> None:
    store = Store()
    lookup = SharedLookup(store.query)

    first = await _ask(lookup, "a")
    later = await _ask(lookup, "b", "c", "b", "missing")
    store.answer.set()

    assert [await task for task in first + later] == ["A", "B", "C", "B", None]
    assert store.queries == [["a"], ["b", "c", "missing"]]


async def test_no_caller_gets_a_result_older_than_its_call() -> None:
    """A key that is requested during a query for it is queried again."""
    store = Store()
    lookup = SharedLookup(store.query)

    tasks = await _ask(lookup, "a") + await _ask(lookup, "a")
    store.answer.set()
    await asyncio.gather(*tasks)

    assert store.queries == [["a"], ["a"]]


async def test_a_failed_query_fails_its_callers_and_no_later_ones() -> None:
    store = Store()
    store.answer.set()
    lookup = SharedLookup(store.query)
    store.error = OSError("away")

    results = await asyncio.gather(lookup.get("a"), lookup.get("b"), return_exceptions=True)
    store.error = None

    assert [type(result) for result in results] == [OSError, OSError]
    assert await lookup.get("a") == "A"


async def test_a_cancelled_caller_does_not_cancel_others() -> None:
    store = Store()
    lookup = SharedLookup(store.query)

    leaving, staying = await _ask(lookup, "a", "a")
    leaving.cancel()
    store.answer.set()

    assert await staying == "A"
    assert leaving.cancelled() or leaving.cancelling()
