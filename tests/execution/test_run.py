"""How a plan runs: what waits together, what goes one after the other, and what is cancelled."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from graphql import ExecutionResult, parse
from graphql.execution import Executor

from tests.execution.creatures import ANA, SCHEMA, awaited, plan_for

pytestmark = pytest.mark.anyio


async def test_nothing_is_awaited_where_nothing_is_awaitable() -> None:
    assert isinstance(
        plan_for("{ human { name friends { name } } }").run(None, root_value={"human": ANA}), ExecutionResult
    )


async def test_siblings_that_wait_wait_together() -> None:
    """Each waits for the other: one after the other, they would wait for ever."""
    here, there = asyncio.Event(), asyncio.Event()

    async def meet(mine: asyncio.Event, other: asyncio.Event) -> str:
        mine.set()
        await other.wait()
        return "met"

    root = {"human": {"name": meet(here, there), "dogs": [{"name": meet(there, here)}]}}

    async with asyncio.timeout(10):
        result: Any = await awaited(plan_for("{ human { name dogs { name } } }").run(None, root_value=root))

    assert result.data == {"human": {"name": "met", "dogs": [{"name": "met"}]}}


async def test_mutations_go_one_after_the_other() -> None:
    steps: list[str] = []

    def step(name: str, *, fails: bool = False) -> Callable[..., Any]:
        async def resolve(_info: object) -> int:
            steps.append(f"{name} begins")
            await asyncio.sleep(0)
            steps.append(f"{name} ends")
            if fails:
                raise ValueError("failed")
            return len(steps)

        return resolve

    root = {
        "first": step("first", fails=True),
        "second": step("second"),
        "third": lambda _info: steps.append("third"),
    }

    result: Any = await awaited(plan_for("mutation { first second third }").run(None, root_value=root))

    assert steps == ["first begins", "first ends", "second begins", "second ends", "third"]
    assert result.data == {"first": None, "second": 4, "third": None}


async def test_no_mutation_begins_after_one_that_has_ended_the_answer() -> None:
    begun: list[str] = []

    async def fail(_info: object) -> int:
        raise ValueError("failed")

    root = {"second": fail, "third": lambda _info: begun.append("third")}

    result: Any = await awaited(plan_for("mutation { second third }").run(None, root_value=root))

    assert result.data is None
    assert begun == []


async def test_the_work_of_a_sibling_of_what_failed_is_settled() -> None:
    """The answer does not wait for it, and it is not left behind either."""
    ended = asyncio.Event()

    async def work(_info: object) -> str:
        await asyncio.sleep(0)
        ended.set()
        raise ValueError("seen by nobody, and no warning either")

    root = {"strict": {"name": work, "strict": ValueError("at once")}}

    result = plan_for("{ strict { name strict { name } } }").run(None, root_value=root)

    assert isinstance(result, ExecutionResult)
    assert result.data is None
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_sibling_of_what_failed_later_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def work(_info: object) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return "never"

    async def fail(_info: object) -> str:
        await asyncio.sleep(0)
        raise ValueError("later")

    root = {"strict": {"name": fail, "age": work}}

    result: Any = await awaited(plan_for("{ strict { name age } }").run(None, root_value=root))

    assert result.data is None
    assert cancelled.is_set()


async def test_items_of_a_list_wait_together() -> None:
    """Each waits for the other: one after the other, they would wait for ever."""
    here, there = asyncio.Event(), asyncio.Event()

    async def meet(mine: asyncio.Event, other: asyncio.Event) -> list[int]:
        mine.set()
        await other.wait()
        return [1]

    root = {"matrix": [meet(here, there), meet(there, here)]}

    async with asyncio.timeout(10):
        result: Any = await awaited(plan_for("{ matrix }").run(None, root_value=root))

    assert result.data == {"matrix": [[1], [1]]}


@pytest.mark.parametrize("by_plan", [True, False], ids=["the plan", "graphql-core"])
async def test_giving_up_a_request_reaches_every_resolver_that_still_works(*, by_plan: bool) -> None:
    """A time limit must cancel the work too, and not only end the answer."""
    begun, cancelled = asyncio.Semaphore(0), []

    def work(name: str) -> Callable[..., Any]:
        async def resolve(_info: object) -> str:
            begun.release()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(name)
                raise
            return "never"

        return resolve

    friends = [{"name": work("a friend")}, {"name": work("another friend")}]
    root = {"later": work("a root field"), "human": {"name": work("a field"), "friends": friends}}
    text = "{ later human { name friends { name } } }"
    others = asyncio.all_tasks()

    if by_plan:
        running = plan_for(text).run(None, root_value=root)
    else:
        executor = Executor.build(SCHEMA, parse(text), root_value=root)
        assert isinstance(executor, Executor)
        running = executor.execute_operation()
    task = asyncio.ensure_future(awaited(running))
    for _ in range(4):
        await begun.acquire()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(5):
        await asyncio.sleep(0)
    assert sorted(cancelled) == ["a field", "a friend", "a root field", "another friend"]
    assert asyncio.all_tasks() == others
