"""Value completion (section 6.4.3 of the GraphQL specification): one function for each type of a document."""

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

from api.execution.fields import CompleteValue, ResponsePosition, SelectionSet
from api.execution.run import (
    NOT_AWAITABLE,
    KeyPath,
    Run,
    await_results,
    is_awaitable,
    settle_in_background,
)

PASSTHROUGH_TYPES: dict[GraphQLOutputType, type] = {
    GraphQLString: str,
    GraphQLID: str,
    GraphQLBoolean: bool,
}
"""Scalars that serialize a value of exactly this Python type to that same value."""


class SubfieldCompiler(Protocol):
    """Compiles the selection set of an object when the first value of its type is completed."""

    executor: Executor[Any]
    """Finds the runtime type of an abstract type by its name, or raises graphql-core's error."""

    def compile_subfields(self, type_: GraphQLObjectType, details: FieldDetailsList) -> SelectionSet: ...


def compile_completion(
    type_: GraphQLOutputType,
    details: FieldDetailsList,
    info_head: tuple[Any, ...],
    compiler: SubfieldCompiler,
) -> CompleteValue:
    """The function that completes values of `type_`: those of a field, or of the items of its lists.

    `info_head` holds the first attributes of the field's resolve info.
    """
    name, nodes, _, parent_type = info_head
    field = f"{parent_type}.{name}"
    if isinstance(type_, GraphQLNonNull):
        return _non_null(compile_completion(type_.of_type, details, info_head, compiler), field)
    if isinstance(type_, GraphQLList):
        items = ResponsePosition(nodes, non_null=isinstance(type_.of_type, GraphQLNonNull))
        return _list(compile_completion(type_.of_type, details, info_head, compiler), items, field)
    if is_leaf_type(type_):
        return _leaf(type_)
    if is_abstract_type(type_):
        return _abstract(type_, details, compiler)
    if isinstance(type_, GraphQLObjectType):
        return _object(type_, details, compiler)
    raise TypeError(f"{type_} is not an output type.")


def needs_resolve_info(type_: GraphQLOutputType) -> bool:
    """Whether completion of this type calls `is_type_of` or `resolve_type`, which take the resolve info."""
    while isinstance(type_, GraphQLNonNull | GraphQLList):
        type_ = type_.of_type
    return is_abstract_type(type_) or (isinstance(type_, GraphQLObjectType) and type_.is_type_of is not None)


def _non_null(complete: CompleteValue, field: str) -> CompleteValue:
    def complete_non_null_value(run: Run, info: Any, path: KeyPath, value: Any) -> Any:
        completed = complete(run, info, path, value)
        if completed is None:
            raise TypeError(f"Cannot return null for non-nullable field {field}.")
        return completed

    return complete_non_null_value


def _leaf(type_: GraphQLLeafType) -> CompleteValue:
    passthrough_type = PASSTHROUGH_TYPES.get(type_)

    def complete_leaf_value(run: Run, info: Any, path: KeyPath, value: Any) -> Any:  # noqa: ARG001
        if type(value) is passthrough_type:
            return value
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None
        return Executor.complete_leaf_value(type_, value)

    return complete_leaf_value


def _list(complete: CompleteValue, items: ResponsePosition, field: str) -> CompleteValue:
    def complete_list_value(run: Run, info: Any, path: KeyPath, value: Any) -> Any:
        if type(value) is not list:
            if isinstance(value, Exception):
                raise value
            if value is None or value is Undefined:
                return None
            if hasattr(value, "__aiter__"):
                return _complete_async_iterator_value(complete, items, run, info, path, value.__aiter__())
            if not is_iterable(value):
                raise GraphQLError(f"Expected Iterable, but did not find one for field '{field}'.")
        return _complete_iterable_value(complete, items, run, info, path, value)

    return complete_list_value


def _complete_iterable_value(
    complete: CompleteValue,
    items: ResponsePosition,
    run: Run,
    info: Any,
    path: KeyPath,
    values: Iterable[Any],
) -> Any:
    results: list[Any] = []
    awaitable_indices: list[int] = []
    iterator = iter(values)
    try:
        # Not `for`: it calls `iter` on the iterator again, and a resolver's iterator may lack `__iter__`.
        while True:
            try:
                value = next(iterator)
            except StopIteration:
                break
            item_path = (path, len(results), None)
            _complete_list_item(results, awaitable_indices, complete, items, run, info, item_path, value)
    except Exception:
        # Awaitables that the iterator has not yielded yet would be orphaned, too.
        awaitables = [results[index] for index in awaitable_indices]
        awaitables.extend(_remaining_awaitables(iterator))
        if awaitables:
            settle_in_background(awaitables)
        raise
    return await_results(results, awaitable_indices) if awaitable_indices else results


def _complete_list_item(
    results: list[Any],
    awaitable_indices: list[int],
    complete: CompleteValue,
    items: ResponsePosition,
    run: Run,
    info: Any,
    path: KeyPath,
    value: Any,
) -> None:
    if type(value) not in NOT_AWAITABLE and is_awaitable(value):
        awaitable_indices.append(len(results))
        results.append(items.complete_awaitable_value(complete, run, info, path, value))
        return
    try:
        completed = complete(run, info, path, value)
        if type(completed) not in NOT_AWAITABLE and is_awaitable(completed):
            awaitable_indices.append(len(results))
            completed = items.await_completed(run, path, completed)
    except Exception as error:  # noqa: BLE001
        completed = items.handle_field_error(run, error, path)
    results.append(completed)


def _remaining_awaitables(iterator: Iterator[Any]) -> list[Any]:
    awaitables: list[Any] = []
    # The list has failed already, so a further error of its iterator changes nothing.
    with suppress(Exception):
        awaitables.extend(value for value in iterator if is_awaitable(value))
    return awaitables


async def _complete_async_iterator_value(
    complete: CompleteValue, items: ResponsePosition, run: Run, info: Any, path: KeyPath, iterator: Any
) -> list[Any]:
    results: list[Any] = []
    awaitable_indices: list[int] = []
    try:
        while True:
            try:
                value = await anext(iterator)
            except StopAsyncIteration:
                break
            except Exception as error:
                raise items.locate_error(error, path) from error
            item_path = (path, len(results), None)
            _complete_list_item(results, awaitable_indices, complete, items, run, info, item_path, value)
    except Exception:
        if (close := getattr(iterator, "aclose", None)) is not None:
            # The list has failed already, so an error while closing changes nothing.
            with suppress(Exception):
                await close()
        if awaitable_indices:
            settle_in_background([results[index] for index in awaitable_indices])
        raise
    return await await_results(results, awaitable_indices) if awaitable_indices else results


def _object(type_: GraphQLObjectType, details: FieldDetailsList, compiler: SubfieldCompiler) -> CompleteValue:
    is_type_of = type_.is_type_of
    selection_set: SelectionSet | None = None

    def complete_object_value(run: Run, info: Any, path: KeyPath, value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None
        if is_type_of is not None:
            is_instance = is_type_of(value, info)
            if type(is_instance) not in NOT_AWAITABLE and is_awaitable(is_instance):
                return complete_later(run, path, value, is_instance)
            if not is_instance:
                raise invalid_return_type_error(type_, value, details)
        return (selection_set or compile_selection_set()).execute_fields(run, value, path)

    async def complete_later(run: Run, path: KeyPath, value: Any, is_instance: Any) -> Any:
        if not await is_instance:
            raise invalid_return_type_error(type_, value, details)
        completed = (selection_set or compile_selection_set()).execute_fields(run, value, path)
        if type(completed) not in NOT_AWAITABLE and is_awaitable(completed):
            return await completed
        return completed

    def compile_selection_set() -> SelectionSet:
        nonlocal selection_set
        selection_set = compiler.compile_subfields(type_, details)
        return selection_set

    return complete_object_value


def _abstract(
    type_: GraphQLAbstractType, details: FieldDetailsList, compiler: SubfieldCompiler
) -> CompleteValue:
    resolve_type = type_.resolve_type or default_type_resolver
    completions: dict[str, CompleteValue] = {}

    def complete_abstract_value(run: Run, info: Any, path: KeyPath, value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None
        type_name = resolve_type(value, info, type_)
        if type(type_name) not in NOT_AWAITABLE and is_awaitable(type_name):
            return complete_later(run, info, path, value, type_name)
        return find_completion(type_name, value, info)(run, info, path, value)

    async def complete_later(run: Run, info: Any, path: KeyPath, value: Any, type_name: Any) -> Any:
        completed = find_completion(await type_name, value, info)(run, info, path, value)
        if type(completed) not in NOT_AWAITABLE and is_awaitable(completed):
            return await completed
        return completed

    def find_completion(type_name: Any, value: Any, info: Any) -> CompleteValue:
        complete = completions.get(type_name) if type(type_name) is str else None
        if complete is None:
            runtime_type = compiler.executor.ensure_valid_runtime_type(type_name, type_, details, info, value)
            complete = completions[runtime_type.name] = _object(runtime_type, details, compiler)
        return complete

    return complete_abstract_value
