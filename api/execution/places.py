"""Where in a document an error is, by names: the log may show these, but not messages, which quote values."""

from collections.abc import Iterator

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


class PlacedError(GraphQLError):
    """An error in a document or in the values of its variables, at the `place` with these names.

    Examples are `betaKeys.filter.search`, `$input.email`, and the empty text for a whole document.
    """

    def __init__(self, message: str, place: str, nodes: list[Node] | None = None) -> None:
        super().__init__(message, nodes)
        self.place = place[:MAX_PLACE]


def place_error(error: GraphQLError, document: DocumentNode) -> PlacedError:
    """The error of a validation rule, with the place of its first node."""
    nodes = error.nodes or []
    return PlacedError(error.message, ".".join(_names(document, nodes[0])) if nodes else "", nodes)


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
