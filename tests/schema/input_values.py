"""Documents that put values at each argument and input field of a schema, as literals and as variables."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    get_named_type,
    is_leaf_type,
)

ID = "7f2c8a52-6d0e-4c57-9a5e-3f1f0d1f2a11"

SAMPLES = {
    "String": '"x"',
    "ID": f'"{ID}"',
    "Int": "1",
    "Boolean": "true",
    "DateTime": '"2099-01-31T12:00:00Z"',
}
"""A valid literal of each scalar."""

NINES = "9" * 4400
"""Python converts no text of more than 4,300 digits to an int."""

LITERALS = {
    "null": ["null"],
    "Boolean": ["true", "false"],
    "Int": ["0", "-1", "2147483648", NINES, f"-{NINES}"],
    "Float": ["1.5", "1e400", f"{NINES}.5"],
    "enum": ["ADMIN", "undefined", f"a{NINES}"],
    "text": ['""', '"x"', '"""block"""', '"\\u0000"', '"🏊"', f'"{ID}"', f'"{NINES}"'],
    "time": [
        '"2026-11-28"', '"2026-11-28T12:00:00"', '"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"',
        '"2026-W48-6T12:00:00Z"', '"2026-02-30T12:00:00Z"', '"2026-11-28T12:00:00+99:99"',
    ],
    "list": ["[]", "[null]", '[["x"]]'],
    "object": ["{}", "{x: 1}", f"{{a{NINES}: 1}}", "{first: {second: [null]}}"],
}  # fmt: skip

JSON: dict[str, list[Any]] = {
    "null": [None],
    "Boolean": [True, False],
    "Int": [0, -1, 2147483648, 10**18],
    "Float": [1.5, 1e300],
    "text": ["", "x", "ADMIN", "\x00", "🏊", ID, NINES],
    "time": [
        "2026-11-28", "2026-11-28T12:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
        "2026-W48-6T12:00:00Z", "2026-02-30T12:00:00Z", "2026-11-28T12:00:00+99:99",
    ],
    "list": [[], [None], [["x"]]],
    "object": [{}, {"x": 1}, {NINES: 1}, {"first": {"second": [None]}}],
}  # fmt: skip


class Place(NamedTuple):
    """An argument, or a field of an input object in it.

    `field` is a selection of the argument's field, with VALUE at the place; `outer` is the selection around
    it, with FIELDS for it.
    """

    name: str
    type: GraphQLInputType
    operation: str
    outer: str
    field: str

    @property
    def at_once(self) -> int:
        """How many times the limits of a document let it select the field."""
        if "__type" in f"{self.outer}{self.field}":
            return 1
        return 5 if self.operation == "mutation" else 15

    def with_literals(self, literals: Sequence[str]) -> str:
        """A document that selects the field once with each literal."""
        return self._write("", literals)

    def with_defaults(self, literals: Sequence[str]) -> str:
        """The same with variables of which the literals are the defaults."""
        return self._with_variables([f" = {literal}" for literal in literals])

    def with_variables(self, values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
        """The same with variables, and their values."""
        return self._with_variables([""] * len(values)), {f"v{n}": value for n, value in enumerate(values)}

    def _with_variables(self, defaults: Sequence[str]) -> str:
        declarations = (f"$v{number}: {self.type}{default}" for number, default in enumerate(defaults))
        return self._write(f"({', '.join(declarations)})", [f"$v{n}" for n in range(len(defaults))])

    def _write(self, declarations: str, values: Sequence[str]) -> str:
        fields = (f"a{number}: {self.field}".replace("VALUE", value) for number, value in enumerate(values))
        return f"{self.operation} {declarations} " + self.outer.replace("FIELDS", f"{{ {' '.join(fields)} }}")


def places(schema: GraphQLSchema) -> Iterator[Place]:
    """Every argument of every field and directive that a document can use, and every input field in it."""
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    seen = {"Query"}
    yield from _places_of(schema.query_type, "query", "FIELDS", seen)
    yield from _places_of(schema.mutation_type, "mutation", "FIELDS", seen)
    yield Place(
        "__type.name", GraphQLNonNull(GraphQLString), "query", "FIELDS", "__type(name: VALUE) { name }"
    )
    introspection = schema.type_map["__Type"]
    assert isinstance(introspection, GraphQLObjectType)
    yield from _places_of(introspection, "query", '{ __type(name: "Role") FIELDS }', {"__Type"})
    for directive in ("skip", "include"):
        field = f"viewer @{directive}(if: VALUE) {{ id }}"
        yield Place(f"@{directive}.if", GraphQLNonNull(GraphQLBoolean), "query", "FIELDS", field)


def _places_of(type_: GraphQLObjectType, operation: str, outer: str, seen: set[str]) -> Iterator[Place]:
    for name, field in type_.fields.items():
        result = get_named_type(field.type)
        selection = "" if is_leaf_type(result) else " { __typename }"
        required = _required_values(field.args)
        for argument, definition in field.args.items():
            for place, place_type, literal in _places_in(f"{name}.{argument}", definition.type, "VALUE"):
                call = f"{name}({_write_values({**required, argument: literal})}){selection}"
                yield Place(place, place_type, operation, outer, call)
        if isinstance(result, GraphQLObjectType) and result.name not in seen:
            seen.add(result.name)
            call = f"{name}({_write_values(required)})" if required else name
            yield from _places_of(result, operation, outer.replace("FIELDS", f"{{ {call} FIELDS }}"), seen)


def _places_in(
    name: str, type_: GraphQLInputType, literal: str
) -> Iterator[tuple[str, GraphQLInputType, str]]:
    """The place itself, and the fields in it. `literal` is the argument, with VALUE at the place."""
    yield name, type_, literal
    named = get_named_type(type_)
    if isinstance(named, GraphQLInputObjectType):
        required = _required_values(named.fields)
        for field, definition in named.fields.items():
            inner = literal.replace("VALUE", f"{{{_write_values({**required, field: 'VALUE'})}}}")
            yield from _places_in(f"{name}.{field}", definition.type, inner)


def _required_values(inputs: dict[str, GraphQLArgument] | dict[str, GraphQLInputField]) -> dict[str, str]:
    """A valid literal for each required argument or field."""
    return {
        name: _sample(definition.type)
        for name, definition in inputs.items()
        if isinstance(definition.type, GraphQLNonNull) and definition.default is None
    }


def _sample(type_: GraphQLInputType) -> str:
    named = get_named_type(type_)
    if isinstance(named, GraphQLEnumType):
        return next(iter(named.values))
    if isinstance(named, GraphQLInputObjectType):
        return f"{{{_write_values(_required_values(named.fields))}}}"
    return SAMPLES[named.name]


def _write_values(values: dict[str, str]) -> str:
    return ", ".join(f"{name}: {literal}" for name, literal in values.items())


def call(name: str, field: GraphQLField) -> str:
    """A selection of a field with a valid value for each required argument."""
    required = _required_values(field.args)
    arguments = f"({_write_values(required)})" if required else ""
    return f"{name}{arguments}{'' if is_leaf_type(get_named_type(field.type)) else ' { __typename }'}"
