"""Plans answer what graphql-core's interpreter answers whatever resolvers do, also when they are cancelled.

Each case is run to its end, and cancelled after one, two, three and four turns of the event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

import pytest
from graphql import build_schema

from tests.execution.differential import TURNS, compare, note

# A cancelled executor does not await what it had not begun to await; both ways leave the same behind.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SCHEMA = build_schema(
    """
    interface Named { name: String! named: Named }
    type A implements Named { name: String! named: Named number: Int list: [A!] strict: A! }
    type B implements Named { name: String! named: Named }
    union Either = A | B
    enum Color { RED }
    scalar Any
    type Query {
      a: A strict: A! list: [A] lists: [[A!]]! named: Named all: [Named!]! either: Either
      int: Int float: Float text: String ids: [ID!] flag: Boolean color: Color any: Any anys: [Any!]
    }
    type Mutation { first: Int! second: A third: Int }
    """
)


async def later(value: Any, turns: int = 1) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    return value


def raising(make: Callable[[], BaseException]) -> Callable[..., Any]:
    def resolve(_info: object) -> Any:
        raise make()

    return resolve


def raising_later(make: Callable[[], BaseException]) -> Callable[..., Any]:
    async def resolve(_info: object) -> Any:
        await asyncio.sleep(0)
        raise make()

    return resolve


async def stream(items: list[Any], error: Exception | None = None) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item
    if error is not None:
        raise error


def shared(value: Any) -> asyncio.Future[Any]:
    """One future that several fields wait for, as a data loader's."""
    future = asyncio.get_running_loop().create_future()
    settle = future.set_exception if isinstance(value, Exception) else future.set_result
    asyncio.get_running_loop().call_soon(settle, value)
    return future


class Told(Exception):
    """Has what graphql-core looks for in an exception, and none of it of the right type."""

    message = 5
    path = ("elsewhere",)
    extensions = {"code": 1}  # noqa: RUF012
    nodes = positions = source = None


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class NoTruth:
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")

    def __eq__(self, _other: object) -> bool:
        raise ValueError("not to be compared")


class Word(str):
    pass


class Number(int):
    pass


class Both(list[int]):
    """A list that can be awaited: it is waited for."""

    def __await__(self) -> Generator[Any, Any, list[int]]:
        yield
        return [7]


class Source:
    """Tells when it is closed, as what reads from a database would."""

    def __init__(self, items: list[Any]) -> None:
        self._items = iter(items)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        for item in self._items:
            return item
        raise StopAsyncIteration

    async def aclose(self) -> None:
        note("closed")
        raise ValueError("does not close well")


class ByIndex:
    """Python can go through it, and it is no iterable all the same."""

    def __getitem__(self, index: int) -> int:
        return [1, 2][index]


def same(value: Any, *names: str) -> dict[str, Any]:
    return dict.fromkeys(names, value)


CASES: dict[str, tuple[str, Callable[[], object]]] = {
    "streams of streams": (
        "{ lists { name } }",
        lambda: {"lists": stream([stream([{"name": "1"}]), stream([None]), later([later({"name": "2"})])])},
    ),
    "a stream that is closed in the middle": (
        "{ lists { name } }",
        lambda: {"lists": [Source([{"name": "1"}, None, {"name": "2"}]), Source([{"name": "3"}])]},
    ),
    "iterable by index": ("{ anys }", lambda: {"anys": ByIndex()}),
    "a list to be awaited": ("{ anys }", lambda: {"anys": Both([1])}),
    "cancelled below": (
        "{ a { number strict { name } } float }",
        lambda: {"a": {"number": later(1), "strict": raising(asyncio.CancelledError)}, "float": later(1)},
    ),
    "groups and timeouts": (
        "{ int float text }",
        lambda: {
            "int": raising_later(TimeoutError),
            "float": later(1, 5),
            "text": raising_later(lambda: ExceptionGroup("several", [ValueError("one")])),
        },
    ),
    "exceptions that tell nonsense": (
        "{ int float text }",
        lambda: {"int": raising(Told), "float": raising_later(Mute), "text": raising(Mute)},
    ),
    "a shared future": (
        "{ a { name } named { name } either { ... on A { number } } }",
        lambda: same(shared({"__typename": "A", "name": "a", "number": 1}), "a", "named", "either"),
    ),
    "a shared future that fails": (
        "{ a { name } strict { name } list { name } int }",
        lambda: same(shared(ValueError("for all")), "a", "strict", "list", "int"),
    ),
    "a coroutine awaited twice": ("{ int float }", lambda: same(later(1), "int", "float")),
    "subclasses of what scalars take": (
        "{ text color flag ids int }",
        lambda: {
            "text": Word("x"),
            "color": Word("RED"),
            "flag": Number(1),
            "ids": [Word("a"), Number(4), 5.0],
            "int": Number(4),
        },
    ),
    "neither true nor equal": (
        "{ any a { name } anys }",
        lambda: {"any": NoTruth(), "a": NoTruth(), "anys": [NoTruth()]},
    ),
    "a mutation that is cancelled": (
        "mutation { first second { number } third }",
        lambda: {"first": later(1), "second": raising_later(asyncio.CancelledError), "third": 1},
    ),
    "a mutation of all kinds": (
        "mutation { third first second { number list { name } strict { name } } __typename }",
        lambda: {
            "third": later(1),
            "first": 1,
            "second": later(
                {
                    "number": later(1),
                    "list": [later({"name": later("x", 3)}), later({"name": None})],
                    "strict": later({"name": "y"}),
                }
            ),
        },
    ),
    "null through what waits": (
        "{ all { ... on A { number strict { name } } ... on B { named { name } } } }",
        lambda: {
            "all": [
                {"__typename": "A", "number": 1, "strict": later(None)},
                {"__typename": "B", "named": later(1, 3)},
            ]
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("turns", [TURNS, 1, 2, 3, 4], ids=lambda turns: f"{turns} turns")
async def test_whatever_resolvers_do_the_answer_is_the_same(case: str, turns: int) -> None:
    text, root = CASES[case]

    planned, _ = await compare(SCHEMA, text, root_value=root, turns=turns)

    assert planned
