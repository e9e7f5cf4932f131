"""How large a document may be, measured before anything costly is done with it."""

from typing import NamedTuple

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)
from graphql.language import FieldNode, FragmentSpreadNode, InlineFragmentNode


class DocumentLimits(NamedTuple):
    """At most so many tokens, levels of fields and aliases in one document.

    Levels and aliases count wherever a fragment is spread, as if it were written there. Below `__schema` and
    `__type` levels do not count: the introspection of GraphiQL has 15. There graphql-core's own rule keeps
    lists from being nested, which is what makes an answer large.
    """

    tokens: int = 2000
    levels: int = 10
    aliases: int = 15


class _Size(NamedTuple):
    levels: int
    aliases: int


def exceeded(document: DocumentNode, limits: DocumentLimits) -> list[GraphQLError]:
    """What a document has too much of; empty if nothing.

    Each fragment is measured once, however often it is spread, so the work is that of reading the document.
    """
    measure = _Measure(document)
    sizes = [
        measure.selections(definition.selection_set)
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    ]
    levels = max((size.levels for size in sizes), default=0)
    aliases = sum(size.aliases for size in sizes)
    errors: list[GraphQLError] = []
    if levels > limits.levels:
        errors.append(GraphQLError(f"The document has more than {limits.levels} levels of fields."))
    if aliases > limits.aliases:
        errors.append(GraphQLError(f"The document has more than {limits.aliases} aliases."))
    return errors


class _Measure:
    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._sizes: dict[str, _Size] = {}

    def selections(self, selection_set: SelectionSetNode) -> _Size:
        levels = aliases = 0
        for selection in selection_set.selections:
            match selection:
                case FieldNode(selection_set=None):
                    size = _Size(1, 0)
                case FieldNode(selection_set=SelectionSetNode() as inner):
                    size = self.selections(inner)
                    introspects = selection.name.value in ("__schema", "__type")
                    size = _Size(1 if introspects else size.levels + 1, size.aliases)
                case InlineFragmentNode(selection_set=inner):
                    size = self.selections(inner)
                case FragmentSpreadNode():
                    size = self._fragment(selection.name.value)
                case _:
                    raise TypeError(f"{type(selection).__name__} is no selection that this measures")
            levels = max(levels, size.levels)
            aliases += size.aliases + (isinstance(selection, FieldNode) and selection.alias is not None)
        return _Size(levels, aliases)

    def _fragment(self, name: str) -> _Size:
        size = self._sizes.get(name)
        if size is None:
            # Validation comes later, and refuses a fragment that spreads itself, and one that is not there.
            self._sizes[name] = _Size(0, 0)
            fragment = self._fragments.get(name)
            if fragment is not None:
                self._sizes[name] = self.selections(fragment.selection_set)
        return self._sizes[name]
