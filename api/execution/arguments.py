"""Compiles the arguments of a field: constants are coerced once, the rest for each request."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from graphql import GraphQLField, GraphQLNonNull
from graphql.execution.values import coerce_argument
from graphql.language import FieldNode, ListValueNode, ObjectValueNode, ValueNode, VariableNode
from graphql.pyutils import Undefined

from api.execution.run import Run
from api.execution.variables import is_immutable

GetArguments = Callable[[Run], dict[str, Any]]
"""Returns the keyword arguments of a resolver. Raises graphql-core's error for one that cannot be coerced."""


class _Argument(NamedTuple):
    """One argument: a constant, the value of a variable, or a literal that graphql-core coerces each time."""

    name: str
    constant: Any
    """`Undefined` if the value depends on the request."""
    variable: str | None
    non_null: bool
    coerce: Callable[..., None]


def compile_arguments(field: GraphQLField, node: FieldNode, *, hide_suggestions: bool) -> GetArguments:
    """The function that returns the arguments with which `node` calls `field`."""
    argument_nodes = {argument.name.value: argument for argument in node.arguments or ()}
    arguments: list[_Argument] = []
    for name, definition in field.args.items():
        argument_node = argument_nodes.get(name)
        value = argument_node.value if argument_node is not None else None
        coerce = partial(
            coerce_argument,
            node=node,
            arg_name=name,
            arg_def=definition,
            argument_node=argument_node,
            fragment_variable_values=None,
            hide_suggestions=hide_suggestions,
        )
        argument = _Argument(
            name=definition.out_name or name,
            constant=Undefined,
            variable=value.name.value if isinstance(value, VariableNode) else None,
            non_null=isinstance(definition.type, GraphQLNonNull),
            coerce=coerce,
        )
        if not has_variables(value):
            constants = _coerce_constant(coerce)
            if constants == {}:
                continue
            if constants is not None:
                argument = argument._replace(constant=constants[argument.name])
        arguments.append(argument)
    if all(argument.constant is not Undefined for argument in arguments):
        constants = {argument.name: argument.constant for argument in arguments}
        # All requests share this dictionary: it is unpacked into `**arguments`, which copies it.
        return lambda run: constants  # noqa: ARG005
    return partial(_get_arguments, arguments)


def _get_arguments(arguments: list[_Argument], run: Run) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, constant, variable, non_null, coerce in arguments:
        if constant is not Undefined:
            values[name] = constant
            continue
        if variable is not None:
            value = run.variables.coerced.get(variable, Undefined)
            if value is not Undefined and not (non_null and value is None):
                values[name] = value
                continue
        coerce(values, variable_values=run.variables)
    return values


def has_variables(value: ValueNode | None) -> bool:
    if isinstance(value, ListValueNode):
        return any(map(has_variables, value.values))
    if isinstance(value, ObjectValueNode):
        return any(has_variables(field.value) for field in value.fields)
    return isinstance(value, VariableNode)


def _coerce_constant(coerce: Callable[..., None]) -> dict[str, Any] | None:
    """The argument by its name; empty if it is absent and has no default; None if it cannot be shared."""
    values: dict[str, Any] = {}
    try:
        coerce(values, variable_values=None)
    except Exception:  # noqa: BLE001
        # Each request coerces it again, and so gets this error at the path of its field.
        return None
    return values if all(map(is_immutable, values.values())) else None
