"""Plans keep nothing of the requests they serve: 8,000 in `make test`, a million in `make fuzz`."""

import asyncio
import gc
import os
import tracemalloc
from typing import Any

import pytest
from graphql import ExecutionResult, parse

from api.execution.plans import Plan, make_plan
from tests.execution import strawberry_torture
from tests.execution.differential import Seen

REQUESTS = 1_000_000 if "FUZZ" in os.environ else 8_000

DOCUMENTS = [
    "query($n: Int!) { plain boxes(count: $n) { item { name count length } items { ...F } } }"
    " fragment F on Child { id key weight size }",
    "query($n: Int!, $p: Point! = {x: 1}) {"
    " point(point: $p) parent { name loaded(number: $n) } lucky(number: $n) }",
    "mutation($n: Int!) {"
    " now(number: $n) change(point: {x: $n}) { __typename ... on NotToday { message } } }",
]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_memory_is_flat_however_many_requests_come() -> None:
    """Values, errors and paths are other ones each time."""
    schema = strawberry_torture.SCHEMA
    plans: list[Any] = [
        make_plan(schema._schema, parse(text), executor_class=schema.execution_context_class)
        for text in DOCUMENTS
    ]

    async def serve(first: int, count: int) -> None:
        for number in range(first, first + count):
            await _serve(plans[number % len(plans)], number)

    with asyncio.Runner() as runner:
        tracemalloc.start()
        try:
            # What Python itself keeps for later use is there after the first thousands.
            runner.run(serve(0, 2_000))
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
            runner.run(serve(2_000, REQUESTS))
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    # A value that is kept for each request takes 28 bytes or more: of 8,000 requests twice as much as this.
    assert after - before < 100_000


async def _serve(plan: Plan, number: int) -> None:
    result: Any = plan.run(Seen(number), {"n": number % 7}, root_value=strawberry_torture.Query())
    if not isinstance(result, ExecutionResult):
        result = await result
    assert result.data is not None or result.errors
