"""What a plan does not handle, and so is left to graphql-core."""

from typing import Any

import pytest
from graphql import build_schema, parse
from graphql.execution import Executor
from graphql.execution.incremental import IncrementalExecutor

from api.execution.plans import make_plan
from tests.execution.creatures import SCHEMA

pytestmark = pytest.mark.anyio


class OtherExecutor(IncrementalExecutor):
    """It may do anything else, so a plan would not know."""


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("subscription { tick }", None),
        ("query @odd { number }", None),
        ("{ number @odd }", None),
        ("{ ... @odd { number } }", None),
        ("{ ...F @odd } fragment F on Query { number }", None),
        ("{ ...F } fragment F on Query @odd { number }", None),
        ("query($a: Int @odd) { field(a: $a) }", None),
        ("{ human { name ... @defer { age } } }", None),
        ("{ human { friends @stream { name } } }", None),
        ("query A { number } query B { number }", None),
        ("query A { number }", "B"),
    ],
)
async def test_what_a_plan_does_not_handle_is_known_before_it_runs(text: str, operation: str | None) -> None:
    assert make_plan(SCHEMA, parse(text), operation) is None


async def test_variables_of_fragments_are_left_to_graphql_core() -> None:
    text = "{ ...F(a: 1) } fragment F($a: Int) on Query { field(a: $a) }"

    assert make_plan(SCHEMA, parse(text, experimental_fragment_arguments=True)) is None


async def test_an_operation_that_the_schema_does_not_have_is_left_to_graphql_core() -> None:
    assert make_plan(build_schema("type Query { a: Int }"), parse("mutation { first }")) is None


async def test_a_class_of_executors_that_nobody_knows_is_left_to_graphql_core() -> None:
    document = parse("{ number }")

    assert make_plan(SCHEMA, document, executor_class=OtherExecutor) is None
    known: list[type[Executor[Any]]] = [Executor, IncrementalExecutor]
    assert all(make_plan(SCHEMA, document, executor_class=each) for each in known)


async def test_only_the_operation_that_is_asked_for_counts() -> None:
    text = "query A @odd { number } query B { number }"

    assert make_plan(SCHEMA, parse(text), "A") is None
    assert make_plan(SCHEMA, parse(text), "B") is not None
