"""Values made into what the client gets: a function for each type, chosen when a document is compiled."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from graphql import (
    GraphQLAbstractType,
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
    default_type_resolver,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.executor import invalid_return_type_error
from graphql.pyutils import Undefined, is_iterable

from api.execution.fields import Complete, Position, Selection
from api.execution.run import PLAIN, KeyPath, Run, is_awaitable, settle_in_background, wait_for

QUICK: dict[GraphQLOutputType, type] = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}
"""Scalars that answer any value of exactly that type as it is."""


class Selections(Protocol):
    """Where completing finds what a document asks of an object, once there is one."""

    interpreter: Executor[Any]
    """Finds the type of an abstract value by its name, and says what is wrong with a name."""

    def select(self, type_: GraphQLObjectType, details: FieldDetailsList) -> Selection: ...


def completing(
    type_: GraphQLOutputType, details: FieldDetailsList, head: tuple[Any, ...], selections: Selections
) -> Complete:
    """What completes the values of a field, or of the items of its lists; `head` begins the field's info."""
    name, nodes, _, parent_type = head
    field = f"{parent_type}.{name}"
    if isinstance(type_, GraphQLNonNull):
        return _non_null(completing(type_.of_type, details, head, selections), field)
    if isinstance(type_, GraphQLList):
        items = Position(nodes, non_null=isinstance(type_.of_type, GraphQLNonNull))
        return _list(completing(type_.of_type, details, head, selections), items, field)
    if is_leaf_type(type_):
        return _leaf(type_)
    if is_abstract_type(type_):
        return _abstract(type_, details, selections)
    if isinstance(type_, GraphQLObjectType):
        return _object(type_, details, selections)
    raise TypeError(f"{type_} is no type of an answer.")


def uses_info(type_: GraphQLOutputType) -> bool:
    """Whether completing a value of this type asks functions of the schema, which are given the info."""
    while isinstance(type_, GraphQLNonNull | GraphQLList):
        type_ = type_.of_type
    return is_abstract_type(type_) or (isinstance(type_, GraphQLObjectType) and type_.is_type_of is not None)


def _non_null(complete: Complete, field: str) -> Complete:
    def complete_non_null(run: Run, info: Any, path: KeyPath, value: Any) -> Any:
        completed = complete(run, info, path, value)
        if completed is None:
            raise TypeError(f"Cannot return null for non-nullable field {field}.")
        return completed

    return complete_non_null


def _leaf(type_: GraphQLLeafType) -> Complete:
    quick = QUICK.get(type_)

    def complete_leaf(run: Run, info: Any, path: KeyPath, value: Any) -> Any:  # noqa: ARG001
        if type(value) is quick:
            return value
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None
        return Executor.complete_leaf_value(type_, value)

    return complete_leaf


def _list(complete: Complete, items: Position, field: str) -> Complete:
    def complete_list(run: Run, info: Any, path: KeyPath, value: Any) -> Any:
        if type(value) is not list:
            if isinstance(value, Exception):
                raise value
            if value is None or value is Undefined:
                return None
            if hasattr(value, "__aiter__"):
                return _complete_async_iterator(complete, items, run, info, path, value.__aiter__())
            if not is_iterable(value):
                raise GraphQLError(f"Expected Iterable, but did not find one for field '{field}'.")
        return _complete_items(complete, items, run, info, path, value)

    return complete_list


def _complete_items(
    complete: Complete, items: Position, run: Run, info: Any, path: KeyPath, values: Iterable[Any]
) -> Any:
    results: list[Any] = []
    waiting: list[int] = []
    iterator = iter(values)
    try:
        # By hand, because `for` asks an iterator for an iterator, and not every one has one.
        while True:
            try:
                value = next(iterator)
            except StopIteration:
                break
            _add_item(results, waiting, complete, items, run, info, (path, len(results), None), value)
    except Exception:
        # What the iterator still holds would be orphaned as much as what it has given already.
        awaitables = [results[index] for index in waiting]
        awaitables.extend(_rest_that_waits(iterator))
        if awaitables:
            settle_in_background(awaitables)
        raise
    return wait_for(results, waiting) if waiting else results


def _add_item(
    results: list[Any],
    waiting: list[int],
    complete: Complete,
    items: Position,
    run: Run,
    info: Any,
    path: KeyPath,
    value: Any,
) -> None:
    if type(value) not in PLAIN and is_awaitable(value):
        waiting.append(len(results))
        results.append(items.complete_later(complete, run, info, path, value))
        return
    try:
        completed = complete(run, info, path, value)
        if type(completed) not in PLAIN and is_awaitable(completed):
            waiting.append(len(results))
            completed = items.finish_later(run, path, completed)
    except Exception as error:  # noqa: BLE001
        completed = items.fail(run, error, path)
    results.append(completed)


def _rest_that_waits(iterator: Iterator[Any]) -> list[Any]:
    awaitables: list[Any] = []
    # Whatever the iterator fails with now, the list has failed already.
    with suppress(Exception):
        awaitables.extend(value for value in iterator if is_awaitable(value))
    return awaitables


async def _complete_async_iterator(
    complete: Complete, items: Position, run: Run, info: Any, path: KeyPath, iterator: Any
) -> list[Any]:
    results: list[Any] = []
    waiting: list[int] = []
    try:
        while True:
            try:
                value = await anext(iterator)
            except StopAsyncIteration:
                break
            except Exception as error:
                raise items.located(error, path) from error
            _add_item(results, waiting, complete, items, run, info, (path, len(results), None), value)
    except Exception:
        if (close := getattr(iterator, "aclose", None)) is not None:
            # The list has failed already, whether or not its source closes well.
            with suppress(Exception):
                await close()
        if waiting:
            settle_in_background([results[index] for index in waiting])
        raise
    return await wait_for(results, waiting) if waiting else results


def _object(type_: GraphQLObjectType, details: FieldDetailsList, selections: Selections) -> Complete:
    is_type_of = type_.is_type_of
    kept: Selection | None = None

    def complete_object(run: Run, info: Any, path: KeyPath, value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None
        if is_type_of is not None:
            belongs = is_type_of(value, info)
            if type(belongs) not in PLAIN and is_awaitable(belongs):
                return complete_later(run, path, value, belongs)
            if not belongs:
                raise invalid_return_type_error(type_, value, details)
        return (kept or select()).execute(run, value, path)

    async def complete_later(run: Run, path: KeyPath, value: Any, belongs: Any) -> Any:
        if not await belongs:
            raise invalid_return_type_error(type_, value, details)
        completed = (kept or select()).execute(run, value, path)
        return await completed if type(completed) not in PLAIN and is_awaitable(completed) else completed

    def select() -> Selection:
        nonlocal kept
        kept = selections.select(type_, details)
        return kept

    return complete_object


def _abstract(type_: GraphQLAbstractType, details: FieldDetailsList, selections: Selections) -> Complete:
    resolve_type = type_.resolve_type or default_type_resolver
    kept: dict[str, Complete] = {}

    def complete_abstract(run: Run, info: Any, path: KeyPath, value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None
        name = resolve_type(value, info, type_)
        if type(name) not in PLAIN and is_awaitable(name):
            return complete_later(run, info, path, value, name)
        return of_type(name, value, info)(run, info, path, value)

    async def complete_later(run: Run, info: Any, path: KeyPath, value: Any, name: Any) -> Any:
        completed = of_type(await name, value, info)(run, info, path, value)
        return await completed if type(completed) not in PLAIN and is_awaitable(completed) else completed

    def of_type(name: Any, value: Any, info: Any) -> Complete:
        complete = kept.get(name) if type(name) is str else None
        if complete is None:
            runtime_type = selections.interpreter.ensure_valid_runtime_type(name, type_, details, info, value)
            complete = kept[runtime_type.name] = _object(runtime_type, details, selections)
        return complete

    return complete_abstract
