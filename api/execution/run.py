"""One execution of a plan: the state that all its fields share, and how their awaitables are awaited."""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Sequence
from inspect import iscoroutine
from typing import Any

from graphql import ExecutionResult, GraphQLError
from graphql.execution.executor import CollectedErrors
from graphql.execution.values import VariableValues
from graphql.pyutils import Path, gather_with_cancel
from graphql.type import GraphQLResolveInfoHelpers
from strawberry.execution import optimized_is_awaitable as is_awaitable

KeyPath = tuple[Any, str | int, str | None]
"""graphql-core's `Path` as a bare tuple: the path of the parent, the key, the name of the parent type.

A `Path` takes ten times as long to make, and only resolvers and errors read one.
"""

NOT_AWAITABLE = frozenset({type(None), bool, int, float, str, bytes, list, tuple, dict})
"""Types whose values are never awaitable. Looking here first spares most calls of `is_awaitable`."""


class Run:
    """The variables and the errors of one execution, and what the resolve info of every field repeats."""

    __slots__ = ("_errors", "_info_tail", "_info_type", "variables")

    def __init__(
        self, variables: VariableValues, info_type: type[tuple[Any, ...]], info_tail: tuple[Any, ...]
    ) -> None:
        self.variables = variables
        self._errors: CollectedErrors | None = None
        self._info_type = info_type
        self._info_tail = info_tail

    def build_resolve_info(self, info_head: tuple[Any, ...], path: KeyPath) -> Any:
        """The resolve info of a field; `info_head` holds its attributes before `path`."""
        name, nodes, return_type, parent_type = info_head
        # The list is copied, because the plan serves other requests and a resolver may change its list.
        values = (name, [*nodes], return_type, parent_type, as_path(path), *self._info_tail)
        return tuple.__new__(self._info_type, values)

    def add_error(self, error: GraphQLError, path: KeyPath | None) -> None:
        """Record an error that makes the value at `path` null; None stands for the whole of `data`."""
        if self._errors is None:
            self._errors = CollectedErrors()
        self._errors.add(error, None if path is None else as_path(path))

    def build_result(self, data: dict[str, Any] | None) -> ExecutionResult:
        return ExecutionResult(data, self._errors.errors if self._errors is not None else None)

    def build_failed_result(self, error: GraphQLError) -> ExecutionResult:
        """The result when `error` has propagated to the root: `data` is null."""
        self.add_error(error, None)
        return self.build_result(None)


def as_path(path: KeyPath) -> Path:
    parent, key, typename = path
    # `tuple.__new__` takes a fraction of the time of a named tuple's own constructor. Other hot code of this
    # package uses it for the same reason.
    return tuple.__new__(Path, (None if parent is None else as_path(parent), key, typename))


async def await_results(results: Any, awaitable_keys: Sequence[Any]) -> Any:
    """Replace the awaitables at these keys of a dictionary, or indexes of a list, by their results."""
    if len(awaitable_keys) == 1:
        # A single awaitable needs no task.
        (key,) = awaitable_keys
        results[key] = await results[key]
    else:
        values = await gather_with_cancel(*[results[key] for key in awaitable_keys])
        for key, value in zip(awaitable_keys, values, strict=True):
            results[key] = value
    return results


def settle_in_background(awaitables: Sequence[Awaitable[Any]]) -> None:
    """Await the fields whose sibling has failed in the background, so that none of them is orphaned.

    Without a running event loop they can never be awaited; then coroutines are closed.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        for awaitable in awaitables:
            if iscoroutine(awaitable):
                awaitable.close()
        return
    settled = asyncio.gather(*awaitables, return_exceptions=True)
    # The event loop holds weak references only: without this one the future could be collected too early.
    _settling.add(settled)
    settled.add_done_callback(_settling.discard)


_settling: set[Future[Any]] = set()


def _track(values: Sequence[Any]) -> None:
    if awaitables := [value for value in values if is_awaitable(value)]:
        settle_in_background(awaitables)


def _gather(values: Sequence[Awaitable[Any]]) -> Awaitable[list[Any]]:
    return gather_with_cancel(*values)


HELPERS = GraphQLResolveInfoHelpers(gather=_gather, track=_track)
"""The `async_helpers` of every resolve info."""
