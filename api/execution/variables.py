"""The variables of an operation, coerced by functions that are chosen when its document is compiled.

Whatever these functions do not take is left to graphql-core: it knows every rule, and has the words for what
is wrong. So they only have to be right about what they do take.
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
"""From a value of JSON to what resolvers get; `Undefined` if graphql-core is to look at it."""

_IMMUTABLE = (
    type(None), bool, int, float, str, bytes, enum.Enum,
    decimal.Decimal, uuid.UUID, datetime.date, datetime.time, datetime.timedelta,
)  # fmt: skip


def may_be_shared(value: object) -> bool:
    """Whether one request can do nothing to a value that the next one would notice."""
    return isinstance(value, _IMMUTABLE)


class _Variable(NamedTuple):
    name: str
    signature: GraphQLVariableSignature
    absent: VariableValueSource
    default: Any
    """`Undefined` if there is none."""
    may_be_absent: bool
    coerce: Coerce


def _default(value: ValueNode, type_: GraphQLInputType) -> Any:
    """What a default comes to; `Undefined` if each request has to make its own."""
    try:
        default = coerce_input_literal(value, type_)
    except Exception:  # noqa: BLE001
        # Whatever a scalar of the schema raised, graphql-core tells the request of it.
        return Undefined
    return default if may_be_shared(default) else Undefined


class Variables:
    """`coerce` gives the values of one request, or the reasons why it is not executed."""

    def __init__(
        self, schema: GraphQLSchema, operation: OperationDefinitionNode, *, hide_suggestions: bool
    ) -> None:
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        self._hide_suggestions = hide_suggestions
        self._variables: list[_Variable] = []
        self._all_known = True
        known: _Known = {}
        for definition in self._definitions:
            signature = get_variable_signature(schema, definition)
            if isinstance(signature, GraphQLError):
                self._all_known = False
                return
            default: Any = Undefined
            may_be_absent = not isinstance(signature.type, GraphQLNonNull)
            if definition.default_value is not None:
                default = _default(definition.default_value, signature.type)
                may_be_absent = default is not Undefined
            self._variables.append(
                _Variable(
                    signature.name,
                    signature,
                    VariableValueSource(signature),
                    default,
                    may_be_absent,
                    coercing(signature.type, known),
                )
            )

    def coerce(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        return self._coerce_quickly(given) or get_variable_values(
            self._schema,
            self._definitions,
            dict(given),
            max_errors=50,
            hide_suggestions=self._hide_suggestions,
        )

    def _coerce_quickly(self, given: Mapping[str, Any]) -> VariableValues | None:
        if not self._all_known:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, signature, absent, default, may_be_absent, coerce in self._variables:
            value = given.get(name, Undefined)
            if value is Undefined:
                if not may_be_absent:
                    return None
                sources[name] = absent
                if default is not Undefined:
                    coerced[name] = default
                continue
            try:
                result = coerce(value)
            except Exception:  # noqa: BLE001
                # Whatever a scalar of the schema raised, graphql-core tells of it.
                return None
            if result is Undefined:
                return None
            sources[name] = tuple.__new__(VariableValueSource, (signature, value))
            coerced[name] = result
        return tuple.__new__(VariableValues, (sources, coerced))


_Known = dict[GraphQLInputObjectType, Coerce]
"""What coerces each input object type that has been come across."""


def coercing(type_: GraphQLInputType, known: _Known) -> Coerce:
    """What coerces values of this type."""
    if isinstance(type_, GraphQLNonNull):
        return _coercing_given(type_.of_type, known)
    coerce = _coercing_given(type_, known)

    def coerce_nullable(value: Any) -> Any:
        return None if value is None else coerce(value)

    return coerce_nullable


def _coercing_given(type_: GraphQLInputType, known: _Known) -> Coerce:
    """The same for values that are there; null makes `Undefined`."""
    if isinstance(type_, GraphQLList):
        return _coercing_list(coercing(type_.of_type, known))
    if isinstance(type_, GraphQLInputObjectType):
        if type_ not in known:
            # Values of a type that holds itself may be nested without end; graphql-core sees to that.
            known[type_] = _leaving_to_graphql_core
            if not type_.is_one_of:
                known[type_] = _coercing_object(type_, known)
        return known[type_]
    if type_ is GraphQLString or type_ is GraphQLID:
        return lambda value: value if type(value) is str else Undefined
    if type_ is GraphQLBoolean:
        return lambda value: value if type(value) is bool else Undefined
    if type_ is GraphQLInt:
        return lambda value: value if type(value) is int and -(2**31) <= value < 2**31 else Undefined
    return lambda value: (
        Undefined if value is None or value is Undefined else coerce_input_value(value, type_)
    )


def _leaving_to_graphql_core(value: Any) -> Any:  # noqa: ARG001
    return Undefined


def _coercing_list(coerce: Coerce) -> Coerce:
    def coerce_list(values: Any) -> Any:
        if type(values) is not list:
            return Undefined
        results = [coerce(value) for value in values]
        return Undefined if any(result is Undefined for result in results) else results

    return coerce_list


def _coercing_object(type_: GraphQLInputObjectType, known: _Known) -> Coerce:
    fields = [
        (name, field, field.out_name or name, is_required_input_field(field), coercing(field.type, known))
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
