"""Deadlines: a late block is cancelled, and no other."""

import asyncio

import pytest

from api.http.deadlines import Deadlines

pytestmark = pytest.mark.anyio


async def test_a_late_block_is_cancelled_and_raises_timeout_error() -> None:
    cancelled = False

    async def hang() -> None:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise

    with pytest.raises(TimeoutError), Deadlines(0.01).start():
        await hang()

    assert cancelled
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_block_that_ends_in_time_is_not_cancelled_with_late_ones() -> None:
    """Blocks share one timer, which continues for those that start while it waits."""
    deadlines = Deadlines(0.05)

    async def work(event: asyncio.Event | None) -> str:
        try:
            with deadlines.start():
                await (event.wait() if event is not None else asyncio.sleep(0))
        except TimeoutError:
            return "late"
        return "done"

    never = asyncio.Event()
    early = [asyncio.ensure_future(work(event)) for event in (never, None, never)]
    await asyncio.sleep(0.03)
    later = [asyncio.ensure_future(work(event)) for event in (None, never)]

    assert await asyncio.gather(*early, *later) == ["late", "done", "late", "done", "late"]
    assert await work(None) == "done"
    assert await work(never) == "late"


async def test_another_cancellation_is_not_converted() -> None:
    async def wait() -> None:
        with Deadlines(10).start():
            await asyncio.Event().wait()

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_another_cancellation_at_the_same_moment_takes_precedence() -> None:
    """As with asyncio.timeout: the code that cancelled the task must see its cancellation."""

    async def wait() -> None:
        with Deadlines(0.01).start():
            try:
                await asyncio.Event().wait()
            finally:
                task.cancel()

    task = asyncio.ensure_future(wait())

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_another_error_passes_through() -> None:
    with pytest.raises(KeyError), Deadlines(10).start():
        raise KeyError("mine")


async def test_deadlines_on_two_running_loops_are_refused() -> None:
    """They would replace each other's timer, and some deadlines would never expire."""
    deadlines = Deadlines(10)

    async def start() -> None:
        with deadlines.start():
            pass

    await start()
    with pytest.raises(RuntimeError, match="one event loop"):
        await asyncio.to_thread(asyncio.run, start())


def test_deadlines_work_on_a_second_event_loop() -> None:
    """The timer and the blocks of the first loop must not delay the deadlines of the second."""
    deadlines = Deadlines(0.01)

    async def wait(seconds: float) -> None:
        with deadlines.start():
            await asyncio.sleep(seconds)

    async def wait_in_vain() -> bool:
        task = asyncio.ensure_future(wait(60))
        done, _ = await asyncio.wait([task], timeout=5)
        return bool(done) and isinstance(task.exception(), TimeoutError)

    asyncio.run(wait(0))

    assert asyncio.run(wait_in_vain())
