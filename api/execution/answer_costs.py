"""What an operation may cost, in points, reckoned before it is executed.

A point is about the time of a field that reads an attribute. Each token of the document counts as `TOKEN`
points, because the limit is that of the whole request, and the document is parsed and validated first. A
mutation counts as `MUTATION` points, a field of the query type as `QUERY`, another field with a resolver as
`RESOLVER`, every other one as 1, and each item of a list as `ITEM`. What is below a list counts for each of
its items. A page has as many items as its argument `first` says. They count even if no field reads them,
because the resolver loads them.

The metadata `ITEMS` of a Strawberry field says how many items its list, or the lists directly below it, have
at most: a number, or the path of the argument that gives it. A list that says nothing counts as `OTHER_ITEMS`
items.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_composite_type,
    value_from_ast_untyped,
)
from graphql.language import FieldNode, FragmentSpreadNode
from graphql.pyutils import Undefined
from strawberry.types.field import StrawberryField

from api.execution.arguments import has_variables
from api.execution.definitions import count_tokens, fragments_of
from api.execution.document_limits import LimitExceeded

ITEMS = "items"

TOKEN = 5
MUTATION = 2_000
QUERY = 400
RESOLVER = 20
ITEM = 12

OTHER_ITEMS = 5

MAX_PAGE = 100
"""The items of a page for which `first` is larger, or is not known yet. A resolver refuses such a page."""


class AnswerCost:
    """Reckons operations of one valid document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, most: int) -> None:
        self._schema = schema
        self._most = most
        self._fragments = fragments_of(document)
        self.of_document = TOKEN * count_tokens(document)

    def find_excess(
        self, operation: OperationDefinitionNode, variables: Mapping[str, Any]
    ) -> LimitExceeded | None:
        """The error if an answer to these variables may exceed the maximum."""
        if self.points(operation, variables) <= self._most:
            return None
        message = (
            f"The answer may be worth more than {self._most} points. Ask for smaller pages, with `first`, or "
            "for fewer fields."
        )
        return LimitExceeded("points", self._most, message)

    def points(self, operation: OperationDefinitionNode, variables: Mapping[str, Any] | None) -> int:
        """The points of the operation; if they exceed the maximum, any number above it.

        Without `variables`, the most that they could be for any variables.
        """
        return self.of_document + self.of_answer(operation, variables)

    def of_answer(self, operation: OperationDefinitionNode, variables: Mapping[str, Any] | None) -> int:
        """The points of the operation without those of the document."""
        root = self._schema.get_root_type(operation.operation)
        values = None if variables is None else _with_defaults(operation, variables)
        return _Reckoning(self._schema, self._fragments, values, self._most).selection_sets(
            root, [operation.selection_set], 1, None, spent=0
        )


def _with_defaults(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }
    return {**defaults, **variables}


class _Reckoning:
    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: dict[str, Any] | None,
        most: int,
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._most = most

    def selection_sets(
        self, type_: Any, selection_sets: list[SelectionSetNode], times: int, items: int | None, spent: int
    ) -> int:
        """`spent` and the points of these selection sets of one object, which occurs `times` times.

        Fields of the same response key count once. `items` are those of the lists directly below. Ends when
        the points exceed the maximum, so that the time is bounded, too: fragments in fragments may stand for
        any number of fields.
        """
        groups: dict[str, list[tuple[FieldNode, Any]]] = {}
        # One set for all: a fragment that is spread in several of them adds nothing after the first time.
        seen: set[str] = set()
        for selection_set in selection_sets:
            self._collect(type_, selection_set, groups, seen)
        resolver = self._resolver_points(type_)
        for nodes in groups.values():
            node, parent = nodes[0]
            spent += times
            field = self._schema.get_field(parent, node.name.value)
            if field is None or node.name.value.startswith("__"):
                continue
            if _has_resolver(field):
                spent += times * (resolver - 1)
            below = [inner.selection_set for inner, _ in nodes if inner.selection_set is not None]
            children, size = times, self._items(field, node)
            if _is_list(field):
                children *= size or items or OTHER_ITEMS
                # The items of a page have counted where it was loaded.
                spent += 0 if items is not None and size is None else children * ITEM
                size = None
            elif size is not None:
                spent += times * size * ITEM
            named = get_named_type(field.type)
            if spent <= self._most and below and is_composite_type(named):
                spent = self.selection_sets(named, below, children, size, spent)
            if spent > self._most:
                break
        return spent

    def _collect(
        self,
        type_: Any,
        selection_set: SelectionSetNode,
        groups: dict[str, list[tuple[FieldNode, Any]]],
        seen: set[str],
    ) -> None:
        """Group fields by response key, with the type on which they are selected, whatever the conditions
        are."""
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                key = selection.alias.value if selection.alias is not None else selection.name.value
                groups.setdefault(key, []).append((selection, type_))
                continue
            if isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name in seen:
                    continue
                seen.add(name)
                selection = self._fragments[name]
            condition = getattr(selection, "type_condition", None)
            inner = type_ if condition is None else self._schema.get_type(condition.name.value)
            self._collect(inner, getattr(selection, "selection_set"), groups, seen)  # noqa: B009

    def _resolver_points(self, type_: Any) -> int:
        if type_ is self._schema.mutation_type:
            return MUTATION
        return QUERY if type_ is self._schema.query_type else RESOLVER

    def _items(self, field: GraphQLField, node: FieldNode) -> int | None:
        """How many items the list of this field, or the lists directly below it, have; None if that is not
        known."""
        definition = field.extensions.get("strawberry-definition")
        items = definition.metadata.get(ITEMS) if isinstance(definition, StrawberryField) else None
        if isinstance(items, int):
            return items
        path = items or ("first",)
        if path[0] not in field.args:
            return None
        # No page is larger, and no answer may have more than so many items.
        most = MAX_PAGE if items is None else self._most
        value = self._argument(field, node, path)
        if value is Undefined:
            return most
        # A resolver refuses any other value.
        return min(value, most) if isinstance(value, int) and value > 0 else 1

    def _argument(self, field: GraphQLField, node: FieldNode, path: Sequence[str]) -> Any:
        """The value of an argument, or of a field of its input object; `Undefined` if it is not known yet."""
        name, *inner = path
        literal = next((item.value for item in node.arguments or () if item.name.value == name), None)
        if literal is None:
            return field.args[name].default_value
        if self._variables is None and has_variables(literal):
            return Undefined
        value = value_from_ast_untyped(literal, self._variables)
        for key in inner:
            value = value.get(key) if isinstance(value, dict) else None
        return None if value is Undefined else value


def _is_list(field: GraphQLField) -> bool:
    type_ = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
    return isinstance(type_, GraphQLList)


def _has_resolver(field: GraphQLField) -> bool:
    definition = field.extensions.get("strawberry-definition")
    if isinstance(definition, StrawberryField):
        return not definition.is_basic_field
    return field.resolve is not None
