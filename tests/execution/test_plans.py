"""Execution plans, case by case: what section 6 of the GraphQL specification says, and what plans are for.

Each case is run by graphql-core's interpreter as well, and compared in all that can be seen.
"""

import functools
import gc
import weakref
from random import Random
from typing import Any

import pytest
import strawberry
from graphql import ExecutionResult, build_schema, parse
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from api.execution import variables
from api.execution.compiler import MAX_FIELDS, SelectionCache
from api.execution.plans import make_plan
from tests.execution import strawberry_torture
from tests.execution.creatures import ANA, REX, SCHEMA, answer, awaited, plan_for
from tests.execution.differential import Seen, compare

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("text", "operation", "data"),
    [
        ("{ number }", None, {"number": 1}),
        ("query A { number } query B { enumerated }", "B", {"enumerated": "RED"}),
        ("query A { number } mutation M { first }", "M", {"first": 2}),
    ],
    ids=["alone", "by name", "a mutation by name"],
)
async def test_6_1_the_operation_is_the_one_that_is_asked_for(
    text: str, operation: str | None, data: Any
) -> None:
    assert await answer(text, {"number": 1, "enumerated": "RED", "first": 2}, operation=operation) == (
        data,
        [],
    )


@pytest.mark.parametrize(
    ("text", "variables", "says"),
    [
        ("query($a: Int!) { required(a: $a) }", {}, "non-null type 'Int!' to be provided"),
        ("query($a: Int!) { required(a: $a) }", {"a": None}, "non-null type 'Int!' not to be None"),
        ("query($a: Int!) { required(a: $a) }", {"a": "x"}, "Int cannot represent non-integer value: 'x'"),
        ("query($a: Int!) { required(a: $a) }", {"a": 2**31}, "Int cannot represent non 32-bit"),
        ("query($s: Size) { field(size: $s) }", {"s": {"depth": 1}}, "depth"),
        ("query($s: Size) { field(size: $s) }", {"s": {"width": None}}, "to be None"),
        ("query($e: Either) { field(either: $e) }", {"e": {"name": "a", "number": 1}}, "exactly one"),
        ("query($l: [Int!]) { field(list: $l) }", {"l": [1, None]}, "to be None"),
    ],
)
async def test_6_1_2_variables_that_do_not_coerce_keep_the_operation_from_being_executed(
    text: str, variables: dict[str, Any], says: str
) -> None:
    data, errors = await answer(text, variables=variables)

    assert data is None
    assert len(errors) == 1
    assert says in errors[0]


@pytest.mark.parametrize(
    ("text", "variables", "told"),
    [
        # The table of section 6.4.1: literals and variables, given or not, with and without a default.
        ("{ field }", {}, "b=7"),
        ("{ field(a: 3) }", {}, "a=3, b=7"),
        ("{ field(a: null) }", {}, "a=None, b=7"),
        ("query($a: Int) { field(a: $a) }", {}, "b=7"),
        ("query($a: Int) { field(a: $a) }", {"a": None}, "a=None, b=7"),
        ("query($a: Int) { field(a: $a) }", {"a": 3}, "a=3, b=7"),
        ("query($a: Int = 5) { field(a: $a) }", {}, "a=5, b=7"),
        ("query($a: Int = 5) { field(a: $a) }", {"a": None}, "a=None, b=7"),
        ("query($b: Int) { field(b: $b) }", {}, "b=7"),
        ("query($b: Int! = 6) { field(b: $b) }", {}, "b=6"),
        ("query($l: [Int!]) { field(list: $l) }", {"l": 4}, "b=7, list=[4]"),
        ("{ field(list: 4) }", {}, "b=7, list=[4]"),
        ("query($i: Int!) { field(list: [1, $i]) }", {"i": 2}, "b=7, list=[1, 2]"),
        ("{ field(size: {}) }", {}, "b=7, size={'width': 1}"),
        ("query($w: Int = 9) { field(size: {width: $w, height: null}) }", {},
         "b=7, size={'width': 9, 'height': None}"),
        ("query($h: Int) { field(size: {height: $h}) }", {}, "b=7, size={'width': 1}"),
        ("query($s: Size) { field(size: $s) }", {"s": {"height": 2}}, "b=7, size={'width': 1, 'height': 2}"),
        ("query($e: Either) { field(either: $e) }", {"e": {"number": 1}}, "b=7, either={'number': 1}"),
        ("query($n: String!) { field(either: {name: $n}) }", {"n": "x"}, "b=7, either={'name': 'x'}"),
    ],
)  # fmt: skip
async def test_6_4_1_arguments_are_coerced(text: str, variables: dict[str, Any], told: str) -> None:
    assert await answer(text, variables=variables) == ({"field": told}, [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("query($b: Int = 6) { field(b: $b) }", "Argument 'b'"),
        ("query($a: Int = 6) { required(a: $a) }", "Argument 'a'"),
    ],
)
async def test_6_4_1_null_in_a_variable_with_a_default_fails_the_field_that_cannot_be_null(
    text: str, says: str
) -> None:
    (name,) = parse(text).definitions[0].variable_definitions  # pyright: ignore[reportAttributeAccessIssue]

    data, errors = await answer(text, variables={name.variable.name.value: None})

    assert list(data.values()) == [None]
    assert says in errors[0]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("{ enumerated number a: number }", {"enumerated": "RED", "number": 1, "a": 1}),
        ("{ number ...F enumerated } fragment F on Query { enumerated number }",
         {"number": 1, "enumerated": "RED"}),
        ("{ human { name } human { age } }", {"human": {"name": "Ana", "age": 33}}),
        ("{ human { name } ... { human { ...F } } } fragment F on Human { age name }",
         {"human": {"name": "Ana", "age": 33}}),
        ("{ human { friends { name } } human { friends { __typename } } }",
         {"human": {"friends": [{"name": "Luz", "__typename": "Human"}, None]}}),
        ("{ being { ... on Dog { barks } ... on Human { age } name } }",
         {"being": {"age": 33, "name": "Ana"}}),
        ("{ creature { __typename ... on Being { name } ... on Human { a: age } } }",
         {"creature": {"__typename": "Human", "name": "Ana", "a": 33}}),
        ("{ __typename number @skip(if: true) @include(if: true) a: number @skip(if: false) }",
         {"__typename": "Query", "a": 1}),
        ("{ number @include(if: false) }", {}),
    ],
    ids=[
        "in order", "the first place counts", "merged", "merged through fragments", "merged below lists",
        "by runtime type", "union", "constant conditions", "nothing is left",
    ],
)  # fmt: skip
async def test_6_3_2_fields_are_collected(text: str, data: Any) -> None:
    root = {"number": 1, "enumerated": "RED", "human": ANA, "being": ANA, "creature": ANA}

    got, errors = await answer(text, root)

    assert errors == []
    assert str(got) == str(data), "the order of the keys is part of the answer"


@pytest.mark.parametrize("yes", [True, False])
async def test_conditions_are_those_of_each_request(yes: bool) -> None:
    text = """query($yes: Boolean!, $also: Boolean = true) {
      number @include(if: $yes) human @skip(if: $yes) { name ...F @include(if: $also) }
    } fragment F on Human { age @skip(if: $also) friends @include(if: $also) { name } }"""

    data, errors = await answer(text, {"number": 1, "human": ANA}, {"yes": yes})

    assert errors == []
    assert list(data) == (["number"] if yes else ["human"])


async def test_one_plan_serves_requests_whose_conditions_differ() -> None:
    plan = plan_for("query($a: Boolean!, $b: Boolean!) { number @include(if: $a) enumerated @skip(if: $b) }")

    for a in (True, False, True):
        for b in (True, False, True):
            result = plan.run(None, {"a": a, "b": b}, root_value={"number": 1, "enumerated": "RED"})
            assert isinstance(result, ExecutionResult)
            assert result.data == {**({"number": 1} if a else {}), **({} if b else {"enumerated": "RED"})}


async def test_a_condition_that_is_null_after_all_fails_where_it_stands() -> None:
    at_the_root = "query($a: Boolean = true) { number @include(if: $a) }"
    below = "query($a: Boolean = true) { number human { name @skip(if: $a) } }"

    assert (await answer(at_the_root, {"number": 1}, {"a": None}))[0] is None
    data, errors = await answer(below, {"number": 1, "human": ANA}, {"a": None})
    assert data == {"number": 1, "human": None}
    assert len(errors) == 1


@pytest.mark.parametrize(
    ("field", "value", "data", "errors"),
    [
        ("number", None, None, []),
        ("number", "12", 12, []),
        ("number", 3.0, 3, []),
        ("number", True, 1, []),
        ("number", 2**31, None,
         ["Int cannot represent non 32-bit signed integer value: 2147483648 @ number"]),
        ("number", ValueError("broken"), None, ["broken @ number"]),
        ("enumerated", "BLUE", None, ["Enum 'Color' cannot represent value: 'BLUE' @ enumerated"]),
        ("matrix", [[1], None, (2, 3)], [[1], None, [2, 3]], []),
        ("matrix", [[1, None], [2]], [None, [2]],
         ["Cannot return null for non-nullable field Query.matrix. @ matrix.0.1"]),
        ("matrix", "text", None,
         ["Expected Iterable, but did not find one for field 'Query.matrix'. @ matrix"]),
        ("matrix", {"a": 1}, None,
         ["Expected Iterable, but did not find one for field 'Query.matrix'. @ matrix"]),
        ("matrix", (part for part in ([1], [2])), [[1], [2]], []),
    ],
)  # fmt: skip
async def test_6_4_3_values_are_completed(field: str, value: Any, data: Any, errors: list[str]) -> None:
    plan = plan_for(f"{{ {field} }}")

    result = plan.run(Seen(), root_value={field: value})

    assert isinstance(result, ExecutionResult)
    assert result.data == {field: data}
    told = [f"{error.message} @ {'.'.join(map(str, error.path or ()))}" for error in result.errors or ()]
    assert told == errors
    if not hasattr(value, "send"):
        await compare(SCHEMA, f"{{ {field} }}", root_value=lambda: {field: value})


@pytest.mark.parametrize(
    ("being", "says"),
    [
        ({"name": "x"}, "must resolve to an Object type at runtime"),
        ({"__typename": "Nobody"}, "'Nobody' that does not exist inside the schema"),
        ({"__typename": "Creature"}, "resolved to a non-object type 'Creature'"),
        ({"__typename": "Query"}, "'Query' is not a possible type for 'Being'"),
    ],
)
async def test_6_4_3_a_type_that_cannot_be_told_is_an_error_of_the_field(being: Any, says: str) -> None:
    data, errors = await answer("{ being { name } number }", {"being": being, "number": 1})

    assert data == {"being": None, "number": 1}
    assert says in errors[0]


@pytest.mark.parametrize(
    ("text", "root", "data", "errors"),
    [
        ("{ human { name } number }", {"human": {"name": None}, "number": 1}, {"human": None, "number": 1},
         ["Cannot return null for non-nullable field Human.name. @ human.name"]),
        ("{ human { strict { strict { name } } } }", {"human": {"strict": {"strict": {}}}}, {"human": None},
         ["Cannot return null for non-nullable field Human.name. @ human.strict.strict.name"]),
        ("{ strict { name } number }", {"strict": {}, "number": 1}, None,
         ["Cannot return null for non-nullable field Human.name. @ strict.name"]),
        ("{ human { friends { name } } }", {"human": {"friends": [{"name": "a"}, {}, {"name": "b"}]}},
         {"human": {"friends": [{"name": "a"}, None, {"name": "b"}]}},
         ["Cannot return null for non-nullable field Human.name. @ human.friends.1.name"]),
        ("{ human { best { name } name } }", {"human": {"best": [REX, None], "name": "Ana"}},
         {"human": {"best": None, "name": "Ana"}},
         ["Cannot return null for non-nullable field Human.best. @ human.best.1"]),
        ("{ human { dogs { name } } }", {"human": {"dogs": [REX, {}]}}, {"human": None},
         ["Cannot return null for non-nullable field Dog.name. @ human.dogs.1.name"]),
        ("{ strictMatrix }", {"strictMatrix": [[1], [None]]}, None,
         ["Cannot return null for non-nullable field Query.strictMatrix. @ strictMatrix.1.0"]),
    ],
    ids=["to the field", "through two", "to the root", "in a list", "to the list", "through it", "matrix"],
)  # fmt: skip
async def test_6_4_4_null_goes_up_to_where_it_may_be(
    text: str, root: Any, data: Any, errors: list[str]
) -> None:
    assert await answer(text, root) == (data, errors)


# What Strawberry puts around a field


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{ guarded { unlucky } }", "you are not lucky"),
        ("{ guarded { loud } }", "QUIET"),
        ("{ guarded { handled { ... on NotToday { message field } } } }", "not this attribute"),
        ("{ guarded { numbers } }", "[1, 2]"),
    ],
    ids=["permissions", "extensions", "handlers of exceptions", "an iterator without an iterator"],
)
async def test_a_field_without_a_resolver_is_more_than_its_attribute(text: str, says: str) -> None:
    """Reading the attribute alone would pass over a permission class on it."""
    schema = strawberry_torture.SCHEMA
    answers = [
        await compare(
            schema._schema,
            text,
            executor_class=schema.execution_context_class,
            seed=seed,
            root_value=strawberry_torture.Query,
        )
        for seed in range(12)
    ]

    assert all(planned for planned, _ in answers)
    plan = make_plan(schema._schema, parse(text), executor_class=schema.execution_context_class)
    assert plan is not None
    told = ""
    for seed in range(12):
        result = await awaited(plan.run(Seen(seed), root_value=strawberry_torture.Query()))
        told += f"{result.data} {result.errors}"
    assert says in told


# What requests share


@pytest.mark.parametrize(
    ("text", "variables", "told"),
    [
        ("{ add(to: [5]) }", {}, "[5]"),
        ("query($to: [Int!] = [5]) { add(to: $to) }", {}, "[5]"),
        ("query($to: [Int!]) { add(to: $to) }", {"to": 5}, "[5]"),
        ("{ add(size: {width: 2}) }", {}, "{'width': 2}"),
        ("query($size: Size = {width: 2}) { add(size: $size) }", {}, "{'width': 2}"),
        ("query($width: Int!) { add(size: {width: $width}) }", {"width": 2}, "{'width': 2}"),
    ],
)
async def test_what_a_resolver_does_to_its_arguments_is_not_seen_by_the_next_request(
    text: str, variables: dict[str, Any], told: str
) -> None:
    schema = build_schema("input Size { width: Int } type Query { add(to: [Int!], size: Size): String }")

    def resolve(_source: object, _info: object, to: Any = None, size: Any = None) -> str:
        told = str(to or size)
        if to:
            to.append(7)
        else:
            size["changed"] = True
        return told

    schema.type_map["Query"].fields["add"].resolve = resolve  # pyright: ignore[reportAttributeAccessIssue]
    plan = make_plan(schema, parse(text))
    assert plan is not None

    for _ in range(3):
        result = plan.run(None, variables)
        assert isinstance(result, ExecutionResult)
        assert result.data == {"add": told}


async def test_no_value_of_a_request_is_kept() -> None:
    """It may be a password, and the plan lives for as long as documents like it come."""

    class Secret:
        pass

    schema = build_schema("scalar Secret type Told { it: String } type Query { tell(secret: Secret): Told }")
    scalar: Any = schema.type_map["Secret"]
    scalar.coerce_input_value = scalar.parse_value = lambda _value: Secret()
    seen: list[weakref.ref[Secret]] = []

    def resolve(_source: object, _info: object, secret: Secret) -> object:
        seen.append(weakref.ref(secret))
        return {"it": "told"}

    schema.type_map["Query"].fields["tell"].resolve = resolve  # pyright: ignore[reportAttributeAccessIssue]
    text = "query($secret: Secret, $yes: Boolean!) { tell(secret: $secret) @include(if: $yes) { it } }"
    plan = make_plan(schema, parse(text))
    assert plan is not None

    result = plan.run(None, {"secret": "s", "yes": True})

    assert isinstance(result, ExecutionResult)
    assert result.data == {"tell": {"it": "told"}}
    gc.collect()
    assert [reference() for reference in seen] == [None]


@pytest.mark.slow
async def test_what_is_kept_of_a_document_is_bounded() -> None:
    """Twelve fragments that each ask twice for the next one come to 8,191 objects."""
    depth = 12
    spread = "".join(
        f" fragment F{n} on Human {{ name a: strict {{ ...F{n + 1} }} b: strict {{ ...F{n + 1} }} }}"
        for n in range(depth)
    )
    text = f"{{ human {{ ...F0 }} }} {spread} fragment F{depth} on Human {{ name }}"
    person: dict[str, Any] = {"name": "Ana"}
    person["strict"] = person
    person |= {"a": person, "b": person}
    kept = SelectionCache()
    plan = make_plan(SCHEMA, parse(text), cache=kept)
    assert plan is not None

    answers = [plan.run(None, root_value={"human": person}) for _ in range(2)]

    assert all(isinstance(each, ExecutionResult) and each.errors is None for each in answers)
    assert str(answers[0]) == str(answers[1])
    assert kept.fields <= MAX_FIELDS


async def test_what_is_kept_of_the_outcomes_of_conditions_is_bounded() -> None:
    """Twenty conditions come out in a million ways, and all but one of these have no fields at all."""
    names = [f"v{number}" for number in range(20)]
    variables = ", ".join(f"${name}: Boolean!" for name in names)
    text = f"query({variables}) {{ {'... @include(if: $%s) { ' * 20 % tuple(names)} __typename {'} ' * 20} }}"
    kept = SelectionCache()
    plan = make_plan(SCHEMA, parse(text), cache=kept)
    assert plan is not None
    random = Random(1)
    kept_before: list[int] = []

    for _ in range(3 * MAX_FIELDS):
        result = plan.run(None, {name: random.random() < 0.9 for name in names})
        assert isinstance(result, ExecutionResult)
        assert result.data in ({}, {"__typename": "Query"})
        kept_before.append(len(plan._roots))

    assert 100 < max(kept_before) <= MAX_FIELDS


async def test_each_input_type_is_compiled_once_however_the_types_refer_to_one_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Followed along every path through them, a dozen that all refer to each other would take for ever."""
    names = [f"I{number}" for number in range(9)]
    fields = " ".join(f"{name.lower()}: {name}" for name in names)
    schema = build_schema(
        " ".join(f"input {name} {{ {fields} }}" for name in names) + " type Query { f(i: I0): String }"
    )
    compiled: list[str] = []
    compile_one = variables._compile_object

    def count(type_: Any, known: Any) -> Any:
        compiled.append(type_.name)
        return compile_one(type_, known)

    monkeypatch.setattr(variables, "_compile_object", count)

    assert make_plan(schema, parse("query($i: I0) { f(i: $i) }")) is not None
    assert sorted(compiled) == names


async def test_what_is_put_around_the_reading_of_an_attribute_is_called() -> None:
    """It may mask what not everybody may see; `functools.wraps` makes it look like what it wraps."""

    @strawberry.type
    class Query:
        hello: str = "hello"

    schema = strawberry.Schema(Query)._schema
    assert schema.query_type is not None
    field = schema.query_type.fields["hello"]
    resolve: Any = field.resolve

    @functools.wraps(resolve)
    def mask(*arguments: Any) -> str:
        return resolve(*arguments).upper()

    field.resolve = mask
    plan = make_plan(schema, parse("{ hello }"), executor_class=StrawberryGraphQLCoreExecutionContext)
    assert plan is not None

    result = plan.run(None, root_value=Query())

    assert isinstance(result, ExecutionResult)
    assert result.data == {"hello": "HELLO"}
