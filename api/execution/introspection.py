"""Answers `__schema` and `__type` from values that are read from the schema once.

graphql-core calls a resolver for each of the 8,000 values of a whole introspection, which takes ten times as
long.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from graphql import (
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
)
from graphql.execution.collect_fields import FieldDetailsList, FragmentDetails, collect_subfields
from graphql.execution.values import VariableValues, get_argument_values
from graphql.type.introspection import TypeNameMetaFieldDef

from api.execution.document_limits import LimitExceeded

MAX_VALUES = 25_000
"""Values of one introspection. That of GraphiQL, with all options, has a third of them."""

COMPILATION = 20
"""Values in whose time the selection of one field is compiled."""


class IntrospectionSource:
    """The values of a schema's introspection. One instance serves all requests."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self._nodes: dict[int, _Node] = {}

    def node(self, source: Any) -> "_Node":
        """The node of a type, a field, or whatever else graphql-core's resolvers of introspection return."""
        node = self._nodes.get(id(source))
        if node is None:
            # The node holds a reference to its source, so the id is that of no other object.
            node = self._nodes[id(source)] = _Node(source, {})
        return node


class _Node(NamedTuple):
    source: Any
    values: dict[Any, Any]
    """By the name of a field and its arguments: a value of a leaf, a node, or a list of these."""


class _Field(NamedTuple):
    key: str
    read_key: Any
    """The name and the arguments of the field; None for `__typename`."""
    definition: GraphQLField
    arguments: dict[str, Any]
    details: FieldDetailsList
    type_: Any


class Introspection:
    """The fields below one `__schema` or `__type`, for one request."""

    def __init__(
        self,
        source: IntrospectionSource,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: VariableValues,
        operation: OperationDefinitionNode,
    ) -> None:
        self._source = source
        self._fragments = {name: FragmentDetails(fragment) for name, fragment in fragments.items()}
        self._variables = variables
        self._operation = operation
        self._compiled: dict[tuple[int, ...], list[_Field]] = {}
        self._left = MAX_VALUES
        self._info = cast("GraphQLResolveInfo", _Info(source.schema))

    def answer(self, type_: GraphQLObjectType, source: Any, details: FieldDetailsList) -> dict[str, Any]:
        """The fields of `source`, the schema or one of its types. Raises `GraphQLError`."""
        return self._object(self._source.node(source), type_, details)

    def _object(self, node: _Node, type_: GraphQLObjectType, details: FieldDetailsList) -> dict[str, Any]:
        # Fragments that are spread at several places have the same field nodes there.
        compiled_key = tuple([id(detail.node) for detail in details])
        fields = self._compiled.get(compiled_key)
        if fields is None:
            fields = self._compiled[compiled_key] = self._compile(type_, details)
        self._spend(len(fields))
        values: dict[str, Any] = {}
        for field in fields:
            key, read_key, _, _, below, named_type = field
            if read_key is None:
                values[key] = type_.name
                continue
            value = node.values.get(read_key, node)
            if value is node:
                value = node.values[read_key] = self._read(node, field)
            if value is None or not isinstance(named_type, GraphQLObjectType):
                values[key] = value
            elif type(value) is list:
                values[key] = [self._object(item, named_type, below) for item in value]
            else:
                values[key] = self._object(value, named_type, below)
        return values

    def _compile(self, type_: GraphQLObjectType, details: FieldDetailsList) -> list[_Field]:
        self._spend(COMPILATION)
        collected = collect_subfields(
            self._source.schema, self._fragments, self._variables, self._operation, type_, details
        )
        fields: list[_Field] = []
        for key, below in collected.grouped_field_set.items():
            node = below[0].node
            definition = self._source.schema.get_field(type_, node.name.value)
            if definition is None:
                continue
            if definition is TypeNameMetaFieldDef:
                fields.append(_Field(key, None, definition, {}, below, None))
                continue
            arguments = get_argument_values(definition, node, self._variables)
            read_key = (node.name.value, *arguments.values())
            fields.append(
                _Field(key, read_key, definition, arguments, below, get_named_type(definition.type))
            )
        return fields

    def _spend(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise LimitExceeded(
                "introspection", MAX_VALUES, f"The introspection has more than {MAX_VALUES} values."
            )

    def _read(self, node: _Node, field: _Field) -> Any:
        resolve = cast("Callable[..., Any]", field.definition.resolve)
        value = resolve(node.source, self._info, **field.arguments)
        return self._convert(value, field.definition.type)

    def _convert(self, value: Any, type_: Any) -> Any:
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        if value is None:
            return None
        if isinstance(type_, GraphQLList):
            return [self._convert(item, type_.of_type) for item in value]
        if isinstance(type_, GraphQLObjectType):
            return self._source.node(value)
        return cast("GraphQLLeafType", type_).coerce_output_value(value)


class _Info(NamedTuple):
    """All that graphql-core's resolvers of introspection read from a resolve info."""

    schema: GraphQLSchema
