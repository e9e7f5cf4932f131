"""Compiles what a document asks of each type of object: its fields, merged, and all that is known of them."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, cast

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    default_field_resolver,
    default_type_resolver,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.executor import SELECTIONS_NESTED_TOO_DEEPLY
from graphql.execution.values import VariableValues
from graphql.type import GraphQLTypeResolver
from graphql.type.introspection import TypeNameMetaFieldDef
from strawberry.types.field import StrawberryField

from api.execution.arguments import arguments_of
from api.execution.completion import QUICK, completing, uses_info
from api.execution.fields import Field, Selection

MAX_FIELDS = 2_000
"""Fields that are kept of one document.

A few lines can spread fragments within fragments into millions of fields, and conditions can come out in as
many ways. Only what requests have come across is compiled, and this bounds what is kept of it.
"""


class SelectionCache:
    """What is compiled of the operations of one document. Once it is too much, it is all forgotten.

    A request that is under way keeps what it works with; the next one begins anew.
    """

    def __init__(self) -> None:
        self.fields = 0
        """How many there are, and what else takes as much memory as one."""
        self._roots: list[dict[tuple[object, ...], Selection]] = []

    def roots(self) -> dict[tuple[object, ...], Selection]:
        """Where an operation keeps its root fields, by the outcome of its conditions."""
        roots: dict[tuple[object, ...], Selection] = {}
        self._roots.append(roots)
        return roots

    def count(self, fields: int) -> None:
        self.fields += fields
        if self.fields > MAX_FIELDS:
            self.fields = 0
            for roots in self._roots:
                roots.clear()


class Compiler:
    """Compiles one operation for one outcome of its conditions; `values` are those of their variables.

    The fields of a selection set are merged by graphql-core's own functions, so that they are the same ones,
    in the same order.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        values: VariableValues,
        kept: SelectionCache,
        *,
        hide_suggestions: bool,
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = {name: FragmentDetails(fragment) for name, fragment in fragments.items()}
        self._values = values
        self._kept = kept
        self._hide_suggestions = hide_suggestions
        type_resolver = cast("GraphQLTypeResolver", default_type_resolver)
        self.interpreter = Executor[Any](
            schema, fragments, self._fragments, None, None, operation, values,
            default_field_resolver, type_resolver, default_field_resolver,
        )  # fmt: skip

    def select_root(self, type_: GraphQLObjectType) -> Selection:
        """The root fields. Raises `GraphQLError`, as when a condition is null."""
        try:
            collected = collect_fields(
                self._schema, self._fragments, self._values, type_, self._operation, self._hide_suggestions
            )
        except RecursionError:
            collected = None
        if collected is None:
            raise GraphQLError(SELECTIONS_NESTED_TOO_DEEPLY, self._operation)
        return self._selection(type_, collected.grouped_field_set)

    def select(self, type_: GraphQLObjectType, details: FieldDetailsList) -> Selection:
        """The fields of an object of this type, below the field that `details` are of."""
        collected = collect_subfields(
            self._schema,
            self._fragments,
            self._values,
            self._operation,
            type_,
            details,
            self._hide_suggestions,
        )
        return self._selection(type_, collected.grouped_field_set)

    def _selection(self, type_: GraphQLObjectType, grouped: GroupedFieldSet) -> Selection:
        fields: list[tuple[str, Field | None]] = []
        for key, details in grouped.items():
            definition = self._schema.get_field(type_, details[0].node.name.value)
            if definition is TypeNameMetaFieldDef:
                fields.append((key, None))
            elif definition is not None:
                fields.append((key, self._field(key, type_, definition, details)))
        self._kept.count(len(fields))
        return Selection(type_.name, fields)

    def _field(
        self, key: str, parent_type: GraphQLObjectType, definition: GraphQLField, details: FieldDetailsList
    ) -> Field:
        nodes = [field.node for field in details]
        type_ = definition.type
        head = (nodes[0].name.value, nodes, type_, parent_type)
        inner_type = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        return Field(
            key,
            head,
            non_null=inner_type is not type_,
            read=_reading(definition),
            resolve=definition.resolve or default_field_resolver,
            arguments=arguments_of(definition, nodes[0], hide_suggestions=self._hide_suggestions),
            complete=completing(type_, details, head, self),
            needs_info=uses_info(type_),
            quick=QUICK.get(inner_type),
        )


def _reading(field: GraphQLField) -> Callable[[Any], Any] | None:
    """What reads the attribute, if that is all that the field's resolver does."""
    definition = field.extensions.get("strawberry-definition")
    code = getattr(field.resolve, "__code__", None)
    if (
        isinstance(definition, StrawberryField)
        # A basic field has neither a resolver nor extensions, and so no permission classes; and of those only
        # the ones that no handler of exceptions is for get this function from Strawberry.
        and definition.is_basic_field
        # Not its own name, which `functools.wraps` gives to whatever is put around it.
        and getattr(code, "co_name", None) == "_get_basic_result"
        and type(definition).get_result is StrawberryField.get_result
        and definition.default_resolver is getattr
    ):
        return attrgetter(definition.python_name)
    return None
