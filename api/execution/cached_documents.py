"""What the document cache holds: valid documents, and the errors of refused ones, with their size in
bytes."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode

from api.execution.answer_costs import AnswerCost
from api.execution.compiler import SelectionCache
from api.execution.definitions import count_tokens
from api.execution.document_limits import LimitExceeded
from api.execution.plans import Plan

TOKEN_BYTES = 600
"""Memory of one token with its part of the syntax tree, at most."""

PLAN_BYTES = 6_000
"""Memory of a plan without its fields, at most."""

FIELD_BYTES = 4_000
"""Memory of one field of a plan, at most."""

HASH_BYTES = 500
"""Memory of the hash of a document with its entry in a dictionary, at most."""

ERROR_BYTES = 2_500
"""Memory of one error of a refused document, at most."""


class OperationChecks(NamedTuple):
    """What each request of an operation needs before it is executed, because it depends on more than the
    document."""

    introspects: bool
    """Whether the operation reads the schema, which some clients may not."""
    is_constant: bool
    """Whether all requests have the same answer: it only reads the schema, and has no variables."""
    cost: AnswerCost | None
    """None if the answer cannot exceed the limit for any variables."""
    node: OperationDefinitionNode

    def find_excess(self, variables: Mapping[str, Any]) -> LimitExceeded | None:
        return None if self.cost is None else self.cost.find_excess(self.node, variables)


class Document:
    """A valid document, and the plans of its operations once it is requested a second time."""

    __slots__ = (
        "_fixed_size", "answers", "ast", "checks", "counted_size", "needs_plan", "plans", "query_hash",
        "selections", "text",
    )  # fmt: skip

    def __init__(self, text: str, ast: DocumentNode) -> None:
        self.text = text
        self.ast = ast
        self.query_hash: str | None = None
        """The hash by which the cache finds it, too."""
        self.plans: dict[str | None, Plan | None] = {}
        """By operation name. The plan of a single operation stands under None, too."""
        self.checks: dict[str | None, OperationChecks] = {}
        """By operation name as in `plans`, for operations that need any."""
        self.needs_plan = False
        """Whether an operation is so expensive for graphql-core that even its first request has a plan."""
        self.answers: dict[str | None, bytes] = {}
        """By operation name, the answers of operations whose answer is constant."""
        self.selections = SelectionCache()
        self.counted_size = 0
        """The size in bytes that its segment has counted."""
        self._fixed_size = 4 * len(text) + TOKEN_BYTES * count_tokens(ast)

    @property
    def size(self) -> int:
        """Estimated memory in bytes. It grows as requests reach further selection sets."""
        hash_bytes = HASH_BYTES if self.query_hash is not None else 0
        plan_bytes = PLAN_BYTES * len(self.plans) + FIELD_BYTES * self.selections.fields
        return self._fixed_size + hash_bytes + plan_bytes + sum(map(len, self.answers.values()))


class Segment:
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


class Refusals:
    """The errors of the documents that were refused last, by their text, in limited entries and bytes.

    Finding the errors takes as long as for a document that is executed, which clients cause by sending it
    again.
    """

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._errors: OrderedDict[str, list[GraphQLError]] = OrderedDict()
        self.size = 0

    def get(self, text: str) -> list[GraphQLError] | None:
        errors = self._errors.get(text)
        if errors is None:
            return None
        self._errors.move_to_end(text)
        # A copy, because callers may change the list.
        return [*errors]

    def put(self, text: str, errors: list[GraphQLError]) -> None:
        self._errors[text] = [*errors]
        self.size += _refusal_bytes(text, errors)
        while self.size > self._max_bytes or len(self._errors) > self._max_entries:
            self.size -= _refusal_bytes(*self._errors.popitem(last=False))

    def __len__(self) -> int:
        return len(self._errors)


def _refusal_bytes(text: str, errors: list[GraphQLError]) -> int:
    return 4 * len(text) + ERROR_BYTES * len(errors)
