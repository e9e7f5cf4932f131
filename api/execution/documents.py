"""The document cache: each document is parsed, checked, validated and planned once."""

from collections import OrderedDict

import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    ValuesOfCorrectTypeRule,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged as overlapping_fields
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from api.execution.compiler import SelectionCache
from api.execution.document_limits import DocumentLimits, check_limits
from api.execution.input_errors import ValuesOfCorrectType
from api.execution.places import place_error
from api.execution.plans import Plan, make_plan

RULES = (
    *(ValuesOfCorrectType if rule is ValuesOfCorrectTypeRule else rule for rule in specified_rules),
    # Strawberry's own validation adds these two rules to the specified ones.
    MaybeNullValidationRule,
    OneOfInputValidationRule,
)

# This rule compares all fields of one response key in pairs. With graphql-core's default budget, 2,000 tokens
# that repeat one field block the process for 1.4 s; with a tenth of it for 0.2 s, and a field may still be
# repeated 150 times.
overlapping_fields.MAX_COMPLEXITY_BUDGET = 50_000

VALIDATION_ABORTED = "Validation aborted."
"""graphql-core's message when that budget, or its limit on nested fragments, is exhausted."""


TOKEN_BYTES = 600
"""Memory of one token with its part of the syntax tree, at most."""

PLAN_BYTES = 6_000
"""Memory of a plan without its fields, at most."""

FIELD_BYTES = 4_000
"""Memory of one field of a plan, at most."""

HASH_BYTES = 500
"""Memory of the hash of a document with its entry in a dictionary, at most."""


class Document:
    """A valid document, and the plans of its operations once it is requested a second time."""

    __slots__ = ("_fixed_size", "ast", "counted_size", "plans", "query_hash", "selections", "text")

    def __init__(self, text: str, ast: DocumentNode) -> None:
        self.text = text
        self.ast = ast
        self.query_hash: str | None = None
        """The hash by which the cache finds it, too."""
        self.plans: dict[str | None, Plan | None] = {}
        """By operation name. The plan of a single operation stands under None, too."""
        self.selections = SelectionCache()
        self.counted_size = 0
        """The size in bytes that its segment has counted."""
        self._fixed_size = 4 * len(text) + TOKEN_BYTES * _count_tokens(ast)

    @property
    def size(self) -> int:
        """Estimated memory in bytes. It grows as requests reach further selection sets."""
        hash_bytes = HASH_BYTES if self.query_hash is not None else 0
        plan_bytes = PLAN_BYTES * len(self.plans) + FIELD_BYTES * self.selections.fields
        return self._fixed_size + hash_bytes + plan_bytes


def _count_tokens(ast: DocumentNode) -> int:
    count = 0
    token = ast.loc.start_token if ast.loc is not None else None
    while token is not None:
        count += 1
        token = token.next
    return count


class DocumentCache:
    """A segmented LRU cache of valid documents, by their text.

    It holds at most `max_entries` documents and an estimated `max_bytes` of memory. A new document is in the
    probation segment; its second request makes its plans, unless `plans` is false, and moves it to the
    protected segment. With `plan_first_request` this happens within the first request.

    Eviction takes from probation as long as that holds more than a quarter of the capacity. So a client that
    writes values into its documents, and never sends one twice, evicts no document in use and costs no plan.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        limits: DocumentLimits | None = None,
        *,
        max_entries: int = 1000,
        max_bytes: int = 32_000_000,
        plans: bool = True,
        plan_first_request: bool = False,
    ) -> None:
        self._schema = schema._schema
        self._executor_class = schema.execution_context_class
        self._hide_suggestions = schema.config.disable_field_suggestions
        self._limits = limits or DocumentLimits()
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._plans = plans
        self._plan_first_request = plan_first_request
        self._probation = _Segment()
        self._protected = _Segment()
        self._texts: dict[str, str] = {}
        """The texts of documents by their hashes. Eviction of the document ends both."""

    def get_by_hash(self, query_hash: str) -> Document | list[GraphQLError] | None:
        """The document that `get` cached with this hash; None if it is not in the cache."""
        text = self._texts.get(query_hash)
        return self.get(text, query_hash) if text is not None else None

    def get(self, text: str, query_hash: str | None = None) -> Document | list[GraphQLError]:
        """The document with this text, or the syntax and validation errors of the text.

        With `query_hash`, which the caller has checked, `get_by_hash` finds the document from now on.
        """
        document = self._get(text)
        if query_hash is not None and isinstance(document, Document) and document.query_hash is None:
            for segment in (self._probation, self._protected):
                if text in segment:
                    document.query_hash = query_hash
                    self._texts[query_hash] = document.text
                    segment.update_size(document)
            self._evict()
        return document

    def _get(self, text: str) -> Document | list[GraphQLError]:
        document = self._protected.get(text)
        if document is not None:
            if self._protected.update_size(document):
                self._evict()
            return document
        document = self._probation.pop(text)
        if document is None:
            document = self._prepare(text)
            if isinstance(document, list):
                return document
            if not self._plan_first_request:
                self._probation.put(text, document)
                self._evict()
                return document
        if self._plans:
            document.plans = self._make_plans(document)
        self._protected.put(text, document)
        self._evict()
        return document

    def _prepare(self, text: str) -> Document | list[GraphQLError]:
        try:
            # Comments need a limit of their own: they are no lexical tokens, and the parser stores each one.
            ast = parse(text, max_lexical_tokens=self._limits.tokens, max_comments=self._limits.tokens)
        except GraphQLError as error:
            return [error]
        # Checked before validation, because some rules take quadratic time.
        if errors := check_limits(ast, self._limits):
            return errors
        # Invalid documents are not cached: a client can vary them without end, at no cost.
        if errors := validate(self._schema, ast, RULES, hide_suggestions=self._hide_suggestions):
            return [place_error(_explain_abort(error), ast) for error in errors]
        return Document(text, ast)

    def _make_plans(self, document: Document) -> dict[str | None, Plan | None]:
        plans: dict[str | None, Plan | None] = {
            (operation.name.value if operation.name is not None else None): make_plan(
                self._schema,
                document.ast,
                operation.name.value if operation.name is not None else None,
                executor_class=self._executor_class,
                hide_suggestions=self._hide_suggestions,
                cache=document.selections,
            )
            for operation in document.ast.definitions
            if isinstance(operation, OperationDefinitionNode)
        }
        if len(plans) == 1:
            (plans[None],) = plans.values()
        return plans

    def _evict(self) -> None:
        probation, protected = self._probation, self._protected
        while (
            len(probation) + len(protected) > self._max_entries
            or probation.size + protected.size > self._max_bytes
        ):
            if 4 * len(probation) > self._max_entries or 4 * probation.size > self._max_bytes:
                dropped = probation.drop_oldest()
            else:
                dropped = protected.drop_oldest()
            if dropped.query_hash is not None:
                del self._texts[dropped.query_hash]

    def __contains__(self, text: str) -> bool:
        return text in self._probation or text in self._protected

    def __len__(self) -> int:
        return len(self._probation) + len(self._protected)


def _explain_abort(error: GraphQLError) -> GraphQLError:
    if error.message != VALIDATION_ABORTED:
        return error
    return GraphQLError("The document repeats its fields, or nests its fragments, too often to be checked.")


class _Segment:
    """A part of the cache: documents in the order of their last use, and their size in bytes."""

    def __init__(self) -> None:
        self.size = 0
        self._documents: OrderedDict[str, Document] = OrderedDict()

    def get(self, text: str) -> Document | None:
        document = self._documents.get(text)
        if document is not None:
            self._documents.move_to_end(text)
        return document

    def update_size(self, document: Document) -> bool:
        """Count the present size of a document of this segment. Returns whether it has changed."""
        size = document.size
        if size == document.counted_size:
            return False
        self.size += size - document.counted_size
        document.counted_size = size
        return True

    def pop(self, text: str) -> Document | None:
        document = self._documents.pop(text, None)
        if document is not None:
            self._uncount(document)
        return document

    def _uncount(self, document: Document) -> None:
        self.size -= document.counted_size
        document.counted_size = 0

    def put(self, text: str, document: Document) -> None:
        self._documents[text] = document
        self.update_size(document)

    def drop_oldest(self) -> Document:
        _, document = self._documents.popitem(last=False)
        self._uncount(document)
        return document

    def __contains__(self, text: str) -> bool:
        return text in self._documents

    def __len__(self) -> int:
        return len(self._documents)
