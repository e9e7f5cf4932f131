"""The definitions of a document by name, and its length."""

from graphql import DocumentNode, FragmentDefinitionNode, OperationDefinitionNode


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }


def operations_of(document: DocumentNode) -> dict[str | None, OperationDefinitionNode]:
    """A single operation stands under None, too, because requests need not name it."""
    operations: dict[str | None, OperationDefinitionNode] = {
        definition.name.value if definition.name is not None else None: definition
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    }
    if len(operations) == 1:
        (operations[None],) = operations.values()
    return operations


def count_tokens(ast: DocumentNode) -> int:
    count = 0
    token = ast.loc.start_token if ast.loc is not None else None
    while token is not None:
        count += 1
        token = token.next
    return count
