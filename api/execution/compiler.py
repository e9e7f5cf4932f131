"""Compiles the selection sets of an operation, each when the first object of its type is completed."""

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
from graphql.type.introspection import SchemaMetaFieldDef, TypeMetaFieldDef, TypeNameMetaFieldDef
from strawberry.types.field import StrawberryField

from api.execution.arguments import compile_arguments
from api.execution.completion import PASSTHROUGH_TYPES, compile_completion, needs_resolve_info
from api.execution.fields import CompleteValue, Field, SelectionSet
from api.execution.introspection import Introspection, IntrospectionSource
from api.execution.run import KeyPath, Run

MAX_FIELDS = 2_000
"""Compiled fields that one document may have in memory.

A few lines can spread fragments within fragments into millions of fields, and n conditions have 2^n
combinations of values. Only the selection sets that requests reach are compiled, and this bounds them.
"""


class SelectionCache:
    """The compiled root selection sets of one document. It is emptied when it exceeds `MAX_FIELDS`.

    A request that is running holds references to its selection sets; the next one compiles them again.
    """

    def __init__(self) -> None:
        self.fields = 0
        """The number of compiled fields. Further memory counts as that of so many fields."""
        self._roots: list[dict[tuple[object, ...], SelectionSet]] = []

    def add_operation(self) -> dict[tuple[object, ...], SelectionSet]:
        """A new dictionary for the root selection sets of an operation, by the values of its conditions."""
        roots: dict[tuple[object, ...], SelectionSet] = {}
        self._roots.append(roots)
        return roots

    def count(self, fields: int) -> None:
        self.fields += fields
        if self.fields > MAX_FIELDS:
            self.fields = 0
            for roots in self._roots:
                roots.clear()


class Compiler:
    """Compiles one operation for one combination of `condition_values`, the variables of its conditions.

    graphql-core's own functions collect and merge the fields, so they have the same order as without a plan.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        condition_values: VariableValues,
        cache: SelectionCache,
        introspection: IntrospectionSource,
        *,
        hide_suggestions: bool,
    ) -> None:
        self._schema = schema
        self._fragment_definitions = fragments
        self._introspection = introspection
        self._operation = operation
        self._fragments = {name: FragmentDetails(fragment) for name, fragment in fragments.items()}
        self._condition_values = condition_values
        self._cache = cache
        self._hide_suggestions = hide_suggestions
        type_resolver = cast("GraphQLTypeResolver", default_type_resolver)
        self.executor = Executor[Any](
            schema, fragments, self._fragments, None, None, operation, condition_values,
            default_field_resolver, type_resolver, default_field_resolver,
        )  # fmt: skip

    def compile_root_fields(self, type_: GraphQLObjectType) -> SelectionSet:
        """The selection set of the root type. Raises `GraphQLError`, for example for a condition of null."""
        try:
            collected = collect_fields(
                self._schema,
                self._fragments,
                self._condition_values,
                type_,
                self._operation,
                self._hide_suggestions,
            )
        except RecursionError:
            collected = None
        if collected is None:
            raise GraphQLError(SELECTIONS_NESTED_TOO_DEEPLY, self._operation)
        return self._compile_selection_set(type_, collected.grouped_field_set)

    def compile_subfields(self, type_: GraphQLObjectType, details: FieldDetailsList) -> SelectionSet:
        """The selection set of the field with these `details`, for an object of this type."""
        collected = collect_subfields(
            self._schema,
            self._fragments,
            self._condition_values,
            self._operation,
            type_,
            details,
            self._hide_suggestions,
        )
        return self._compile_selection_set(type_, collected.grouped_field_set)

    def _compile_selection_set(self, type_: GraphQLObjectType, grouped: GroupedFieldSet) -> SelectionSet:
        fields: list[tuple[str, Field | None]] = []
        for key, details in grouped.items():
            definition = self._schema.get_field(type_, details[0].node.name.value)
            if definition is TypeNameMetaFieldDef:
                fields.append((key, None))
            elif definition is not None:
                fields.append((key, self._compile_field(key, type_, definition, details)))
        self._cache.count(len(fields))
        return SelectionSet(type_.name, fields)

    def _compile_field(
        self, key: str, parent_type: GraphQLObjectType, definition: GraphQLField, details: FieldDetailsList
    ) -> Field:
        nodes = [field.node for field in details]
        type_ = definition.type
        info_head = (nodes[0].name.value, nodes, type_, parent_type)
        nullable_type = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        return Field(
            key,
            info_head,
            non_null=nullable_type is not type_,
            read_attribute=_attribute_reader(definition),
            resolve=definition.resolve or default_field_resolver,
            get_arguments=compile_arguments(definition, nodes[0], hide_suggestions=self._hide_suggestions),
            complete=self._compile_introspection(nullable_type, details)
            if definition in (SchemaMetaFieldDef, TypeMetaFieldDef)
            else compile_completion(type_, details, info_head, self),
            needs_info=needs_resolve_info(type_),
            passthrough_type=PASSTHROUGH_TYPES.get(nullable_type),
        )

    def _compile_introspection(self, type_: Any, details: FieldDetailsList) -> CompleteValue:
        def complete(run: Run, _info: Any, _path: KeyPath, value: Any) -> dict[str, Any] | None:
            if value is None:
                return None
            introspection = Introspection(
                self._introspection, self._fragment_definitions, run.variables, self._operation
            )
            return introspection.answer(type_, value, details)

        return complete


def _attribute_reader(field: GraphQLField) -> Callable[[Any], Any] | None:
    """The function that reads the field's attribute; None if its resolver does anything more than that."""
    definition = field.extensions.get("strawberry-definition")
    code = getattr(field.resolve, "__code__", None)
    if (
        isinstance(definition, StrawberryField)
        # `is_basic_field`: the field has no resolver of its own, no permission classes and no extensions.
        and definition.is_basic_field
        # Strawberry's resolver for such a field, unless an exception handler wraps it. The name of the code
        # object cannot be copied, unlike `__name__`, which `functools.wraps` gives to any wrapper.
        and getattr(code, "co_name", None) == "_get_basic_result"
        and type(definition).get_result is StrawberryField.get_result
        and definition.default_resolver is getattr
    ):
        return attrgetter(definition.python_name)
    return None
