"""Validates documents as graphql-core's `validate` does, with the same errors in the same order, in half the
time.

graphql-core visits each node with every rule, also the names, which no rule looks at, and rules that have no
method for that kind of node. Here the methods for each kind are looked up once for a document.
"""

from collections.abc import Callable, Collection
from functools import lru_cache, partial
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    visit,
)
from graphql.language import BREAK, SKIP, Node, Visitor
from graphql.language.visitor import EnterLeaveVisitor
from graphql.pyutils import RefMap
from graphql.validation import ASTValidationRule, ValidationContext
from graphql.validation.validate import (
    FragmentNestingVisitor,
    ValidationAbortedError,
    query_document_keys_to_validate,
)
from graphql.validation.validation_context import VariableUsage, VariableUsageVisitor

from api.execution.definitions import fragments_of

_KEYS = {
    kind: tuple(key for key in keys if key not in ("alias", "name"))
    for kind, keys in query_document_keys_to_validate.items()
}


def validate(
    schema: GraphQLSchema,
    document: DocumentNode,
    rules: Collection[type[ASTValidationRule]],
    *,
    max_errors: int,
    hide_suggestions: bool,
) -> list[GraphQLError]:
    """The errors of the rules; after `max_errors`, or if a rule exceeds its budget, a
    `ValidationAbortedError`."""
    errors: list[GraphQLError] = []

    def on_error(error: GraphQLError) -> None:
        if len(errors) >= max_errors:
            raise ValidationAbortedError(
                "Too many validation errors, error limit reached. Validation aborted."
            )
        errors.append(error)

    type_info = TypeInfo(schema)
    context = _Context(schema, document, type_info, on_error, hide_suggestions)
    visitors: list[Visitor] = [rule(context) for rule in rules]
    fragments = fragments_of(document)
    if fragments:
        visitors.insert(0, FragmentNestingVisitor(fragments))
    try:
        visit(document, _Rules(type_info, visitors), _KEYS)
    except ValidationAbortedError as error:
        # The traceback and the context would keep the frames of the validation in memory.
        error.__context__ = None
        errors.append(error.with_traceback(None))
    except RecursionError:
        errors.append(ValidationAbortedError("Validation aborted."))
    return errors


class _Context(ValidationContext):
    """Finds what it has cached by the identity of nodes: the hash of a node takes its whole subtree."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        caches: Any = self
        caches._fragment_spreads = RefMap()
        caches._variable_usages = RefMap()
        caches._recursive_variable_usages = RefMap()

    def get_variable_usages(
        self, node: OperationDefinitionNode | FragmentDefinitionNode
    ) -> list[VariableUsage]:
        usages = self._variable_usages.get(node)
        if usages is None:
            fragment = node if isinstance(node, FragmentDefinitionNode) else None
            visitor = VariableUsageVisitor(self._type_info, fragment)
            visit(node, _Rules(self._type_info, [visitor]), _KEYS)
            usages = self._variable_usages[node] = visitor.usages
        return usages


Visit = Callable[..., Any]


class _Rules(Visitor):
    """graphql-core's `TypeInfoVisitor` around its `ParallelVisitor`, for visitors that change no node."""

    def __init__(self, type_info: TypeInfo, visitors: list[Visitor]) -> None:
        super().__init__()
        self._type_info = type_info
        self._visitors = visitors
        self._classes = tuple(map(type, visitors))
        self._is_skipping = [False] * len(visitors)
        self._skipped: dict[int, list[int]] = {}
        """By the id of a node, the visitors that skip what is below it."""

    def get_enter_leave_for_kind(self, kind: str) -> EnterLeaveVisitor:
        enter_leave = self.enter_leave_map.get(kind)
        if enter_leave is None:
            enter_leave = EnterLeaveVisitor(self._enter(kind), self._leave(kind))
            self.enter_leave_map[kind] = enter_leave
        return enter_leave

    def _methods(self, event: str, kind: str) -> list[tuple[int, Visit]]:
        return [
            (index, getattr(self._visitors[index], name))
            for index, name in _method_names(self._classes, event, kind)
        ]

    def _enter(self, kind: str) -> Visit | None:
        enter_type = getattr(self._type_info, f"enter_{kind}", None)
        enters = self._methods("enter", kind)
        if not enters:
            return None if enter_type is None else lambda node, *_: enter_type(node)
        is_skipping, skipped = self._is_skipping, self._skipped

        def enter(node: Node, *arguments: Any) -> None:
            if enter_type is not None:
                enter_type(node)
            for index, visit_node in enters:
                if not is_skipping[index]:
                    result = visit_node(node, *arguments)
                    if result is None:
                        continue
                    is_skipping[index] = True
                    if result is SKIP or result is False:
                        skipped.setdefault(id(node), []).append(index)
                    elif result is not BREAK and result is not True:
                        raise TypeError(f"{self._classes[index].__name__} changes the document")

        return enter

    def _leave(self, kind: str) -> Visit:
        leave_type = getattr(self._type_info, f"leave_{kind}", None)
        leaves = self._methods("leave", kind)
        is_skipping, skipped = self._is_skipping, self._skipped

        def leave(node: Node, *arguments: Any) -> None:
            for index, visit_node in leaves:
                if not is_skipping[index]:
                    result = visit_node(node, *arguments)
                    if result is BREAK or result is True:
                        is_skipping[index] = True
            if skipped:
                for index in skipped.pop(id(node), ()):
                    is_skipping[index] = False
            if leave_type is not None:
                leave_type()

        return leave


@lru_cache(maxsize=200)
def _method_names(visitors: tuple[type[Visitor], ...], event: str, kind: str) -> list[tuple[int, str]]:
    """The indexes of the visitors that have a method for this event, with its name."""
    names = (f"{event}_{kind}", event)
    found = (
        (index, next(filter(partial(hasattr, visitor), names), None))
        for index, visitor in enumerate(visitors)
    )
    return [(index, name) for index, name in found if name is not None]
