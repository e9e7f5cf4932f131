"""Explains values that do not fit their type, in the terms of GraphQL.

graphql-core's own messages quote Python, such as `found: {'betaKey': 'x'}` and `not to be None`, and repeat
the text of any exception of a scalar. Its errors for literals carry that exception, as if the server had
failed.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import orjson
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    ValuesOfCorrectTypeRule,
    is_specified_scalar_type,
    print_ast,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.language import (
    SKIP,
    ListValueNode,
    Node,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    VisitorAction,
)
from graphql.pyutils import did_you_mean, print_path_list, suggestion_list
from graphql.type import is_required_input_field
from graphql.utilities.validate_input_value import validate_input_literal, validate_input_value

from api.execution.places import PlacedError

MAX_PROBLEMS = 20
"""Errors of one literal, or of the values of all variables, in a response."""

MAX_SHOWN = 60
"""Characters of a value, or of an unknown name, that a message repeats."""


class ValuesOfCorrectType(ValuesOfCorrectTypeRule):
    """The validation rule for the literals of a document, with the messages of this module."""

    def is_valid_value_node(self, node: ValueNode, input_type: GraphQLInputType | None) -> VisitorAction:
        if input_type is not None:
            explainer = _Explainer(_LITERALS, hide_suggestions=self.context.hide_suggestions)
            for problem in islice(explainer.explain(node, input_type, ()), MAX_PROBLEMS):
                self.report_error(GraphQLError(problem.message, problem.value))
        return SKIP


def explain_variables(
    errors: list[GraphQLError],
    schema: GraphQLSchema,
    operation: OperationDefinitionNode | None,
    inputs: dict[str, Any],
    *,
    hide_suggestions: bool,
) -> list[GraphQLError]:
    """graphql-core's request `errors`, with those about values of variables replaced by `PlacedError`s."""
    if operation is None or not any(_is_about_variable(error) for error in errors):
        return errors
    explainer = _Explainer(_JSON, hide_suggestions=hide_suggestions)
    explained: list[GraphQLError] = []
    for definition in operation.variable_definitions or ():
        signature = get_variable_signature(schema, definition)
        if isinstance(signature, GraphQLError):
            return errors
        problems = _explain_variable(explainer, definition, signature, inputs)
        explained += islice(problems, MAX_PROBLEMS - len(explained))
    return explained or errors


def _is_about_variable(error: GraphQLError) -> bool:
    return any(isinstance(node, VariableDefinitionNode) for node in error.nodes or ())


def name_null(error: GraphQLError) -> None:
    """Replace Python's `None` in graphql-core's message about a variable that is null at a non-null place."""
    error.message = error.message.replace(" not to be None.", " not to be null.")


def _explain_variable(
    explainer: "_Explainer[Any]",
    definition: VariableDefinitionNode,
    signature: GraphQLVariableSignature,
    inputs: dict[str, Any],
) -> Iterator[PlacedError]:
    name = signature.name
    if name not in inputs:
        if definition.default_value is None and isinstance(signature.type, GraphQLNonNull):
            message = f"Variable '${name}' of required type '{signature.type}' was not provided."
            yield PlacedError(message, f"${name}", [definition])
        return
    for problem in explainer.explain(inputs[name], signature.type, ()):
        path = print_path_list([_shorten(key) if isinstance(key, str) else key for key in problem.path])
        place = ".".join([f"${name}", *map(str, problem.path)])
        message = f"Variable '${name}' has invalid value{path}: {problem.message}"
        yield PlacedError(message, place, [definition])


V = TypeVar("V")


class _Problem(NamedTuple, Generic[V]):
    """A `value` at `path` below the explained one that does not fit its type."""

    path: tuple[str | int, ...]
    value: V
    message: str


class _Reader(Protocol[V]):
    """Reads values of one kind: literals of a document, or JSON."""

    def is_null(self, value: V) -> bool: ...
    def is_unknown(self, value: V) -> bool:
        """Whether the value is known in a request only."""
        ...

    def items(self, value: V) -> Sequence[V] | None:
        """None if the value is not a list."""
        ...

    def fields(self, value: V) -> dict[str, V] | None:
        """None if the value is not an object."""
        ...

    def find_leaf_errors(self, value: V, type_: GraphQLLeafType) -> list[GraphQLError]:
        """graphql-core's errors."""
        ...

    def show(self, value: V) -> str: ...


class _Explainer(Generic[V]):
    """Finds what graphql-core refuses, in the same order."""

    def __init__(self, reader: _Reader[V], *, hide_suggestions: bool) -> None:
        self._reader = reader
        self._hide_suggestions = hide_suggestions

    def explain(
        self, value: V, type_: GraphQLInputType, path: tuple[str | int, ...]
    ) -> Iterator[_Problem[V]]:
        reader = self._reader
        if reader.is_unknown(value):
            return
        if reader.is_null(value):
            if isinstance(type_, GraphQLNonNull):
                yield _Problem(path, value, f"Expected value of non-null type '{type_}' not to be null.")
            return
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        if isinstance(type_, GraphQLList):
            items = reader.items(value)
            if items is None:
                # A value that is not a list stands for a list of this one item.
                yield from self.explain(value, type_.of_type, path)
            for index, item in enumerate(items or ()):
                yield from self.explain(item, type_.of_type, (*path, index))
        elif isinstance(type_, GraphQLInputObjectType):
            yield from self._explain_object(value, type_, path)
        else:
            yield from self._explain_leaf(value, type_, path)

    def _explain_object(
        self, value: V, type_: GraphQLInputObjectType, path: tuple[str | int, ...]
    ) -> Iterator[_Problem[V]]:
        fields = self._reader.fields(value)
        if fields is None:
            shown = self._reader.show(value)
            yield _Problem(path, value, f"Expected value of type '{type_}' to be an object, found {shown}.")
            return
        for name, field in type_.fields.items():
            if name in fields:
                yield from self.explain(fields[name], field.type, (*path, name))
            elif is_required_input_field(field):
                message = f"Expected value of type '{type_}' to include required field '{name}'."
                yield _Problem((*path, name), value, message)
        for name in [name for name in fields if name not in type_.fields]:
            message = f"Expected value of type '{type_}' not to include unknown field '{_shorten(name)}'."
            message += self._suggest(name, list(type_.fields))
            yield _Problem((*path, name), fields[name], message)
        if type_.is_one_of and (
            len(fields) != 1 or any(self._reader.is_null(field) for field in fields.values())
        ):
            message = f"Expected value of type '{type_}' to have exactly one field, which is not null."
            yield _Problem(path, value, message)

    def _explain_leaf(
        self, value: V, type_: GraphQLLeafType, path: tuple[str | int, ...]
    ) -> Iterator[_Problem[V]]:
        for error in self._reader.find_leaf_errors(value, type_):
            shown = self._reader.show(value)
            message = f"Expected value of type '{type_}', found {shown}."
            if isinstance(type_, GraphQLEnumType):
                message += self._suggest(shown.strip('"'), list(type_.values))
            elif type_ is GraphQLInt:
                message += " An Int is a whole number of 32 bits."
            elif _is_explained_by_scalar(error, type_):
                message += f" {error.message}"
            yield _Problem(path, value, message)

    def _suggest(self, name: str, options: list[str]) -> str:
        # The comparison takes time in proportion to the length of the name, for each of the options.
        if self._hide_suggestions or len(name) > MAX_SHOWN:
            return ""
        return did_you_mean(suggestion_list(name, options))


def _is_explained_by_scalar(error: GraphQLError, type_: GraphQLLeafType) -> bool:
    """Whether the scalar raised the error itself; graphql-core's own message starts with these words."""
    return (
        not is_specified_scalar_type(type_)
        and error.original_error is None
        and not error.message.startswith("Expected value of type")
    )


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


class _Literals(_Reader[Node]):
    def is_null(self, value: Node) -> bool:
        return isinstance(value, NullValueNode)

    def is_unknown(self, value: Node) -> bool:
        return isinstance(value, VariableNode)

    def items(self, value: Node) -> Sequence[Node] | None:
        return value.values if isinstance(value, ListValueNode) else None

    def fields(self, value: Node) -> dict[str, Node] | None:
        if not isinstance(value, ObjectValueNode):
            return None
        return {field.name.value: field.value for field in value.fields}

    def find_leaf_errors(self, value: Any, type_: GraphQLLeafType) -> list[GraphQLError]:
        errors: list[GraphQLError] = []
        validate_input_literal(value, type_, lambda error, _: errors.append(error), None, None, True)
        return errors

    def show(self, value: Node) -> str:
        if isinstance(value, StringValueNode):
            return _show_json(value.value)
        if isinstance(value, ListValueNode):
            return "a list"
        return "an object" if isinstance(value, ObjectValueNode) else _shorten(print_ast(value))


_LITERALS = _Literals()


class _Json(_Reader[Any]):
    def is_null(self, value: Any) -> bool:
        return value is None

    def is_unknown(self, value: Any) -> bool:  # noqa: ARG002
        return False

    def items(self, value: Any) -> Sequence[Any] | None:
        return value if isinstance(value, list) else None

    def fields(self, value: Any) -> dict[str, Any] | None:
        return value if isinstance(value, dict) else None

    def find_leaf_errors(self, value: Any, type_: GraphQLLeafType) -> list[GraphQLError]:
        errors: list[GraphQLError] = []
        validate_input_value(value, type_, lambda error, _: errors.append(error), True)
        return errors

    def show(self, value: Any) -> str:
        return _show_json(value)


_JSON = _Json()


def _show_json(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return _shorten(orjson.dumps(value).decode())
