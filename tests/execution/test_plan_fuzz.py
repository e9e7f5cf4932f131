"""Plans answer what graphql-core's interpreter answers: documents that are made up, each run both ways.

`make test` compares some 800, always the same ones; `make fuzz` 100,000, others each time.
"""

import asyncio
import gc
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple

import pytest
import strawberry
from graphql import GraphQLObjectType, GraphQLSchema, parse, print_schema, validate
from graphql.execution import Executor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema, nodes
from strawberry.schema.config import StrawberryConfig

from api.execution.documents import RULES
from api.schema import schema as gatehouse
from api.schema.error_types import EXCEPTION_HANDLERS
from api.schema.scalars import SCALARS as SCALARS_OF_GATEHOUSE
from tests.execution import strawberry_torture, torture
from tests.execution.differential import TURNS, compare
from tests.execution.documents import Literal, make_document
from tests.execution.values import Maker

DOCUMENTS = int(os.environ.get("FUZZ", "800"))

# Resolvers that misbehave leave coroutines behind with graphql-core as well, such as those of an iterator
# that fails in the middle.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """Finds here what cancelled documents leave behind; in other tests the warnings would be errors."""
    yield
    gc.collect()


def _gatehouse() -> strawberry.Schema:
    """The whole schema of Gatehouse, with made up values in the place of what its resolvers return.

    Attributes are read as they are in Gatehouse, from objects of its own classes.
    """
    schema = strawberry.Schema(
        gatehouse.Query,
        gatehouse.Mutation,
        exception_handlers=EXCEPTION_HANDLERS,
        config=StrawberryConfig(scalar_map=SCALARS_OF_GATEHOUSE),
    )

    def make_object(type_: GraphQLObjectType, random: Random) -> Any:
        definition = type_.extensions["strawberry-definition"]
        made = object.__new__(definition.origin)
        for name, field in type_.fields.items():
            described = field.extensions["strawberry-definition"]
            # What cannot be made is an attribute that is not there.
            with suppress(Exception):
                if described.base_resolver is None:
                    made.__dict__[described.python_name] = maker.make(
                        field.type, Random(f"{random.random()}{name}")
                    )
        return made

    maker = Maker(schema._schema, make_object, odd=0.4)

    def resolve(source: object, info: Any, **arguments: Any) -> Any:
        info.context.called(info, arguments)
        return maker.make(info.return_type, Random(f"{info.context.seed}{info.path.as_list()}{arguments}"))

    async def resolve_later(source: object, info: Any, **arguments: Any) -> Any:
        await asyncio.sleep(0)
        value = resolve(source, info, **arguments)
        return await value if hasattr(value, "__await__") else value

    for type_ in schema._schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for number, field in enumerate(type_.fields.values()):
                if not getattr(field.resolve, "_is_default", False):
                    field.resolve = resolve_later if number % 2 else resolve
    return schema


class Subject(NamedTuple):
    schema: GraphQLSchema
    executor_class: type[Executor[Any]]
    root_value: Callable[[], object] = lambda: None


def _subjects() -> dict[str, Subject]:
    ours, theirs = _gatehouse(), strawberry_torture.SCHEMA
    return {
        "gatehouse": Subject(ours._schema, ours.execution_context_class),
        "torture": Subject(torture.SCHEMA, Executor, lambda: torture.Places("Query", "root")),
        "strawberry": Subject(theirs._schema, theirs.execution_context_class, strawberry_torture.Query),
    }


SUBJECTS = _subjects()

SCALARS: dict[str, Literal] = {
    "Odd": lambda random: random.choice([1, "a", [1, 2], {"a": 1}, 13, "fail", True]),
    "DateTime": lambda random: random.choice(["2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "never"]),
    "Date": lambda random: random.choice(["2026-01-31", "never"]),
    "JSON": lambda random: random.choice([{"a": 1}, [], 5, "text"]),
}


def _turned(variables: dict[str, Any]) -> dict[str, Any] | None:
    """The variables of a request whose conditions come out the other way; None if it has none."""
    turned = {name: not value if isinstance(value, bool) else value for name, value in variables.items()}
    return turned if turned != variables else None


class Tally:
    """How often what came of documents; nothing is proven by those that all fail alike."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._counts: Counter[str] = Counter()

    async def compare(
        self, subject: Subject, text: str, variables: dict[str, Any], operation_name: str | None, seed: int
    ) -> None:
        if validate(subject.schema, parse(text), RULES):
            self._counts["not valid"] += 1
            return
        random = Random(text)
        planned, answer = await compare(
            subject.schema,
            text,
            variables,
            operation_name,
            executor_class=subject.executor_class,
            seed=seed,
            root_value=subject.root_value,
            other_variables=_turned(variables),
            # A fourth of them is cancelled in the middle, as when a client disconnects.
            turns=random.randrange(1, 8) if random.random() < 0.25 else TURNS,
        )
        self._counts["compared"] += 1
        if self._counts["compared"] % 100 == 0:
            # Each run is looked through for garbage without what was there before, so nothing else ever is:
            # 25,000 documents and their plans took 7 GB.
            gc.collect()
        self._counts["planned" if planned else "left to graphql-core"] += 1
        self._counts[answer.kind] += 1
        self._counts["with errors"] += bool(answer.errors)
        self._counts["with data"] += answer.kind == "answered" and answer.data != ("NoneType", "None")

    def check(self) -> None:
        """Whether the documents were worth comparing."""
        counts = self._counts
        told = ", ".join(f"{number:,} {what}" for what, number in counts.items())
        sys.stdout.write(f"\n{self._name}: {told}\n")
        assert counts["planned"] > 0.8 * counts["compared"] > 0
        assert counts["with errors"] > 0.1 * counts["compared"]
        # A fifth of a few hundred documents varies by several percent from run to run.

        assert counts["with data"] > 0.1 * counts["compared"]


def _settings(share: float) -> settings:
    return settings(
        max_examples=int(share * DOCUMENTS),
        database=None,
        deadline=None,
        derandomize="FUZZ" not in os.environ,
        # Making up a document takes many random numbers, and some are not valid.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )


@pytest.mark.parametrize(("name", "share"), [("gatehouse", 0.25), ("torture", 0.4), ("strawberry", 0.3)])
def test_documents_with_everything_are_answered_alike(name: str, share: float, is_thorough: bool) -> None:
    """Fragments, conditions, merged fields, variables of all types; some of them are not valid after all."""
    subject, tally = SUBJECTS[name], Tally(name)

    with asyncio.Runner() as runner:

        @_settings(share if is_thorough else share / 10)
        @given(seed=st.integers(0, 2**64))
        def compare_one(seed: int) -> None:
            made = make_document(subject.schema, Random(seed), SCALARS)
            runner.run(tally.compare(subject, made.text, made.variables, made.operation_name, seed))

        compare_one()
    tally.check()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "share"), [("gatehouse", 0.1), ("torture", 0.1), ("strawberry", 0.1)])
def test_documents_of_hypothesis_graphql_are_answered_alike(
    name: str, share: float, is_thorough: bool
) -> None:
    subject, tally = SUBJECTS[name], Tally(f"{name}, by hypothesis-graphql")
    scalars = {
        scalar: st.sampled_from([make(Random(number)) for number in range(5)]).map(_as_node)
        for scalar, make in SCALARS.items()
    }
    scalars |= {scalar: st.just(nodes.String("1.5")) for scalar in ("UUID", "Decimal")}

    with asyncio.Runner() as runner:

        @_settings(share if is_thorough else share / 10)
        @given(
            text=from_schema(print_schema(subject.schema), custom_scalars=scalars), seed=st.integers(0, 99)
        )
        def compare_one(text: str, seed: int) -> None:
            runner.run(tally.compare(subject, text, {}, None, seed))

        compare_one()
    tally.check()


def _as_node(value: object) -> Any:
    return nodes.String(value) if isinstance(value, str) else nodes.Int(7)
