"""Decides whether a plan can run an operation, and finds the variables on which its fields depend."""

from collections.abc import Iterator

from graphql import (
    DirectiveNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)
from graphql.language import FieldNode, FragmentSpreadNode, InlineFragmentNode, VariableNode

from api.execution.document_limits import INTROSPECTION_FIELDS


def condition_variables(
    operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]
) -> tuple[str, ...] | None:
    """The variables of `@skip` and `@include`; None if a plan cannot run the operation.

    A plan supports neither subscriptions nor other directives or variables of fragments.
    """
    definitions = operation.variable_definitions or ()
    if operation.operation is OperationType.SUBSCRIPTION or operation.directives:
        return None
    if any(definition.directives for definition in definitions):
        return None
    names: dict[str, None] = {}
    for node in _walk(operation.selection_set, fragments, set()):
        if isinstance(node, FragmentDefinitionNode):
            if node.directives or node.variable_definitions:
                return None
        elif isinstance(node, FragmentSpreadNode):
            if node.arguments:
                return None
        elif isinstance(node, DirectiveNode):
            if node.name.value not in ("skip", "include"):
                return None
            for condition in node.arguments or ():
                if isinstance(condition.value, VariableNode):
                    names[condition.value.name.value] = None
    return tuple(names)


def reads_schema(operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]) -> bool:
    return any(
        isinstance(node, FieldNode) and node.name.value in INTROSPECTION_FIELDS
        for node in _walk(operation.selection_set, fragments, set())
    )


def reads_only_schema(
    operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]
) -> bool:
    """Whether all requests of the operation have the same answer."""
    return not operation.variable_definitions and all(
        name in (*INTROSPECTION_FIELDS, "__typename")
        for name in _root_fields(operation.selection_set, fragments, set())
    )


def _root_fields(
    selection_set: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode], seen: set[str]
) -> Iterator[str]:
    for selection in selection_set.selections:
        if isinstance(selection, FieldNode):
            yield selection.name.value
        elif isinstance(selection, InlineFragmentNode):
            yield from _root_fields(selection.selection_set, fragments, seen)
        elif isinstance(selection, FragmentSpreadNode) and (name := selection.name.value) not in seen:
            seen.add(name)
            yield from _root_fields(fragments[name].selection_set, fragments, seen)


def _walk(
    selection_set: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode], seen: set[str]
) -> Iterator[FieldNode | DirectiveNode | FragmentDefinitionNode | FragmentSpreadNode]:
    """All nodes below `selection_set`, and each fragment that is spread there, once."""
    for selection in selection_set.selections:
        yield from selection.directives or ()
        if isinstance(selection, FieldNode):
            yield selection
            if selection.selection_set is not None:
                yield from _walk(selection.selection_set, fragments, seen)
        elif isinstance(selection, InlineFragmentNode):
            yield from _walk(selection.selection_set, fragments, seen)
        elif isinstance(selection, FragmentSpreadNode):
            yield selection
            name = selection.name.value
            if name not in seen and name in fragments:
                seen.add(name)
                yield fragments[name]
                yield from _walk(fragments[name].selection_set, fragments, seen)
