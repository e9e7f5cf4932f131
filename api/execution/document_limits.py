"""Limits the size of documents. They are checked before validation, which costs more."""

from typing import NamedTuple

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)
from graphql.language import FieldNode, FragmentSpreadNode, InlineFragmentNode, TokenKind

MAX_NAME = 255
"""Characters of a name. graphql-core sorts names by the numbers in them, and fails for 4,300 digits."""


class DocumentLimits(NamedTuple):
    """The maximum number of tokens, of nested levels of fields, and of aliases in one document.

    The levels and aliases of a fragment count at each of its spreads. Levels below `__schema` and `__type` do
    not count: GraphiQL's introspection query has 15. There graphql-core's MaxIntrospectionDepthRule forbids
    nested lists, which make a response large.
    """

    tokens: int = 2000
    levels: int = 10
    aliases: int = 15


class _Size(NamedTuple):
    levels: int
    aliases: int


def check_limits(document: DocumentNode, limits: DocumentLimits) -> list[GraphQLError]:
    """One error for each limit of names, levels and aliases that the document exceeds.

    Each fragment is measured once, however often it is spread, so the time is linear in the document's size.
    """
    measurement = _Measurement(document)
    sizes = [
        measurement.measure(definition.selection_set)
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    ]
    levels = max((size.levels for size in sizes), default=0)
    aliases = sum(size.aliases for size in sizes)
    errors: list[GraphQLError] = []
    if _has_long_name(document):
        errors.append(GraphQLError(f"The document has a name of more than {MAX_NAME} characters."))
    if levels > limits.levels:
        errors.append(GraphQLError(f"The document has more than {limits.levels} levels of fields."))
    if aliases > limits.aliases:
        errors.append(GraphQLError(f"The document has more than {limits.aliases} aliases."))
    return errors


def _has_long_name(document: DocumentNode) -> bool:
    token = document.loc.start_token if document.loc is not None else None
    while token is not None:
        if token.kind is TokenKind.NAME and len(token.value or "") > MAX_NAME:
            return True
        token = token.next
    return False


class _Measurement:
    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._sizes: dict[str, _Size] = {}

    def measure(self, selection_set: SelectionSetNode) -> _Size:
        levels = aliases = 0
        for selection in selection_set.selections:
            match selection:
                case FieldNode(selection_set=None):
                    size = _Size(1, 0)
                case FieldNode(selection_set=SelectionSetNode() as inner):
                    size = self.measure(inner)
                    introspects = selection.name.value in ("__schema", "__type")
                    size = _Size(1 if introspects else size.levels + 1, size.aliases)
                case InlineFragmentNode(selection_set=inner):
                    size = self.measure(inner)
                case FragmentSpreadNode():
                    size = self._measure_fragment(selection.name.value)
                case _:
                    raise TypeError(f"cannot measure a {type(selection).__name__}")
            levels = max(levels, size.levels)
            aliases += size.aliases + (isinstance(selection, FieldNode) and selection.alias is not None)
        return _Size(levels, aliases)

    def _measure_fragment(self, name: str) -> _Size:
        size = self._sizes.get(name)
        if size is None:
            # Stops the recursion of a fragment that spreads itself. Validation, which follows, rejects such a
            # fragment, and a spread of an unknown one.
            self._sizes[name] = _Size(0, 0)
            fragment = self._fragments.get(name)
            if fragment is not None:
                self._sizes[name] = self.measure(fragment.selection_set)
        return self._sizes[name]
