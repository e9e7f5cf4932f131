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


def condition_variables(
    operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]
) -> tuple[str, ...] | None:
    """The variables of `@skip` and `@include`; None if a plan cannot run the operation.

    A plan supports neither introspection nor subscriptions, other directives or variables of fragments.
    """
    definitions = operation.variable_definitions or ()
    if operation.operation is OperationType.SUBSCRIPTION or operation.directives:
        return None
    if any(definition.directives for definition in definitions):
        return None
    names: dict[str, None] = {}
    for node in _walk(operation.selection_set, fragments, set()):
        if isinstance(node, FieldNode):
            if node.name.value in ("__schema", "__type"):
                return None
        elif isinstance(node, FragmentDefinitionNode):
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
