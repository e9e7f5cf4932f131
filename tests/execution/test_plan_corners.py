"""Corners of execution, each run by its plan and by graphql-core, and compared in all that can be seen."""

import asyncio
import collections
import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any, NoReturn

import pytest
from graphql import GraphQLError, Undefined, build_schema

from tests.execution.differential import TURNS, compare

# Some leave coroutines behind with graphql-core as well; `compare` sees that a plan leaves no more.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SCHEMA = build_schema(
    """
    interface B { n: String! }
    type D implements B { n: String! x: Int b: B l: [D!] }
    type E implements B { n: String! y: Int }
    union U = D | E
    input I { a: Int! = 1 b: [I!] c: String  d: I } input O @oneOf { a: Int b: String }
    type Query { a: Int b: Int! s: String! d: D dd: D! l: [Int] ll: [Int!]! ld: [D] ldd: [D!]! u: U ul: [U!]
      f(i: I, o: O, l: [[Int]], n: Int! = 3, id: ID, fl: Float): String }
    type Mutation { a: Int b: Int! d: D }
    """
)


def _told(_source: object, info: Any, **arguments: object) -> str:
    info.context.called(info, arguments)
    return repr(arguments)


SCHEMA.type_map["Query"].fields["f"].resolve = _told  # pyright: ignore[reportAttributeAccessIssue]


async def later(value: Any, turns: int = 1) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    if isinstance(value, BaseException):
        raise value
    return value


class Awaitable:
    def __init__(self, value: object) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, object]:
        yield from asyncio.sleep(0).__await__()
        return self.value


@types.coroutine
def old_coroutine(value: object) -> Generator[None, None, object]:
    yield
    return value


def future(value: object) -> asyncio.Future[object]:
    made: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    made.set_result(value)
    return made


async def generate(*values: Any) -> AsyncIterator[Any]:
    for value in values:
        if isinstance(value, BaseException):
            raise value
        if value is ...:
            await asyncio.Event().wait()
        yield value


class Iterate:
    """An asynchronous iterator that cannot be closed."""

    def __init__(self, *values: Any) -> None:
        self.values = iter(values)

    def __aiter__(self) -> "Iterate":
        return self

    async def __anext__(self) -> Any:
        for value in self.values:
            if isinstance(value, BaseException):
                raise value
            return value
        raise StopAsyncIteration


class BadAsyncIterable:
    def __aiter__(self) -> NoReturn:
        raise ValueError("cannot begin")


class BadIterable:
    def __iter__(self) -> NoReturn:
        raise ValueError("cannot begin")


class BothIterable:
    def __iter__(self) -> Iterator[int]:
        return iter([1, 2])

    def __aiter__(self) -> Iterate:
        return Iterate(3, 4)


class Text(str):
    pass


class Properties:
    @property
    def n(self) -> str:
        raise AttributeError("within")

    @property
    def x(self) -> int:
        raise StopIteration("x")


class Methods:
    def n(self, info: object) -> str:
        return "a method"

    async def x(self, info: object) -> int:
        return 4

    def b(self) -> int:
        return 1


class Thing:
    n = "k"


# A name within the class body would be mangled.
setattr(Thing, "__typename", "D")


def failing(error: BaseException) -> Callable[[object], NoReturn]:
    def fail(_info: object) -> NoReturn:
        raise error

    return fail


def looped() -> object:
    thing: dict[str, Any] = {"n": "x", "__typename": "D"}
    thing["b"] = thing
    return {"d": thing}


SAME = GraphQLError("same")
SAME_VALUE = ValueError("same value")
BIG = "{ " + " ".join(f"a{number}: a" for number in range(300)) + " }"
DEEP = "{ d " + "{ b { ... on D " * 40 + "{ n }" + " } }" * 40 + " }"

CASES: dict[str, tuple[str, Callable[[], Any]]] = {
    "future": ("{ a s }", lambda: {"a": future(3), "s": future("x")}),
    "awaitable objects": ("{ a s }", lambda: {"a": Awaitable(3), "s": Awaitable("x")}),
    "coroutines of old": ("{ a s }", lambda: {"a": old_coroutine(3), "s": old_coroutine("x")}),
    "items that are awaited": (
        "{ l ll }",
        lambda: {
            "l": [later(1), Awaitable(2), future(None), later(ValueError("q"))],
            "ll": (later(1), Awaitable(2)),
        },
    ),
    "a list that fails later": (
        "{ a ll l}",
        lambda: {
            "a": later(1, 5),
            "ll": [later(1, 3), later(None, 1), later(ValueError(), 2)],
            "l": [later(1, 9)],
        },
    ),
    "a list that fails at once": (
        "{ a ll l}",
        lambda: {"a": later(1, 5), "ll": [later(1, 3), None, later(3)], "l": [later(1, 9)]},
    ),
    "a generator that fails": ("{ ll }", lambda: {"ll": (x for x in [later(1), None, later(3)])}),
    "an awaitable of an awaitable": ("{ a }", lambda: {"a": later(later(3))}),
    "exceptions as values": (
        "{ a l }",
        lambda: {"a": later(Undefined), "l": [ValueError("inst"), later(3), GraphQLError("g", path=["z"])]},
    ),
    "async gen": ("{ l ll }", lambda: {"l": generate(1, later(2), None), "ll": generate(1, 2)}),
    "async gen fail": ("{ l }", lambda: {"l": generate(1, later(2), ValueError("ag"))}),
    "async gen null": ("{ a ll }", lambda: {"ll": generate(1, later(2), None, later(3)), "a": later(1)}),
    "iterators without aclose": (
        "{ l ll}",
        lambda: {"l": Iterate(1, ValueError("AI")), "ll": Iterate(1, None, 2)},
    ),
    "an iterable that cannot begin later": ("{ l a}", lambda: {"l": BadAsyncIterable(), "a": 1}),
    "an iterable that cannot begin": ("{ l a}", lambda: {"l": BadIterable(), "a": 1}),
    "iterable both ways": ("{ l }", lambda: {"l": BothIterable()}),
    "deque set frozenset": ("{ l ll}", lambda: {"l": collections.deque([1, 2]), "ll": frozenset([1])}),
    "bytes, dict, str": ("{ l ll}", lambda: {"l": b"ab", "ll": {"a": 1}}),
    "one GraphQLError in many places": (
        "{ a l s x: s }",
        lambda: {"a": failing(SAME), "s": failing(SAME), "l": [SAME, SAME]},
    ),
    "one exception in many places": (
        "{ a x: a l d { x n } }",
        lambda: {
            "a": failing(SAME_VALUE),
            "l": [SAME_VALUE, SAME_VALUE],
            "d": {"x": failing(SAME_VALUE), "n": failing(SAME_VALUE)},
        },
    ),
    "StopIteration": (
        "{ a l d { x n } }",
        lambda: {"a": failing(StopIteration(1)), "l": failing(StopAsyncIteration()), "d": Properties()},
    ),
    "StopAsyncIteration": (
        "{ a l }",
        lambda: {"a": lambda _info: later(StopAsyncIteration()), "l": [later(StopAsyncIteration("x"))]},
    ),
    "cancelled raised": ("{ a l s }", lambda: {"a": failing(asyncio.CancelledError()), "s": "x"}),
    "cancelled raised later": (
        "{ a l s }",
        lambda: {"a": later(asyncio.CancelledError()), "s": later("x", 5)},
    ),
    "cancelled in list": (
        "{ a l s }",
        lambda: {"l": [later(1, 4), later(asyncio.CancelledError())], "s": later("x", 5)},
    ),
    "timeout raised": ("{ a l s }", lambda: {"a": failing(TimeoutError()), "s": "x"}),
    "methods": ("{ d { n x b { n } } }", lambda: {"d": Methods()}),
    "str subclass": (
        "{ s d { n } u { ... on D { n } } }",
        lambda: {"s": Text("q"), "d": {"n": Text("w")}, "u": {"__typename": Text("D"), "n": "k"}},
    ),
    "typename attr": ("{ u { __typename ... on D { n } } }", lambda: {"u": Thing()}),
    "typename class": (
        "{ u { __typename ... on D { n } } ul {__typename} }",
        lambda: {"u": Thing(), "ul": [{"__typename": "E"}, {"__typename": later("D")}]},
    ),
    "many fields": (BIG, lambda: {"a": failing(ValueError("x"))}),
    "deep": (DEEP, looped),
    "non-null pending siblings": (
        "{ dd { n x l { n } } s a }",
        lambda: {"dd": {"n": None, "x": later(1)}, "s": later("x"), "a": later(2)},
    ),
    "non-null pending siblings2": (
        "{ d { x n l { n } } s a }",
        lambda: {
            "d": {"n": later(None), "x": later(1, 5), "l": [{"n": later("x", 3)}, {"n": later(None, 2)}]},
            "s": later("x"),
            "a": later(ValueError("a"), 3),
        },
    ),
    "two root failures": (
        "{ b s dd { n } ll }",
        lambda: {
            "b": later(None, 3),
            "s": later(None, 2),
            "dd": later(ValueError("dd"), 2),
            "ll": [later(None, 1)],
        },
    ),
    "nested error order": (
        "{ a d { x l { n x } } l x: d { x n } }",
        lambda: {
            "a": later(ValueError("1"), 3),
            "d": later(
                {
                    "x": failing(ValueError("2")),
                    "n": "x",
                    "l": [{"n": later("x"), "x": later(ValueError("3"), 2)}, {"n": "z", "x": "bad"}],
                },
                1,
            ),
            "l": [later("bad", 2), "bad2"],
        },
    ),
    "mutation": (
        "mutation { a d { x n } x: a b y: a }",
        lambda: {
            "a": lambda _info: later(ValueError("m"), 2),
            "b": lambda _info: later(None, 1),
            "d": lambda _info: {"x": later(1, 3), "n": later("x", 2)},
        },
    ),
    "mutation sync b": ("mutation { b y: a }", lambda: {"b": None, "a": lambda _info: later(1)}),
    "never": (
        "{ a l ll }",
        lambda: {"a": lambda _info: asyncio.Event().wait(), "ll": generate(1, ...), "l": later(None)},
    ),
    "never with failing sibling": (
        "{ a b ll }",
        lambda: {
            "a": lambda _info: asyncio.Event().wait(),
            "b": later(None, 3),
            "ll": [asyncio.Event().wait()],
        },
    ),
    "never sync sibling": ("{ a ll b }", lambda: {"a": asyncio.Event().wait(), "b": None, "ll": [later(1)]}),
    "dict order merged": (
        "{ d { n } ...A d { x n } } fragment A on Query { d { l { n } x } a }",
        lambda: {"a": 1, "d": {"n": "a", "x": 1, "l": [{"n": "q"}]}},
    ),
    "nan": ("{ a l }", lambda: {"a": float("nan"), "l": [float("inf"), 1e10, "", True, 10**400, -0.0]}),
    "mapping": ("{ d { n x } }", lambda: {"d": types.MappingProxyType({"n": "q", "x": 3})}),
    "unhashable typename": ("{ u { __typename } }", lambda: {"u": {"__typename": ["D"]}}),
    "typename none later": (
        "{ u { __typename } ul { __typename } }",
        lambda: {"u": {"__typename": ""}, "ul": [{"__typename": "D"}, {"__typename": "Nope"}]},
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("turns", [TURNS, 1, 2, 3, 4], ids=lambda turns: f"{turns} turns")
async def test_whatever_resolvers_return_is_answered_alike(case: str, turns: int) -> None:
    """To the end, and cancelled in the middle."""
    text, root_value = CASES[case]

    planned, _ = await compare(SCHEMA, text, root_value=root_value, turns=turns)

    assert planned


async def test_a_value_that_cannot_be_asked_whether_it_is_awaitable_fails_its_field_alone() -> None:
    class Closed:
        def __getattr__(self, name: str) -> NoReturn:
            raise ValueError(name)

    schema = build_schema("scalar Any type Query { a: Any b: Any }")
    any_type: Any = schema.type_map["Any"]
    any_type.coerce_output_value = any_type.serialize = lambda _value: Closed()

    planned, answer = await compare(schema, "{ a b }", root_value=lambda: {"a": 1})

    assert planned
    assert len(answer.errors) > 1


VARIABLES: list[tuple[str, dict[str, Any] | None]] = [
    ("query($l:[[Int]]){f(l:$l)}", {"l": [["x"] * 60]}),
    ("query($l:[[Int]]){f(l:$l)}", {"l": 5}),
    ("query($l:[[Int]]){f(l:$l)}", {"l": [1, [2], None]}),
    ("query($l:[[Int]]){f(l:$l)}", {"l": (1, 2)}),
    ("query($i:I){f(i:$i)}", {"i": {"b": {"a": 2}}}),
    ("query($i:I){f(i:$i)}", {"i": {"b": [{"d": {"d": {"a": None}}}]}}),
    ("query($i:I){f(i:$i)}", {"i": {"c": 5, "z": 1, "d": []}}),
    ("query($i:I){f(i:$i)}", {"i": types.MappingProxyType({"a": 1})}),
    ('query($i:I={b:[{}],d:{c:"x"}}){f(i:$i)}', {}),
    ('query($i:I={b:[{}],d:{c:"x"}}){f(i:$i)}', {"i": None}),
    ("query($o:O){f(o:$o)}", {"o": {}}),
    ("query($o:O){f(o:$o)}", {"o": {"a": None}}),
    ("query($o:O){f(o:$o)}", {"o": {"a": 1, "b": None}}),
    ("query($o:O){f(o:$o)}", {"o": {"z": 1}}),
    ("query($a:Int!){f(o:{a:$a})}", {"a": 1}),
    ("query($a:Int){f(i:{a:1,c:null},n:2) a:f(l:[$a,[$a]])}", {}),
    ("query($a:Int){f(l:[$a,[$a]])}", {"a": None}),
    ("query($id:ID){f(id:$id)}", {"id": 5}),
    ("query($id:ID){f(id:$id)}", {"id": 5.0}),
    ("query($id:ID){f(id:$id)}", {"id": True}),
    ("query($id:ID){f(id:$id)}", {"id": 10**30}),
    ("query($fl:Float){f(fl:$fl)}", {"fl": 1}),
    ("query($fl:Float){f(fl:$fl)}", {"fl": "1"}),
    ("query($fl:Float){f(fl:$fl)}", {"fl": True}),
    ("query($fl:Float){f(fl:$fl)}", {"fl": float("nan")}),
    ("query($fl:Float){f(fl:$fl)}", {"fl": 10**400}),
    ("query($n:Int=4){f(n:$n)}", {"n": None}),
    ("query($n:Int=4){f(n:$n)}", {"n": 1.0}),
    ("query($n:Int=4){f(n:$n)}", {"n": 1.5, "zz": 3}),
    ("query($n:Int){f(n:$n)}", {"n": False}),
    ("query($n:Int!){f(n:$n)}", None),
    (
        "query($a:Int!,$b:[Int!]!,$c:I!,$n:Int!){f(n:$n,l:[[$a]],i:$c) x:f(l:[$b])}",
        {"a": "q", "b": [None, "w"], "c": {"a": "x", "q": 1}},
    ),
    ("query($n:Int!=5){f(n:$n)}", {"n": None}),
    ("query($n:Int!=5){f(n:$n)}", {}),
    ("query($d:I){f(i:{d:$d,b:[$d]})}", {}),
    ("query($d:I!){f(i:{d:$d,b:[$d]})}", {"d": {"a": 7}}),
    ("query($y:Boolean=true){a @include(if:$y) s @skip(if:$y)}", {"y": None}),
    ("query($y:Boolean=true){f ... @include(if:$y) {a}}", {}),
    ("query($y:Boolean!){f ... @include(if:$y) {a}}", {"y": 1}),
]


@pytest.mark.parametrize("hide_suggestions", [True, False], ids=["without suggestions", "with suggestions"])
@pytest.mark.parametrize(("text", "variables"), VARIABLES)
async def test_whatever_variables_are_given_is_answered_alike(
    text: str, variables: dict[str, Any] | None, *, hide_suggestions: bool
) -> None:
    planned, _ = await compare(
        SCHEMA,
        text,
        variables,
        hide_suggestions=hide_suggestions,
        root_value=lambda: {"a": 1, "s": "x"},
    )

    assert planned
