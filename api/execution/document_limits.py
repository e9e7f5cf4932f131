"""Limits the size of documents. They are checked before validation, which costs more."""

from typing import NamedTuple

from graphql import (
    DocumentNode,
    GraphQLError,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
)
from graphql.language import FieldNode, FragmentSpreadNode, InlineFragmentNode, TokenKind

from api.execution.definitions import fragments_of

MAX_NAME = 255
"""Characters of a name. graphql-core sorts names by the numbers in them, and fails for 4,300 digits."""

INTROSPECTION_FIELDS = ("__schema", "__type")


class DocumentLimits(NamedTuple):
    """What one document may have, and what one answer may cost.

    Together they bound the processor time of a request, most of which the parser and the validation take; see
    benchmarks/document_costs.py. Aliases, levels and introspections of a fragment count at each of its
    spreads. Levels below `__schema` and `__type` do not count: GraphiQL's introspection query has 15. There
    graphql-core's MaxIntrospectionDepthRule forbids nested lists, which make a response large.
    """

    characters: int = 20_000
    tokens: int = 1000
    """Comments are no lexical tokens. As many of them are allowed."""
    levels: int = 10
    aliases: int = 15
    operations: int = 10
    directives: int = 5
    """At one field, fragment, operation or variable. Validation would report each of many unknown ones."""
    introspections: int = 1
    """Fields `__schema` and `__type` of one operation."""
    points: int = 15_000
    """The cost of an answer: see `api.execution.answer_costs`."""


class LimitExceeded(GraphQLError):
    """A document that exceeds a limit: `extensions` name the limit and its value for programs."""

    def __init__(self, limit: str, most: int, message: str) -> None:
        super().__init__(message, extensions={"code": "LIMIT_EXCEEDED", "limit": limit, "max": most})


def exceeds(limit: str, most: int, thing: str) -> LimitExceeded:
    return LimitExceeded(limit, most, f"The document has more than {most} {thing}.")


class _Size(NamedTuple):
    levels: int
    aliases: int
    introspections: int
    directives: int


def check_limits(document: DocumentNode, limits: DocumentLimits) -> list[GraphQLError]:
    """One error for each limit that the document exceeds, except those of characters, tokens and points.

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
    introspections = max((size.introspections for size in sizes), default=0)
    directives = max([_directives_of(document), *(size.directives for size in sizes)])
    errors: list[GraphQLError] = []
    if len(sizes) > limits.operations:
        errors.append(exceeds("operations", limits.operations, "operations"))
    if _has_long_name(document):
        errors.append(
            LimitExceeded("name", MAX_NAME, f"The document has a name of more than {MAX_NAME} characters.")
        )
    if levels > limits.levels:
        errors.append(exceeds("levels", limits.levels, "levels of fields"))
    if aliases > limits.aliases:
        errors.append(exceeds("aliases", limits.aliases, "aliases"))
    if directives > limits.directives:
        errors.append(exceeds("directives", limits.directives, "directives at one place"))
    if introspections > limits.introspections:
        message = f"An operation may have only {limits.introspections} field __schema or __type."
        errors.append(LimitExceeded("introspections", limits.introspections, message))
    return errors


def _directives_of(document: DocumentNode) -> int:
    """The most directives at one definition or variable. Those of its selections are measured with it."""
    places: list[Node] = [*document.definitions]
    for definition in document.definitions:
        places += getattr(definition, "variable_definitions", None) or ()
    return max((_directives_at(place) for place in places), default=0)


def _directives_at(node: Node) -> int:
    return len(getattr(node, "directives", None) or ())


def _has_long_name(document: DocumentNode) -> bool:
    token = document.loc.start_token if document.loc is not None else None
    while token is not None:
        if token.kind is TokenKind.NAME and len(token.value or "") > MAX_NAME:
            return True
        token = token.next
    return False


class _Measurement:
    def __init__(self, document: DocumentNode) -> None:
        self._fragments = fragments_of(document)
        self._sizes: dict[str, _Size] = {}

    def measure(self, selection_set: SelectionSetNode) -> _Size:
        levels = aliases = introspections = directives = 0
        for selection in selection_set.selections:
            match selection:
                case FieldNode(selection_set=None):
                    size = _Size(1, 0, 0, 0)
                case FieldNode(selection_set=SelectionSetNode() as inner):
                    size = self.measure(inner)
                    if selection.name.value in INTROSPECTION_FIELDS:
                        size = size._replace(levels=1, introspections=1)
                    else:
                        size = size._replace(levels=size.levels + 1)
                case InlineFragmentNode(selection_set=inner):
                    size = self.measure(inner)
                case FragmentSpreadNode():
                    size = self._measure_fragment(selection.name.value)
                case _:
                    raise TypeError(f"cannot measure a {type(selection).__name__}")
            levels = max(levels, size.levels)
            aliases += size.aliases + (isinstance(selection, FieldNode) and selection.alias is not None)
            introspections += size.introspections
            directives = max(directives, size.directives, _directives_at(selection))
        return _Size(levels, aliases, introspections, directives)

    def _measure_fragment(self, name: str) -> _Size:
        size = self._sizes.get(name)
        if size is None:
            # Stops the recursion of a fragment that spreads itself. Validation, which follows, rejects such a
            # fragment, and a spread of an unknown one.
            self._sizes[name] = _Size(0, 0, 0, 0)
            fragment = self._fragments.get(name)
            if fragment is not None:
                self._sizes[name] = self.measure(fragment.selection_set)
        return self._sizes[name]
