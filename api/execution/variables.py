"""Coerces the variables of an operation, with one function for each type, chosen when a plan is made.

These functions accept the common valid values only. For all others graphql-core coerces the variables, and
makes the error messages.
"""

import datetime
import decimal
import enum
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values
from graphql.language import ValueNode
from graphql.pyutils import Undefined
from graphql.type import is_required_input_field
from graphql.utilities.coerce_input_value import (
    coerce_default_value,
    coerce_input_literal,
    coerce_input_value,
)

Coerce = Callable[[Any], Any]
"""Coerces a JSON value for resolvers; returns `Undefined` if graphql-core has to coerce it."""

_IMMUTABLE = (
    type(None), bool, int, float, str, bytes, enum.Enum,
    decimal.Decimal, uuid.UUID, datetime.date, datetime.time, datetime.timedelta,
)  # fmt: skip


def is_immutable(value: object) -> bool:
    """Whether requests can share a value, because none of them can change it."""
    return isinstance(value, _IMMUTABLE)


class _Variable(NamedTuple):
    name: str
    signature: GraphQLVariableSignature
    source_of_default: VariableValueSource
    default: Any
    """`Undefined` if the variable has no default that requests can share."""
    is_optional: bool
    coerce: Coerce


def _coerce_default(value: ValueNode, type_: GraphQLInputType) -> Any:
    """The coerced default value; `Undefined` if requests cannot share it."""
    try:
        default = coerce_input_literal(value, type_)
    except Exception:  # noqa: BLE001
        # graphql-core coerces the default of each request again, and reports this error.
        return Undefined
    return default if is_immutable(default) else Undefined


class VariableCoercer:
    """Coerces the variables of one operation."""

    def __init__(
        self, schema: GraphQLSchema, operation: OperationDefinitionNode, *, hide_suggestions: bool
    ) -> None:
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        self._hide_suggestions = hide_suggestions
        self._variables: list[_Variable] = []
        self._has_valid_types = True
        coercers: _Coercers = {}
        for definition in self._definitions:
            signature = get_variable_signature(schema, definition)
            if isinstance(signature, GraphQLError):
                self._has_valid_types = False
                return
            default: Any = Undefined
            is_optional = not isinstance(signature.type, GraphQLNonNull)
            if definition.default_value is not None:
                default = _coerce_default(definition.default_value, signature.type)
                is_optional = default is not Undefined
            self._variables.append(
                _Variable(
                    signature.name,
                    signature,
                    VariableValueSource(signature),
                    default,
                    is_optional,
                    compile_coercion(signature.type, coercers),
                )
            )

    def coerce(self, inputs: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """The values of one request, or its request errors."""
        return self._coerce_common_values(inputs) or get_variable_values(
            self._schema,
            self._definitions,
            dict(inputs),
            max_errors=50,
            hide_suggestions=self._hide_suggestions,
        )

    def _coerce_common_values(self, inputs: Mapping[str, Any]) -> VariableValues | None:
        """None if graphql-core has to coerce the variables."""
        if not self._has_valid_types:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, signature, source_of_default, default, is_optional, coerce in self._variables:
            value = inputs.get(name, Undefined)
            if value is Undefined:
                if not is_optional:
                    return None
                sources[name] = source_of_default
                if default is not Undefined:
                    coerced[name] = default
                continue
            try:
                result = coerce(value)
            except Exception:  # noqa: BLE001
                # A scalar of the schema raised it. graphql-core coerces the value again and reports it.
                return None
            if result is Undefined:
                return None
            sources[name] = tuple.__new__(VariableValueSource, (signature, value))
            coerced[name] = result
        return tuple.__new__(VariableValues, (sources, coerced))


_Coercers = dict[GraphQLInputObjectType, Coerce]
"""The functions of the input object types that are compiled already."""


def compile_coercion(type_: GraphQLInputType, coercers: _Coercers) -> Coerce:
    """The function that coerces values of this type."""
    if isinstance(type_, GraphQLNonNull):
        return _compile_non_null(type_.of_type, coercers)
    coerce = _compile_non_null(type_, coercers)

    def coerce_nullable(value: Any) -> Any:
        return None if value is None else coerce(value)

    return coerce_nullable


def _compile_non_null(type_: GraphQLInputType, coercers: _Coercers) -> Coerce:
    """The function that coerces values of this type other than null; for null it returns `Undefined`."""
    if isinstance(type_, GraphQLList):
        return _compile_list(compile_coercion(type_.of_type, coercers))
    if isinstance(type_, GraphQLInputObjectType):
        if type_ not in coercers:
            # While the fields of a type are compiled, a field of that same type is left to graphql-core,
            # because the values of a recursive type can be nested to any depth.
            coercers[type_] = _defer_to_graphql_core
            if not type_.is_one_of:
                coercers[type_] = _compile_object(type_, coercers)
        return coercers[type_]
    if type_ is GraphQLString or type_ is GraphQLID:
        return lambda value: value if type(value) is str else Undefined
    if type_ is GraphQLBoolean:
        return lambda value: value if type(value) is bool else Undefined
    if type_ is GraphQLInt:
        return lambda value: value if type(value) is int and -(2**31) <= value < 2**31 else Undefined
    return lambda value: (
        Undefined if value is None or value is Undefined else coerce_input_value(value, type_)
    )


def _defer_to_graphql_core(value: Any) -> Any:  # noqa: ARG001
    return Undefined


def _compile_list(coerce: Coerce) -> Coerce:
    def coerce_list(values: Any) -> Any:
        if type(values) is not list:
            return Undefined
        results = [coerce(value) for value in values]
        return Undefined if any(result is Undefined for result in results) else results

    return coerce_list


def _compile_object(type_: GraphQLInputObjectType, coercers: _Coercers) -> Coerce:
    fields = [
        (
            name,
            field,
            field.out_name or name,
            is_required_input_field(field),
            compile_coercion(field.type, coercers),
        )
        for name, field in type_.fields.items()
    ]
    names = type_.fields.keys()

    def coerce_object(value: Any) -> Any:
        if type(value) is not dict or not value.keys() <= names:
            return Undefined
        results: dict[str, Any] = {}
        for name, field, out_name, is_required, coerce in fields:
            if name in value:
                result = coerce(value[name])
                if result is Undefined:
                    return Undefined
            elif is_required:
                return Undefined
            else:
                result = coerce_default_value(field)
                if result is Undefined:
                    continue
            results[out_name] = result
        return type_.out_type(results)

    return coerce_object
