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
    and 90 MB when every document is made to be large.

    A quarter of the room is for newcomers; a document that is asked for again while it is there moves to
    the rest, where only documents that were asked for twice can push it out. So a flood of documents
    that are each sent once passes through the quarter and leaves those in use where they are.
    """

    def __init__(
        self, schema: strawberry.Schema, *, max_entries: int = 1000, max_bytes: int = 256 * 1024
    ) -> None:
        self._schema = schema._schema
        self._hide_suggestions = schema.config.disable_field_suggestions
        newcomers = max(1, max_entries // 4)
        self._newcomers = _Shelf(newcomers, max_bytes // 4)
        self._proven = _Shelf(max_entries - newcomers, max_bytes - max_bytes // 4)

    def get(self, text: str) -> Document:
        """The document of this text. Never raises for what the text says: see ``Document.errors``."""
        document = self._proven.get(text)
        if document is not None:
            return document
        document = self._newcomers.take(text)
        if document is not None:
            # What has to make room becomes a newcomer again: it was in use not long ago.
            for spilled_text, spilled in self._proven.put(text, document):
                self._newcomers.put(spilled_text, spilled)
            return document
        document = self._prepare(text)
        # A refused document is not kept. It costs its sender as much as us to send another one, so
        # keeping it would spare us nothing from an attacker and take a place from a document in use.
        if not document.errors:
            self._newcomers.put(text, document)
        return document

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
    """Documents in the order of their last use, as many as two bounds allow."""

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._documents: OrderedDict[str, Document] = OrderedDict()

    def get(self, text: str) -> Document | None:
        document = self._documents.get(text)
        if document is not None:
            self._documents.move_to_end(text)
        return document

    def take(self, text: str) -> Document | None:
        document = self._documents.pop(text, None)
        if document is not None:
            self._bytes -= document.size
        return document

    def put(self, text: str, document: Document) -> list[tuple[str, Document]]:
        """Add a document that is not on the shelf; returns those that had to make room for it.

        A document that is larger than the whole shelf comes straight back, and costs no other its place.
        """
        if document.size > self._max_bytes or self._max_entries < 1:
            return [(text, document)]
        self._documents[text] = document
        self._bytes += document.size
        spilled: list[tuple[str, Document]] = []
        while len(self._documents) > self._max_entries or self._bytes > self._max_bytes:
            oldest = self._documents.popitem(last=False)
            self._bytes -= oldest[1].size
            spilled.append(oldest)
        return spilled

    def __contains__(self, text: str) -> bool:
        return text in self._documents

    def __len__(self) -> int:
        return len(self._documents)


def _operations_by_name(ast: DocumentNode) -> dict[str | None, OperationDefinitionNode]:
    operations = [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]
    by_name: dict[str | None, OperationDefinitionNode] = {
        node.name.value: node for node in operations if node.name is not None
    }
    if len(operations) == 1:
        by_name[None] = operations[0]
    return by_name
