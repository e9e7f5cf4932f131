"""Where in a document an error is, by names: the log may show these, but not messages, which quote values."""

from collections.abc import Iterator
from typing import Any

from graphql import DocumentNode, GraphQLError
from graphql.language import (
    ArgumentNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    Node,
    ObjectFieldNode,
    VariableDefinitionNode,
)

MAX_PLACE = 200
"""Characters of a place; names in documents may be longer."""

MAX_MESSAGE = 500
"""Characters of a message. Some of graphql-core's quote the document, or list all fragments of a cycle."""

MAX_LOCATIONS = 10
"""Locations of one error."""


class PlacedError(GraphQLError):
    """An error in a document or in the values of its variables, at the `place` with these names.

    Examples are `betaKeys.filter.search`, `$input.email`, and the empty text for a whole document.
    """

    def __init__(self, message: str, place: str, nodes: list[Node] | None = None, **options: Any) -> None:
        super().__init__(message, nodes, **options)
        self.place = place[:MAX_PLACE]


def shorten_message(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}…"


def place_error(error: GraphQLError, document: DocumentNode | None = None) -> PlacedError:
    """The error of the parser or of a validation rule, with the place of its first node in `document`.

    It has limited memory, and no reference to the document or to the frames of the parser.
    """
    nodes = error.nodes or []
    place = ".".join(_names(document, nodes[0])) if document is not None and nodes else ""
    positions = [*error.positions][:MAX_LOCATIONS] if error.positions is not None else None
    return PlacedError(
        shorten_message(error.message),
        place,
        source=error.source,
        positions=positions,
        extensions=error.extensions,
    )


def _names(node: Node, target: Node) -> Iterator[str]:
    """The names of fields, arguments, variables and fragments on the way from `node` to `target`."""
    if isinstance(node, FieldNode | ArgumentNode | ObjectFieldNode | FragmentDefinitionNode):
        yield node.name.value
    elif isinstance(node, DirectiveNode):
        yield f"@{node.name.value}"
    elif isinstance(node, VariableDefinitionNode):
        yield f"${node.variable.name.value}"
    if node is target:
        return
    for child in _children(node):
        if _contains(child, target):
            yield from _names(child, target)
            return


def _children(node: Node) -> Iterator[Node]:
    for key in node.keys:
        value = getattr(node, key)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple | list):
            yield from (item for item in value if isinstance(item, Node))


def _contains(node: Node, target: Node) -> bool:
    return (
        node.loc is not None
        and target.loc is not None
        and node.loc.start <= target.loc.start
        and target.loc.end <= node.loc.end
    )
