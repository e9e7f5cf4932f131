"""Documents made up for a schema, with all that documents can have, and variables for them."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

import orjson
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_composite_type,
)


class Made(NamedTuple):
    text: str
    variables: dict[str, Any]
    operation_name: str | None


Literal = Callable[[Random], Any]
"""Makes up a value of a scalar, as JSON has it."""

SCALARS: dict[str, Literal] = {
    "Int": lambda random: random.choice([0, 1, 2, 3, -1, 2**31 - 1]),
    "Float": lambda random: random.choice([0.5, 1, -2.25, 1e10]),
    "String": lambda random: random.choice(["", "a", "ñandú", 'a "quoted" \\ one', "two\nlines"]),
    "Boolean": lambda random: random.random() < 0.5,
    "ID": lambda random: random.choice(["1", "abc", 7]),
}


def make_document(schema: GraphQLSchema, random: Random, scalars: dict[str, Literal] | None = None) -> Made:
    """Mostly a valid one; what overlaps in it may still be in each other's way."""
    writer = _Writer(schema, random, SCALARS | (scalars or {}))
    count = 1 if random.random() < 0.9 else 2
    operations = [writer.operation(f"Op{number}", named=count > 1) for number in range(count)]
    text = "\n".join([*operations, *writer.fragments.values()])
    name = f"Op{random.randrange(count)}" if count > 1 else None
    if random.random() < 0.01:
        name = "Other"
    return Made(text, writer.values, name)


class _Writer:
    def __init__(self, schema: GraphQLSchema, random: Random, scalars: dict[str, Literal]) -> None:
        self.schema = schema
        self.random = random
        self.scalars = scalars
        self.fragments: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self._conditions: dict[str, GraphQLNamedType] = {}
        self._definitions: dict[str, str] = {}
        self._within: list[str] = []
        self._count = 0

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def number(self) -> int:
        self._count += 1
        return self._count

    def operation(self, name: str, *, named: bool) -> str:
        # Each operation has variables and fragments of its own: one that is not used would not be valid.
        self._definitions, self._conditions = {}, {}
        mutation = self.schema.mutation_type
        root = mutation if mutation is not None and self.chance(0.25) else self.schema.query_type
        assert root is not None
        body = self.selections(root, depth=self.random.randrange(1, 5))
        kind = "mutation" if root is mutation else "query"
        variables = f"({', '.join(self._definitions.values())})" if self._definitions else ""
        return f"{kind} {name if named or variables or self.chance(0.5) else ''}{variables} {body}"

    # Fields

    def selections(self, type_: Any, depth: int) -> str:
        parts = [self.selection(type_, depth) for _ in range(self.random.choice([1, 2, 2, 3, 4]))]
        if self.chance(0.15):
            # The same again: its selections are to be merged.
            parts.append(self.random.choice(parts))
        return "{ " + " ".join(parts) + " }"

    def selection(self, type_: Any, depth: int) -> str:
        fields = {} if isinstance(type_, GraphQLUnionType) else self.fields(type_, depth)
        if depth > 0 and self.chance(0.25 if fields else 0.8):
            return self.fragment(type_, depth)
        if not fields or self.chance(0.1):
            return f"{self.alias()}__typename{self.directives()}"
        name = self.random.choice([*fields])
        field = fields[name]
        arguments = self.arguments(field.args)
        named = get_named_type(field.type)
        # A key that stands for the same field everywhere can be asked for twice, by whatever fragment.
        alias = f"a{self.number()}: " if arguments or self.chance(0.1) else ""
        written = f"{alias}{name}{arguments}{self.directives()}"
        if not is_composite_type(named):
            return written
        body = self.selections(named, depth - 1)
        if self.chance(0.15):
            return f"{written} {body} {alias}{name}{arguments} {self.selections(named, depth - 1)}"
        return f"{written} {body}"

    def fields(self, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> dict[str, GraphQLField]:
        if depth > 0:
            return type_.fields
        return {
            name: field
            for name, field in type_.fields.items()
            if not is_composite_type(get_named_type(field.type))
        }

    def alias(self) -> str:
        return f"t{self.number()}: " if self.chance(0.3) else ""

    def fragment(self, type_: Any, depth: int) -> str:
        condition = self.random.choice(self.conditions(type_))
        if self.chance(0.5):
            on = f" on {condition.name}" if condition is not type_ or self.chance(0.5) else ""
            return f"...{on}{self.directives()} {self.selections(condition, depth - 1)}"
        known = [name for name, other in self._conditions.items() if other in self.conditions(type_)]
        if known and self.chance(0.4):
            return f"...{self.random.choice(known)}{self.directives()}"
        name = f"F{self.number()}"
        body = self.selections(condition, depth - 1)
        self.fragments[name] = f"fragment {name} on {condition.name} {body}"
        self._conditions[name] = condition
        return f"...{name}{self.directives()}"

    def conditions(self, type_: Any) -> list[Any]:
        """The types that an object of this one may be of as well."""
        mine = self.objects(type_)
        return [
            other
            for other in self.schema.type_map.values()
            if is_composite_type(other) and not other.name.startswith("__") and self.objects(other) & mine
        ]

    def objects(self, type_: Any) -> set[Any]:
        return {*self.schema.get_possible_types(type_)} if is_abstract_type(type_) else {type_}

    def directives(self) -> str:
        if not self.chance(0.15):
            return ""
        names = self.random.choice([["skip"], ["include"], ["skip", "include"]])
        return "".join(f" @{name}(if: {self.condition()})" for name in names)

    def condition(self) -> str:
        if self.chance(0.4):
            return self.random.choice(["true", "false"])
        known = [name for name in self._definitions if name.startswith("b")]
        if known and self.chance(0.6):
            return f"${self.random.choice(known)}"
        name = f"b{self.number()}"
        if self.chance(0.2):
            # With a default it may be null all the same, and then there is no telling what to do.
            self._definitions[name] = f"${name}: Boolean = {self.random.choice(['true', 'false'])}"
            if self.chance(0.5):
                self.values[name] = self.random.choice([True, False, None])
        else:
            self._definitions[name] = f"${name}: Boolean!"
            if self.chance(0.97):
                self.values[name] = self.chance(0.5)
        return f"${name}"

    # Inputs

    def arguments(self, arguments: dict[str, GraphQLArgument]) -> str:
        written = [
            f"{name}: {self.argument(argument)}"
            for name, argument in arguments.items()
            if _is_required(argument) or self.chance(0.6)
        ]
        self.random.shuffle(written)
        return f"({', '.join(written)})" if written else ""

    def argument(self, argument: GraphQLArgument | GraphQLInputField) -> str:
        if self.chance(0.4):
            return self.variable(argument.type)
        return self.literal(argument.type, depth=2)

    def variable(self, type_: GraphQLInputType) -> str:
        name = f"v{self.number()}"
        given = type_ if isinstance(type_, GraphQLNonNull) or self.chance(0.7) else GraphQLNonNull(type_)
        default = ""
        if self.chance(0.3):
            nullable = given.of_type if isinstance(given, GraphQLNonNull) else given
            literal = self.literal(nullable, depth=2, constant=True)
            if literal != "null":
                default = f" = {literal}"
        self._definitions[name] = f"${name}: {given}{default}"
        chance = self.random.random()
        if chance < 0.75:
            self.values[name] = self.value(given, depth=2)
        elif chance < 0.8:
            self.values[name] = None
        elif chance < 0.83:
            self.values[name] = self.random.choice(["wrong", 5.5, [], {}, {"a": 1}, [None], True])
        return f"${name}"

    def literal(self, type_: GraphQLInputType, depth: int, *, constant: bool = False) -> str:
        if not constant and self.chance(0.1):
            return self.variable(type_)
        if isinstance(type_, GraphQLNonNull):
            return self.literal(type_.of_type, depth, constant=True)
        if self.chance(0.08):
            return "null"
        if isinstance(type_, GraphQLList):
            if self.chance(0.1):
                return self.literal(type_.of_type, depth, constant=constant)
            items = [
                self.literal(type_.of_type, depth, constant=constant) for _ in range(self.random.randrange(3))
            ]
            return f"[{', '.join(items)}]"
        if isinstance(type_, GraphQLInputObjectType):
            fields = (
                f"{name}: {self.literal(field.type, depth - 1, constant=constant or type_.is_one_of)}"
                for name, field in self.chosen(type_, depth)
            )
            return "{" + ", ".join(fields) + "}"
        if isinstance(type_, GraphQLEnumType):
            return self.random.choice([*type_.values])
        return _as_literal(self.scalars[type_.name](self.random))

    def value(self, type_: GraphQLInputType, depth: int) -> Any:
        """The same as JSON."""
        if isinstance(type_, GraphQLNonNull):
            return self.value(type_.of_type, depth)
        if self.chance(0.08):
            return None
        if isinstance(type_, GraphQLList):
            if self.chance(0.1):
                return self.value(type_.of_type, depth)
            return [self.value(type_.of_type, depth) for _ in range(self.random.randrange(3))]
        if isinstance(type_, GraphQLInputObjectType):
            return {name: self.value(field.type, depth - 1) for name, field in self.chosen(type_, depth)}
        if isinstance(type_, GraphQLEnumType):
            return self.random.choice([*type_.values])
        return self.scalars[type_.name](self.random)

    def chosen(self, type_: GraphQLInputObjectType, depth: int) -> Sequence[tuple[str, GraphQLInputField]]:
        if type_.is_one_of:
            return [self.random.choice([*type_.fields.items()])]
        return [
            (name, field)
            for name, field in type_.fields.items()
            if _is_required(field) or (depth > 0 and self.chance(0.5))
        ]


def _is_required(argument: GraphQLArgument | GraphQLInputField) -> bool:
    has_default = argument.default is not None
    return isinstance(argument.type, GraphQLNonNull) and not has_default


def _as_literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_as_literal(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_as_literal, value))}]"
    return orjson.dumps(value).decode()
