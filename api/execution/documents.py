"""The document cache: each document is parsed, checked, validated and planned once."""

import strawberry
from graphql import (
    GraphQLError,
    ValuesOfCorrectTypeRule,
    parse,
    specified_rules,
)
from graphql.validation import validation_context
from graphql.validation.rules import overlapping_fields_can_be_merged as overlapping_fields
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from api.execution.answer_costs import AnswerCost
from api.execution.cached_documents import Document, OperationChecks, Refusals, Segment
from api.execution.definitions import fragments_of, operations_of
from api.execution.document_limits import DocumentLimits, LimitExceeded, check_limits, exceeds
from api.execution.input_errors import ValuesOfCorrectType
from api.execution.introspection import IntrospectionSource
from api.execution.places import place_error
from api.execution.plan_support import reads_only_schema, reads_schema
from api.execution.plans import Plan, make_plan
from api.execution.validation import validate

RULES = (
    *(ValuesOfCorrectType if rule is ValuesOfCorrectTypeRule else rule for rule in specified_rules),
    # Strawberry's own validation adds these two rules to the specified ones.
    MaybeNullValidationRule,
    OneOfInputValidationRule,
)

# This rule compares all fields of one response key in pairs. With graphql-core's default budget, documents
# that repeat one field block the process for a second; with a hundredth of it for 5 ms, and a field may still
# be repeated 50 times.
overlapping_fields.MAX_COMPLEXITY_BUDGET = 8_000

# The fragments that operations share are followed for each of them.
validation_context.MAX_FRAGMENT_WORK = 5_000

VALIDATION_ABORTED = "Validation aborted."
"""graphql-core's message when one of these budgets, or its limit on nested fragments, is exhausted."""

MAX_ERRORS = 10
"""Errors of one document. Each may compare a name with all names of the schema."""

EXPENSIVE = 500
"""Points of an answer from which on graphql-core takes longer than a plan with its compilation."""


class DocumentCache:
    """A segmented LRU cache of valid documents, by their text.

    It holds at most `max_entries` documents and an estimated `max_bytes` of memory. A new document is in the
    probation segment; its second request makes its plans, unless `plans` is false, and moves it to the
    protected segment. With `plan_first_request` this happens within the first request.

    Eviction takes from probation as long as that holds more than a quarter of the capacity. So a client that
    writes values into its documents, and never sends one twice, evicts no document in use and costs no plan.

    A quarter as many refused documents are cached with their errors, in an eighth as much memory.
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
        hide_suggestions: bool = False,
    ) -> None:
        self._schema = schema._schema
        self._introspection = IntrospectionSource(self._schema)
        self._executor_class = schema.execution_context_class
        self._hide_suggestions = hide_suggestions or schema.config.disable_field_suggestions
        self._limits = limits or DocumentLimits()
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._plans = plans
        self._plan_first_request = plan_first_request
        self._refusals = Refusals(max_entries // 4, max_bytes // 8)
        self._probation = Segment()
        self._protected = Segment()
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
        is_new = document is None
        if document is None:
            prepared = self._refusals.get(text) or self._prepare(text)
            if isinstance(prepared, list):
                return prepared
            document = prepared
        is_first = is_new and not self._plan_first_request
        if not document.plans and (document.needs_plan or (self._plans and not is_first)):
            document.plans = self._make_plans(document)
        (self._probation if is_first else self._protected).put(text, document)
        self._evict()
        return document

    def _prepare(self, text: str) -> Document | list[GraphQLError]:
        prepared = self._check(text)
        if isinstance(prepared, list):
            self._refusals.put(text, prepared)
        return prepared

    def _check(self, text: str) -> Document | list[GraphQLError]:
        limits = self._limits
        if len(text) > limits.characters:
            return [exceeds("characters", limits.characters, "characters")]
        try:
            # Comments need a limit of their own: they are no lexical tokens, and the parser stores each one.
            ast = parse(text, max_lexical_tokens=limits.tokens, max_comments=limits.tokens)
        except GraphQLError as error:
            return [place_error(_explain_syntax(error, limits))]
        # Checked before validation, because some rules take quadratic time.
        if errors := check_limits(ast, limits):
            return errors
        if errors := validate(
            self._schema, ast, RULES, max_errors=MAX_ERRORS, hide_suggestions=self._hide_suggestions
        ):
            return [place_error(_explain_abort(error), ast) for error in errors]
        return self._reckon(Document(text, ast))

    def _reckon(self, document: Document) -> Document:
        """Find what each request of the document needs, and whether it needs a plan at once."""
        limit = self._limits.points
        cost = AnswerCost(self._schema, document.ast, limit)
        fragments = fragments_of(document.ast)
        for name, operation in operations_of(document.ast).items():
            points = cost.points(operation, None)
            introspects = reads_schema(operation, fragments)
            if introspects or points > limit:
                document.checks[name] = OperationChecks(
                    introspects,
                    is_constant=introspects and reads_only_schema(operation, fragments),
                    cost=cost if points > limit else None,
                    node=operation,
                )
            document.needs_plan = (
                document.needs_plan or introspects or (self._plans and points - cost.of_document > EXPENSIVE)
            )
        return document

    def _make_plans(self, document: Document) -> dict[str | None, Plan | None]:
        return {
            name: make_plan(
                self._schema,
                document.ast,
                operation.name.value if operation.name is not None else None,
                executor_class=self._executor_class,
                hide_suggestions=self._hide_suggestions,
                cache=document.selections,
                introspection=self._introspection,
            )
            for name, operation in operations_of(document.ast).items()
            if self._plans or ((checks := document.checks.get(name)) is not None and checks.introspects)
        }

    def store_answer(self, document: Document, operation_name: str | None, answer: bytes) -> None:
        """Store the answer of an operation whose answer is constant, with its document."""
        document.answers[operation_name] = answer
        for segment in (self._probation, self._protected):
            if document.text in segment:
                segment.update_size(document)
        self._evict()

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


def _explain_syntax(error: GraphQLError, limits: DocumentLimits) -> GraphQLError:
    for limit in ("tokens", "comments"):
        if f"more than {limits.tokens} {limit}" in error.message:
            return exceeds(limit, limits.tokens, limit)
    return error


def _explain_abort(error: GraphQLError) -> GraphQLError:
    if error.message != VALIDATION_ABORTED:
        return error
    most = overlapping_fields.MAX_COMPLEXITY_BUDGET
    message = (
        "The document repeats its fields, or nests its fragments, too often to be checked: this takes more "
        f"than {most} comparisons."
    )
    return LimitExceeded("comparisons", most, message)
