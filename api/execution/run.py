"""One execution of a plan: what its fields share, and what becomes of work that nobody waits for any more."""

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
"""What graphql-core has a `Path` for, as a bare tuple: the path before it, the key, the name of the type.

A `Path` takes ten times as long to make, and only resolvers and errors ever look at one.
"""

PLAIN = frozenset({type(None), bool, int, float, str, bytes, list, tuple, dict})
"""Types of values that are never awaitable: looking here first spares the call that asks."""


class Run:
    """`tail` is what the info of each resolver has after the path; it is made an `info_type`."""

    __slots__ = ("_errors", "_info_type", "_tail", "variables")

    def __init__(
        self, variables: VariableValues, info_type: type[tuple[Any, ...]], tail: tuple[Any, ...]
    ) -> None:
        self.variables = variables
        self._errors: CollectedErrors | None = None
        self._info_type = info_type
        self._tail = tail

    def info(self, head: tuple[Any, ...], path: KeyPath) -> Any:
        """What a resolver is told; `head` is what its info has before the path."""
        name, nodes, return_type, parent_type = head
        # Each resolver gets a list of its own, as the plan is there for the next request too.
        values = (name, [*nodes], return_type, parent_type, as_path(path), *self._tail)
        return tuple.__new__(self._info_type, values)

    def add_error(self, error: GraphQLError, path: KeyPath | None) -> None:
        """Note what null is the answer for at a path; at None, for the whole."""
        if self._errors is None:
            self._errors = CollectedErrors()
        self._errors.add(error, None if path is None else as_path(path))

    def result(self, data: dict[str, Any] | None) -> ExecutionResult:
        return ExecutionResult(data, self._errors.errors if self._errors is not None else None)

    def fail(self, error: GraphQLError) -> ExecutionResult:
        """The result if an error has come up to the root."""
        self.add_error(error, None)
        return self.result(None)


def as_path(path: KeyPath) -> Path:
    before, key, typename = path
    # A named tuple's own constructor takes several times as long, here and where else it is passed over.
    return tuple.__new__(Path, (None if before is None else as_path(before), key, typename))


async def wait_for(results: Any, waiting: Sequence[Any]) -> Any:
    """A dictionary or a list, once what is at these of its keys or indexes has been waited for."""
    if len(waiting) == 1:
        # One alone needs no task.
        (key,) = waiting
        results[key] = await results[key]
    else:
        values = await gather_with_cancel(*[results[key] for key in waiting])
        for key, value in zip(waiting, values, strict=True):
            results[key] = value
    return results


def settle_in_background(awaitables: Sequence[Awaitable[Any]]) -> None:
    """Wait for these beside everything else, so that none of them is orphaned and each error is seen.

    They are of fields whose siblings have failed already. Where no event loop runs they never can: those
    that are coroutines are closed.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        for awaitable in awaitables:
            if iscoroutine(awaitable):
                awaitable.close()
        return
    settled = asyncio.gather(*awaitables, return_exceptions=True)
    # The event loop itself keeps no more than weak references.
    _settling.add(settled)
    settled.add_done_callback(_settling.discard)


_settling: set[Future[Any]] = set()


def _track(values: Sequence[Any]) -> None:
    if awaitables := [value for value in values if is_awaitable(value)]:
        settle_in_background(awaitables)


def _gather(values: Sequence[Awaitable[Any]]) -> Awaitable[list[Any]]:
    return gather_with_cancel(*values)


HELPERS = GraphQLResolveInfoHelpers(gather=_gather, track=_track)
"""What resolvers find as `async_helpers` in their info."""
