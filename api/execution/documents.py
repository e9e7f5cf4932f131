"""Documents made ready to run: parsed, measured, validated and planned once, then kept in a bounded cache."""

from collections import OrderedDict

import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged as overlapping_fields
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from api.execution.compiler import SelectionCache
from api.execution.document_limits import DocumentLimits, exceeded
from api.execution.plans import Plan, make_plan

# Strawberry adds these two to the specified ones whenever it validates by itself.
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)

# Fields of one name are compared each with each. As graphql-core comes, 2,000 tokens that repeat one field
# keep the process busy for 1.4 s; with a tenth of its budget for 0.2 s, and one may still be there 150 times.
overlapping_fields.MAX_COMPLEXITY_BUDGET = 50_000

ABORTED = "Validation aborted."
"""All that graphql-core says when that budget, or its bound on nested fragments, is used up."""


TOKEN_BYTES = 600
"""What one token of a document takes in memory at most, with its part of the syntax tree."""

PLAN_BYTES = 6_000
"""What a plan takes at most, apart from its fields."""

FIELD_BYTES = 4_000
"""What one field of a plan takes at most."""


class Document:
    """A valid document, and the plans of its operations if it was asked for again."""

    __slots__ = ("_fixed_size", "ast", "counted", "kept", "plans")

    def __init__(self, text: str, ast: DocumentNode) -> None:
        self.ast = ast
        self.plans: dict[str | None, Plan | None] = {}
        """By the names of the operations; one alone is found without a name too."""
        self.kept = SelectionCache()
        self.counted = 0
        """Bytes that the cache has counted it with."""
        self._fixed_size = 4 * len(text) + TOKEN_BYTES * _count_tokens(ast)

    @property
    def size(self) -> int:
        """Bytes; it grows while requests come across more and more of what the document may ask for."""
        return self._fixed_size + PLAN_BYTES * len(self.plans) + FIELD_BYTES * self.kept.fields


def _count_tokens(ast: DocumentNode) -> int:
    count = 0
    token = ast.loc.start_token if ast.loc is not None else None
    while token is not None:
        count += 1
        token = token.next
    return count


class DocumentCache:
    """Keeps the valid documents that are asked for again and again, by their text.

    It holds at most `max_entries` documents, which take at most `max_bytes` of memory; what one takes is
    reckoned by its tokens, and by the fields of its plans. Plans are made, unless `plans` is false, when a
    document is asked for a second time; with `plan_from=1` when it is asked for the first time.

    Documents that were asked for only once make room first, as long as they have more than a quarter of
    the room. So a flood of documents that are each sent once, as by a client that writes values into its
    documents, leaves those in use where they are, and costs no plan.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        limits: DocumentLimits | None = None,
        *,
        max_entries: int = 1000,
        max_bytes: int = 32_000_000,
        plans: bool = True,
        plan_from: int = 2,
    ) -> None:
        self._schema = schema._schema
        self._executor_class = schema.execution_context_class
        self._hide_suggestions = schema.config.disable_field_suggestions
        self._limits = limits or DocumentLimits()
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._plans = plans
        self._plan_from = plan_from
        self._once = _Shelf()
        self._again = _Shelf()

    def get(self, text: str) -> Document | list[GraphQLError]:
        """The document that the text says, or the reasons why there is none to execute."""
        document = self._again.find(text)
        if document is not None:
            if self._again.recount(document):
                self._make_room()
            return document
        document = self._once.take(text)
        if document is None:
            document = self._prepare(text)
            if isinstance(document, list) or self._plan_from > 1:
                return document
            self._once.take(text)
        if self._plans:
            document.plans = self._make_plans(document)
        self._again.put(text, document)
        self._make_room()
        return document

    def _prepare(self, text: str) -> Document | list[GraphQLError]:
        try:
            # Comments have a limit of their own, because the parser keeps each of them as a token.
            ast = parse(text, max_lexical_tokens=self._limits.tokens, max_comments=self._limits.tokens)
        except GraphQLError as error:
            return [error]
        # Before the rules, because some of them take time that grows with the square of what they look at.
        if errors := exceeded(ast, self._limits):
            return errors
        # What is refused is not kept: who sends many of these can as easily make each a new one.
        if errors := validate(self._schema, ast, RULES, hide_suggestions=self._hide_suggestions):
            return [_explained(error) for error in errors]
        document = Document(text, ast)
        self._once.put(text, document)
        self._make_room()
        return document

    def _make_plans(self, document: Document) -> dict[str | None, Plan | None]:
        plans: dict[str | None, Plan | None] = {
            (operation.name.value if operation.name is not None else None): make_plan(
                self._schema,
                document.ast,
                operation.name.value if operation.name is not None else None,
                executor_class=self._executor_class,
                hide_suggestions=self._hide_suggestions,
                kept=document.kept,
            )
            for operation in document.ast.definitions
            if isinstance(operation, OperationDefinitionNode)
        }
        if len(plans) == 1:
            (plans[None],) = plans.values()
        return plans

    def _make_room(self) -> None:
        once, again = self._once, self._again
        while len(once) + len(again) > self._max_entries or once.size + again.size > self._max_bytes:
            if 4 * len(once) > self._max_entries or 4 * once.size > self._max_bytes:
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
    """Documents in the order of their last use, and how many bytes they take."""

    def __init__(self) -> None:
        self.size = 0
        self._documents: OrderedDict[str, Document] = OrderedDict()

    def find(self, text: str) -> Document | None:
        document = self._documents.get(text)
        if document is not None:
            self._documents.move_to_end(text)
        return document

    def recount(self, document: Document) -> bool:
        """Count one of these with what it takes now; whether that is another number."""
        size = document.size
        if size == document.counted:
            return False
        self.size += size - document.counted
        document.counted = size
        return True

    def take(self, text: str) -> Document | None:
        document = self._documents.pop(text, None)
        if document is not None:
            self._forget(document)
        return document

    def _forget(self, document: Document) -> None:
        self.size -= document.counted
        document.counted = 0

    def put(self, text: str, document: Document) -> None:
        self._documents[text] = document
        self.recount(document)

    def drop_oldest(self) -> None:
        _, document = self._documents.popitem(last=False)
        self._forget(document)

    def __contains__(self, text: str) -> bool:
        return text in self._documents

    def __len__(self) -> int:
        return len(self._documents)
