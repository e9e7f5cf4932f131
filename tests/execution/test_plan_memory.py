"""Plans keep nothing of the requests they serve: 10,000 in `make test`, a million in `make fuzz`."""

import asyncio
import gc
import os
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from graphql import ExecutionResult, parse

from api.execution.plans import Plan, make_plan
from tests.execution import strawberry_torture
from tests.execution.differential import Seen

REQUESTS = 1_000_000 if "FUZZ" in os.environ else 10_000

TRACED = 100_000 if "FUZZ" in os.environ else 1_000
"""Requests whose memory is traced."""

DOCUMENTS = [
    "query($n: Int!) { plain boxes(count: $n) { item { name count length } items { ...F } } }"
    " fragment F on Child { id key weight size }",
    "query($n: Int!, $p: Point! = {x: 1}) {"
    " point(point: $p) parent { name loaded(number: $n) } lucky(number: $n) }",
    "mutation($n: Int!) {"
    " now(number: $n) change(point: {x: $n}) { __typename ... on NotToday { message } } }",
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_memory_is_flat_however_many_requests_come() -> None:
    """Values, errors and paths are other ones each time.

    Python counts its objects itself, at no cost. A buffer that grows is one object, so the bytes are traced
    too; that multiplies the time of a request, so it is done for fewer.
    """
    schema = strawberry_torture.SCHEMA
    plans: list[Any] = [
        make_plan(schema._schema, parse(text), executor_class=schema.execution_context_class)
        for text in DOCUMENTS
    ]

    async def serve(requests: range) -> None:
        for number in requests:
            await _serve(plans[number % len(plans)], number)

    with asyncio.Runner() as runner:
        # What Python itself keeps for later use is there after the first thousands.
        runner.run(serve(range(2_000)))
        objects = _growth(sys.getallocatedblocks, lambda: runner.run(serve(range(2_000, REQUESTS))))
        tracemalloc.start()
        try:
            runner.run(serve(range(300)))
            size = _growth(_traced, lambda: runner.run(serve(range(300, 300 + TRACED))))
        finally:
            tracemalloc.stop()

    # The last requests leave some hundreds of objects, or 50 KB, behind until the next ones. One object for
    # each request would be thousands.
    assert objects < 2_000
    assert size < 100_000


def _growth(measure: Callable[[], int], work: Callable[[], None]) -> int:
    gc.collect()
    before = measure()
    work()
    gc.collect()
    return measure() - before


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]


async def _serve(plan: Plan, number: int) -> None:
    result: Any = plan.run(Seen(number), {"n": number % 7}, root_value=strawberry_torture.Query())
    if not isinstance(result, ExecutionResult):
        result = await result
    assert result.data is not None or result.errors
