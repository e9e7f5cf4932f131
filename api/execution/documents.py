"""Documents made ready to run: parsed and validated once, then kept in a bounded cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

# Strawberry adds these two to the specified ones whenever it validates by itself.
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may be executed, or the errors that say why not.

    ``ast`` is ``None`` exactly when ``errors`` is not empty. ``operations`` maps an operation's name to
    it; if the document has only one operation, ``None`` maps to that one too, because then a request
    need not name it. ``size`` is the length of the text in bytes.
    """

    size: int
    ast: DocumentNode | None = None
    operations: Mapping[str | None, OperationDefinitionNode] = field(default_factory=dict)
    errors: tuple[GraphQLError, ...] = ()


class DocumentCache:
    """Keeps the documents that are asked for again and again, by their text.

    Both bounds hold for the cache as a whole: ``max_entries`` documents, and ``max_bytes`` of text. A
    syntax tree takes from 50 to 330 times the memory of its text, so the default is worth some 20 MB,
    and 90 MB when every document is made to be as large as it can.

    A document is a newcomer until it is asked for a second time. When there is no room it is a newcomer
    that goes, the one unused for longest; so a flood of documents that are each sent once pushes out
    itself, and leaves those in use where they are. A quarter of the room is always left to newcomers.
    """

    def __init__(
        self, schema: strawberry.Schema, *, max_entries: int = 1000, max_bytes: int = 256 * 1024
    ) -> None:
        self._schema = schema._schema
        self._hide_suggestions = schema.config.disable_field_suggestions
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._newcomers = _Shelf()
        self._proven = _Shelf()

    def get(self, text: str) -> Document:
        """The document of this text; what the text itself has wrong is in ``Document.errors``."""
        document = self._proven.get(text)
        if document is not None:
            return document
        document = self._newcomers.take(text)
        if document is not None:
            self._promote(text, document)
            return document
        document = self._prepare(text)
        # A refused document is not kept. An attacker can send another one as cheaply as the same one,
        # so keeping it would spare nothing, and take the place of a document in use. One that takes more
        # than a newcomer's room would push out all newcomers at once.
        if not document.errors and document.size <= self._max_bytes // 4:
            self._newcomers.put(text, document)
            while len(self) > self._max_entries or self._newcomers.size + self._proven.size > self._max_bytes:
                self._newcomers.take_oldest()
        return document

    def _promote(self, text: str, document: Document) -> None:
        self._proven.put(text, document)
        # What has to make room becomes a newcomer again, and the latest: it was in use not long ago.
        most_entries, most_bytes = self._max_entries * 3 // 4, self._max_bytes * 3 // 4
        while len(self._proven) > most_entries or self._proven.size > most_bytes:
            self._newcomers.put(*self._proven.take_oldest())

    def __contains__(self, text: str) -> bool:
        return text in self._proven or text in self._newcomers

    def __len__(self) -> int:
        return len(self._proven) + len(self._newcomers)

    def _prepare(self, text: str) -> Document:
        size = len(text.encode("utf-8", "replace"))
        try:
            ast = parse(text)
        except GraphQLError as error:
            return Document(size, errors=(error,))
        errors = validate(self._schema, ast, RULES, hide_suggestions=self._hide_suggestions)
        if errors:
            return Document(size, errors=tuple(errors))
        return Document(size, ast, _operations_by_name(ast))


class _Shelf:
    """Documents in the order of their last use, and the sum of their sizes."""

    def __init__(self) -> None:
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self.size = 0

    def __contains__(self, text: str) -> bool:
        return text in self._documents

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, text: str) -> Document | None:
        document = self._documents.get(text)
        if document is not None:
            self._documents.move_to_end(text)
        return document

    def put(self, text: str, document: Document) -> None:
        """Add a document that is not on the shelf."""
        self._documents[text] = document
        self.size += document.size

    def take(self, text: str) -> Document | None:
        document = self._documents.pop(text, None)
        if document is not None:
            self.size -= document.size
        return document

    def take_oldest(self) -> tuple[str, Document]:
        text, document = self._documents.popitem(last=False)
        self.size -= document.size
        return text, document


def _operations_by_name(ast: DocumentNode) -> dict[str | None, OperationDefinitionNode]:
    operations = [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]
    by_name: dict[str | None, OperationDefinitionNode] = {
        node.name.value: node for node in operations if node.name is not None
    }
    if len(operations) == 1:
        by_name[None] = operations[0]
    return by_name
