"""What of a document a plan can run, and on which variables its shape depends."""

from collections.abc import Iterator

from graphql import (
    DirectiveNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)
from graphql.language import FieldNode, FragmentSpreadNode, InlineFragmentNode, VariableNode


def conditions_of(
    operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]
) -> tuple[str, ...] | None:
    """The variables of `@skip` and `@include`; None if the operation is one for graphql-core.

    That is every one with something that a plan does not handle: introspection, subscriptions, any other
    directive, and variables of fragments.
    """
    definitions = operation.variable_definitions or ()
    if operation.operation is OperationType.SUBSCRIPTION or operation.directives:
        return None
    if any(definition.directives for definition in definitions):
        return None
    names: dict[str, None] = {}
    for found in _walk(operation.selection_set, fragments, set()):
        if isinstance(found, FieldNode):
            if found.name.value in ("__schema", "__type"):
                return None
        elif isinstance(found, FragmentDefinitionNode):
            if found.directives or found.variable_definitions:
                return None
        elif isinstance(found, FragmentSpreadNode):
            if found.arguments:
                return None
        elif isinstance(found, DirectiveNode):
            if found.name.value not in ("skip", "include"):
                return None
            for condition in found.arguments or ():
                if isinstance(condition.value, VariableNode):
                    names[condition.value.name.value] = None
    return tuple(names)


def _walk(
    selection_set: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode], seen: set[str]
) -> Iterator[FieldNode | DirectiveNode | FragmentDefinitionNode | FragmentSpreadNode]:
    """Everything below, and what is spread there; each fragment once."""
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
