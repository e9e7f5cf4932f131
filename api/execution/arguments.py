"""The arguments of a field: what a document says of them, made ready before there is a request."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from graphql import GraphQLField, GraphQLNonNull
from graphql.execution.values import coerce_argument
from graphql.language import FieldNode, ListValueNode, ObjectValueNode, ValueNode, VariableNode
from graphql.pyutils import Undefined

from api.execution.run import Run
from api.execution.variables import may_be_shared

Arguments = Callable[[Run], dict[str, Any]]
"""The keyword arguments of a resolver. Raises what graphql-core raises for arguments that do not coerce."""


class _Step(NamedTuple):
    """One argument: a constant, or else the value of a variable, or else for graphql-core to coerce."""

    name: str
    constant: Any
    variable: str | None
    non_null: bool
    coerce: Callable[..., None]


def arguments_of(field: GraphQLField, node: FieldNode, *, hide_suggestions: bool) -> Arguments:
    """What makes the arguments of each request for this field, as `node` asks for it."""
    given = {argument.name.value: argument for argument in node.arguments or ()}
    steps: list[_Step] = []
    for name, definition in field.args.items():
        argument = given.get(name)
        value = argument.value if argument is not None else None
        coerce = partial(
            coerce_argument,
            node=node,
            arg_name=name,
            arg_def=definition,
            argument_node=argument,
            fragment_variable_values=None,
            hide_suggestions=hide_suggestions,
        )
        step = _Step(
            name=definition.out_name or name,
            constant=Undefined,
            variable=value.name.value if isinstance(value, VariableNode) else None,
            non_null=isinstance(definition.type, GraphQLNonNull),
            coerce=coerce,
        )
        if not _has_variables(value):
            constants = _constants(coerce)
            if constants == {}:
                continue
            if constants is not None:
                step = step._replace(constant=constants[step.name])
        steps.append(step)
    if all(step.constant is not Undefined for step in steps):
        constants = {step.name: step.constant for step in steps}
        # Who calls a resolver with these makes a dictionary of their own of them.
        return lambda run: constants  # noqa: ARG005
    return partial(_make, steps)


def _make(steps: list[_Step], run: Run) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, constant, variable, non_null, coerce in steps:
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


def _has_variables(value: ValueNode | None) -> bool:
    if isinstance(value, ListValueNode):
        return any(map(_has_variables, value.values))
    if isinstance(value, ObjectValueNode):
        return any(_has_variables(field.value) for field in value.fields)
    return isinstance(value, VariableNode)


def _constants(coerce: Callable[..., None]) -> dict[str, Any] | None:
    """The argument, if it is given or has a default; None if each request has to make its own."""
    values: dict[str, Any] = {}
    try:
        coerce(values, variable_values=None)
    except Exception:  # noqa: BLE001
        # It is for the request to fail with that, in its own place.
        return None
    return values if all(map(may_be_shared, values.values())) else None
