"""Values for a schema, made up: mostly right ones, often ones to be waited for, and at times any other.

What is made depends on the `Random` alone that is given, so that two runs see the same.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    Undefined,
    is_abstract_type,
)
from graphql.type import GraphQLObjectType

from tests.execution.differential import Work

SCALARS: dict[str, list[Any]] = {
    "Int": [0, 1, -5, 2**31 - 1, 2**31, True, 3.0, 3.5, "12", "x", math.nan, Decimal(4)],
    "Float": [0.5, 1, -0.0, math.inf, math.nan, True, "1.5", "", Decimal("2.5")],
    "String": ["a", "", "é\x00", 5, 5.5, True, ["a"], {"a": 1}],
    "Boolean": [True, False, 1, 0, 2.5, "true", math.nan],
    "ID": ["a", "", 5, 5.0, 5.5, True, []],
    "DateTime": [datetime(2026, 1, 31, tzinfo=UTC), datetime(1, 1, 1), "2026", 5],  # noqa: DTZ001
    "JSON": [{"a": [1]}, [], "text", 5, False],
}


class Trouble(Exception):
    """An exception with what graphql-core looks for in those that are not its own."""

    def __init__(self, message: str) -> None:
        super().__init__("not this")
        self.message = message


class Maker:
    """`make_object(type, random)` makes an object that a type's fields can be read from.

    `odd` is how often something is not as it should be: 1 is quite often, 0 never.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        make_object: Callable[[GraphQLObjectType, Random], Any],
        scalars: dict[str, list[Any]] | None = None,
        odd: float = 1,
    ) -> None:
        self.schema = schema
        self._make_object = make_object
        self._scalars = SCALARS | (scalars or {})
        self._odd = odd

    def make(self, type_: Any, random: Random) -> Any:
        """A value for this type, or an awaitable of one; it may raise."""
        if random.random() < 0.3:
            return Work.of(str(type_), self._later(type_, random, turns=random.randrange(4)))
        return self._now(type_, random)

    async def _later(self, type_: Any, random: Random, turns: int) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        if random.random() < 0.002 * self._odd:
            await asyncio.Event().wait()
        return self._now(type_, random)

    def _now(self, type_: Any, random: Random) -> Any:
        chance = random.random() / self._odd if self._odd else 1
        if chance < 0.04:
            fail(random)
        if chance < 0.06:
            return ValueError("returned")
        if chance < 0.11:
            return None
        if chance < 0.12:
            return Undefined
        if isinstance(type_, GraphQLNonNull):
            return self._now(type_.of_type, random)
        if chance < 0.15:
            return random.choice([object, "odd", 7, 7.5, [], {}, True, b"bytes", [[]], {"a": 1}])
        if isinstance(type_, GraphQLList):
            return self._list(type_.of_type, random)
        if isinstance(type_, GraphQLEnumType):
            values = [value.value for value in type_.values.values()]
            return random.choice([*values * 3, "pink", 3])
        if isinstance(type_, GraphQLScalarType):
            return random.choice(self._scalars[type_.name])
        types = self.schema.get_possible_types(type_) if is_abstract_type(type_) else [type_]
        if chance < 0.2:
            types = [other for other in self.schema.type_map.values() if isinstance(other, GraphQLObjectType)]
        return self._make_object(random.choice([*types]), random)

    def _list(self, item: Any, random: Random) -> Any:
        count = random.choice([0, 0, 1, 2, 3])
        items = [self.make(item, Random(f"{random.random()}")) for _ in range(count)]
        match random.randrange(9):
            case 0:
                return tuple(items)
            case 1:
                return _generate(items, random)
            case 2:
                return _generate_later(items, random)
            case 3:
                return dict(enumerate(items)).values()
            case 4 if not items:
                return random.choice(["text", 5, {"a": 1}, range(2)])
            case _:
                return items


def fail(random: Random) -> None:
    """Raise one of the exceptions that resolvers raise."""
    number = random.randrange(100)
    match random.randrange(6):
        case 0:
            raise ValueError(f"value {number}")
        case 1:
            raise GraphQLError(f"told {number}", extensions={"code": number})
        case 2:
            raise Trouble(f"trouble {number}")
        case 3:
            raise GraphQLError(f"elsewhere {number}", path=["else", "where", number])
        case 4:
            raise KeyError(number)
        case _:
            raise RuntimeError


def _generate(items: list[Any], random: Random) -> Iterator[Any]:
    yield from items
    if random.random() < 0.2:
        raise ValueError("no more")


async def _generate_later(items: list[Any], random: Random) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item
    if random.random() < 0.2:
        raise ValueError("no more")
