"""Documents made ready to run: parsed, measured and validated once, then kept in a bounded cache."""

from collections import OrderedDict

import strawberry
from graphql import DocumentNode, GraphQLError, parse, specified_rules, validate
from graphql.validation.rules import overlapping_fields_can_be_merged as overlapping_fields
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from api.execution.document_limits import DocumentLimits, exceeded

# Strawberry adds these two to the specified ones whenever it validates by itself.
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)

# Fields of one name are compared each with each. As graphql-core comes, 2,000 tokens that repeat one field
# keep the process busy for 1.4 s; with a tenth of its budget for 0.2 s, and one may still be there 150 times.
overlapping_fields.MAX_COMPLEXITY_BUDGET = 50_000

ABORTED = "Validation aborted."
"""All that graphql-core says when that budget, or its bound on nested fragments, is used up."""


class DocumentCache:
    """Keeps the valid documents that are asked for again and again, by their text.

    It holds at most `max_entries` documents, and `max_characters` of text. A syntax tree takes from 50 to
    400 bytes for each character of its text, so the default is worth 13 MB, and 100 MB if every document
    is made to be large.

    Documents that were asked for only once make room first, as long as they have more than a quarter of
    the room. So a flood of documents that are each sent once, as by a client that writes values into its
    documents, leaves those in use where they are.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        limits: DocumentLimits | None = None,
        *,
        max_entries: int = 1000,
        max_characters: int = 256 * 1024,
    ) -> None:
        self._schema = schema._schema
        self._hide_suggestions = schema.config.disable_field_suggestions
        self._limits = limits or DocumentLimits()
        self._max_entries = max_entries
        self._max_characters = max_characters
        self._once = _Shelf()
        self._again = _Shelf()

    def get(self, text: str) -> DocumentNode | list[GraphQLError]:
        """The document that the text says, or the reasons why there is none to execute."""
        document = self._again.take(text) or self._once.take(text)
        if document is not None:
            self._again.put(text, document)
            return document
        try:
            # Comments have a limit of their own, because the parser keeps each of them as a token.
            document = parse(text, max_lexical_tokens=self._limits.tokens, max_comments=self._limits.tokens)
        except GraphQLError as error:
            return [error]
        # Before the rules, because some of them take time that grows with the square of what they look at.
        if errors := exceeded(document, self._limits):
            return errors
        # What is refused is not kept: who sends many of these can as easily make each a new one.
        if errors := validate(self._schema, document, RULES, hide_suggestions=self._hide_suggestions):
            return [_explained(error) for error in errors]
        self._once.put(text, document)
        self._make_room()
        return document

    def _make_room(self) -> None:
        once, again = self._once, self._again
        while (
            len(once) + len(again) > self._max_entries
            or once.characters + again.characters > self._max_characters
        ):
            if 4 * len(once) > self._max_entries or 4 * once.characters > self._max_characters:
                once.drop_oldest()
            else:
                again.drop_oldest()

    def __contains__(self, text: str) -> bool:
        return text in self._once or text in self._again

    def __len__(self) -> int:
        return len(self._once) + len(self._again)


def _explained(error: GraphQLError) -> GraphQLError:
    if error.message != ABORTED:
        return error
    return GraphQLError("The document repeats its fields, or nests its fragments, too often to be checked.")


class _Shelf:
    """Documents in the order of their last use, and how many characters their texts have."""

    def __init__(self) -> None:
        self.characters = 0
        self._documents: OrderedDict[str, DocumentNode] = OrderedDict()

    def take(self, text: str) -> DocumentNode | None:
        document = self._documents.pop(text, None)
        if document is not None:
            self.characters -= len(text)
        return document

    def put(self, text: str, document: DocumentNode) -> None:
        self._documents[text] = document
        self.characters += len(text)

    def drop_oldest(self) -> None:
        text, _ = self._documents.popitem(last=False)
        self.characters -= len(text)

    def __contains__(self, text: str) -> bool:
        return text in self._documents

    def __len__(self) -> int:
        return len(self._documents)
