"""A schema whose resolvers do everything that resolvers can do, and more often than not what they should not.

What one does depends on the seed of the request and on the place alone, so that two runs see the same.
"""

import asyncio
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    build_schema,
    value_from_ast_untyped,
)

from tests.execution.values import Maker, fail

SDL = """
scalar Odd
enum Color { RED GREEN BLUE }
input Point { x: Int! = 1 y: Int = 2 label: String color: Color = GREEN }
input Deep { point: Point points: [Point!] deep: Deep odd: Odd names: [[String]!] = [["a"], []] }
input Either @oneOf { name: String number: Int point: Point }
interface Named { name: String! }
interface Node implements Named { id: ID! name: String! next: Node }
type Dog implements Node & Named {
  id: ID! name: String! next: Node barks: Boolean! age: Int weight: Float
  friends(first: Int = 2, colors: [Color!]): [Node!]!
}
type Cat implements Node & Named {
  id: ID! name: String! next: Node lives: Int! color: Color colors: [Color!] owner: Person
}
type Person implements Named {
  name: String! pets: [Pet!] matrix: [[Int!]!] odd: Odd odds: [Odd] best: Pet boss: Person!
}
union Pet = Dog | Cat
union Anything = Dog | Cat | Person
type Query {
  int(value: Int): Int
  float(value: Float = 1.5): Float!
  text(value: String = "x", id: ID): String
  flag(value: Boolean!): Boolean
  color(value: Color = RED): Color!
  odd(value: Odd): Odd
  point(value: Point! = {x: 3}): String
  deep(value: Deep, either: Either, list: [Int!] = [1, 2], matrix: [[Color]!]): String!
  node(id: ID!): Node
  named: Named!
  nodes(first: Int! = 3): [Node]!
  pet: Pet
  pets: [Pet!]
  anything: [Anything!]!
  matrix: [[[Int!]!]]
  person: Person
  boss: Person!
  later: Later
}
type Later { one: String! two: Int three: [Later!] four: Later! }
type Mutation {
  add(point: Point, times: Int = 2): Int! change(color: Color): Person fail: String! named: Named
}
"""


class Places(Mapping[str, Any]):
    """An object that has any field, as a mapping; what it has depends on its place."""

    def __init__(self, typename: str, seed: str) -> None:
        self.typename = typename
        self.seed = seed

    def __getitem__(self, name: str) -> Any:
        if name == "__typename":
            return self.typename
        field = SCHEMA.type_map[self.typename].fields.get(name)  # pyright: ignore[reportAttributeAccessIssue]
        if field is None:
            raise KeyError(name)
        random = Random(f"{self.seed}.{name}")
        value = MAKER.make(field.type, random)
        return (lambda _info, **_arguments: value) if random.random() < 0.1 else value

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Thing:
    """The same, as an object with attributes."""

    def __init__(self, typename: str, seed: str) -> None:
        self._places = Places(typename, seed)
        self.typename = typename

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._places[name]
        except KeyError:
            raise AttributeError(name) from None

    def __str__(self) -> str:
        return f"{self.typename}"


def _resolve(source: Any, info: Any, **arguments: Any) -> Any:
    info.context.called(info, arguments)
    return MAKER.make(info.return_type, Random(f"{info.context.seed}{info.path.as_list()}{arguments}"))


async def _resolve_later(source: Any, info: Any, **arguments: Any) -> Any:
    await asyncio.sleep(0)
    return await _settled(_resolve(source, info, **arguments))


async def _settled(value: Any) -> Any:
    return await value if hasattr(value, "__await__") else value


def _resolve_type(value: Any, info: Any, _type: Any) -> Any:
    name = getattr(value, "typename", None)
    random = Random(f"{info.context.seed}{name}{info.path.as_list()}")
    chance = random.random()
    if chance < 0.04:
        return random.choice([None, "Nobody", "Odd", "Query", "Later", 5])
    if chance < 0.06:
        fail(random)
    return _settled_name(name) if chance < 0.3 else name


async def _settled_name(name: Any) -> Any:
    await asyncio.sleep(0)
    return name


def _is_type_of(name: str) -> Any:
    def is_type_of(value: Any, info: Any) -> Any:
        belongs = getattr(value, "typename", name) == name
        chance = Random(f"{info.context.seed}{name}{info.path.as_list()}").random()
        if chance < 0.03:
            raise ValueError("cannot tell")
        return _settled_name(belongs) if chance < 0.2 else belongs

    return is_type_of


def _serialize_odd(value: Any) -> Any:
    match value:
        case "none":
            return None
        case "undefined":
            return Undefined
        case "fail":
            raise ValueError("odd cannot represent that")
        case "later":
            return _settled_name("came later")
        case _:
            return value


def _parse_odd(value: Any) -> Any:
    if value in ("fail", 13):
        raise GraphQLError("Odd takes no such thing")
    return {"odd": value}


def _build() -> GraphQLSchema:
    schema = build_schema(SDL)
    color: Any = schema.type_map["Color"]
    values = {"RED": "red", "GREEN": "green", "BLUE": ["blue"]}
    for name, value in color.values.items():
        value.value = values[name]
    color.__dict__.pop("_value_lookup", None)
    odd: Any = schema.type_map["Odd"]
    odd.serialize = odd.coerce_output_value = _serialize_odd
    odd.parse_value = odd.coerce_input_value = _parse_odd
    odd.parse_literal = lambda node, variables=None: _parse_odd(value_from_ast_untyped(node, variables))
    point: Any = schema.type_map["Point"]
    point.fields["label"].out_name = "caption"
    point.out_type = lambda values: {**values, "is": "point"}
    for number, type_ in enumerate(schema.type_map.values()):
        if type_.name.startswith("__"):
            continue
        if isinstance(type_, GraphQLObjectType):
            for place, field in enumerate(type_.fields.values()):
                # Roots and half of the others have resolvers of their own; graphql-core reads the rest.
                if type_.name in ("Query", "Mutation") or (number + place) % 2:
                    field.resolve = _resolve_later if (number + place) % 3 == 0 else _resolve
            if type_.name in ("Dog", "Cat", "Later"):
                type_.is_type_of = _is_type_of(type_.name)
        elif isinstance(type_, GraphQLInterfaceType) or type_.name == "Anything":
            # Of Pet the members tell, or what the value says of itself.
            assert isinstance(type_, GraphQLInterfaceType | GraphQLUnionType)
            type_.resolve_type = _resolve_type
        elif isinstance(type_, GraphQLInputObjectType) and type_.name == "Deep":
            type_.fields["names"].out_name = "called"
    return schema


SCHEMA = _build()

ODD = {"Odd": [1, 2, 3, "none", "undefined", "fail", "later", [1], {"a": [1]}]}

MAKER = Maker(
    SCHEMA,
    lambda type_, random: random.choice([Places, Thing])(type_.name, f"{random.random()}"),
    scalars=ODD,
)
