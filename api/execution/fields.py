"""The fields of an object, and what it takes to answer them: one after the other, or all at once."""

from collections.abc import Callable, Sequence
from types import CoroutineType
from typing import Any

from graphql.error import GraphQLError, located_error
from graphql.language import FieldNode

from api.execution.run import PLAIN, KeyPath, Run, as_path, is_awaitable, settle_in_background, wait_for

Complete = Callable[[Run, Any, KeyPath, Any], Any]
"""Makes what a resolver returned into what the client gets: `complete(run, info, path, value)`.

The answer may be an awaitable of it. It raises what the field, or the item of a list, is to fail with.
"""


class Position:
    """A place in the answer that can fail: a field, or the items of a list."""

    __slots__ = ("nodes", "non_null")

    def __init__(self, nodes: Sequence[FieldNode], *, non_null: bool) -> None:
        self.nodes = nodes
        self.non_null = non_null

    def fail(self, run: Run, error: Exception, path: KeyPath) -> None:
        """Note the error, so that null can be the answer here; raises it where null may not."""
        located = self.located(error, path)
        if self.non_null:
            raise located
        run.add_error(located, path)

    def located(self, error: Exception, path: KeyPath) -> GraphQLError:
        return located_error(error, [*self.nodes], as_path(path).as_list())

    async def complete_later(
        self, complete: Complete, run: Run, info: Any, path: KeyPath, awaitable: Any
    ) -> Any:
        try:
            completed = complete(run, info, path, await awaitable)
            if type(completed) not in PLAIN and is_awaitable(completed):
                completed = await completed
        except Exception as error:  # noqa: BLE001
            self.fail(run, error, path)
            return None
        return completed

    async def finish_later(self, run: Run, path: KeyPath, completed: Any) -> Any:
        try:
            return await completed
        except Exception as error:  # noqa: BLE001
            self.fail(run, error, path)
            return None


class Field(Position):
    """A field of an object type, as one document asks for it.

    `read` reads an attribute of the source; without it, `resolve` is called, as graphql-core would call it.
    `head` is the beginning of its info. `quick` is a type whose values need no completing.
    """

    __slots__ = (
        "_arguments", "_complete", "_head", "_needs_info", "_parent_name", "_resolve", "key", "quick", "read",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        head: tuple[Any, ...],
        *,
        non_null: bool,
        read: Callable[[Any], Any] | None,
        resolve: Callable[..., Any],
        arguments: Callable[[Run], dict[str, Any]],
        complete: Complete,
        needs_info: bool,
        quick: type | None,
    ) -> None:
        _, nodes, _, parent_type = head
        super().__init__(nodes, non_null=non_null)
        self.key = key
        self.read = read
        self.quick = quick
        self._head = head
        self._parent_name = parent_type.name
        self._resolve = resolve
        self._arguments = arguments
        self._complete = complete
        self._needs_info = needs_info

    def execute(self, run: Run, source: Any, before: KeyPath | None) -> Any:
        """What the client gets, or an awaitable of it; `before` is the path of the object."""
        path = (before, self.key, self._parent_name)
        try:
            info = run.info(self._head, path)
            value = self._resolve(source, info, **self._arguments(run))
        except Exception as error:  # noqa: BLE001
            return self.fail(run, error, path)
        if type(value) is CoroutineType:
            # Nearly every resolver returns one, and its type is asked for in less time than a call takes.
            return self.complete_later(self._complete, run, info, path, value)
        return self._finish(run, info, path, value)

    def finish_read(self, run: Run, value: Any, before: KeyPath | None) -> Any:
        """The same for a value that has been read already."""
        path = (before, self.key, self._parent_name)
        return self._finish(run, run.info(self._head, path) if self._needs_info else None, path, value)

    def _finish(self, run: Run, info: Any, path: KeyPath, value: Any) -> Any:
        try:
            if type(value) not in PLAIN and is_awaitable(value):
                return self.complete_later(self._complete, run, info, path, value)
            completed = self._complete(run, info, path, value)
            if type(completed) not in PLAIN and is_awaitable(completed):
                return self.finish_later(run, path, completed)
        except Exception as error:  # noqa: BLE001
            return self.fail(run, error, path)
        return completed


class Selection:
    """The fields that a document asks of one object type, in the order of the answer.

    A key without a field stands for `__typename`.
    """

    __slots__ = ("_fields", "_name", "_steps")

    def __init__(self, type_name: str, fields: Sequence[tuple[str, Field | None]]) -> None:
        self._name = type_name
        self._fields = fields
        # Unpacking a tuple takes a fraction of what reading as many attributes of a field takes.
        self._steps = [
            (key, field, None, None, False)
            if field is None
            else (key, field, field.read, field.quick, not field.non_null)
            for key, field in fields
        ]

    def execute(self, run: Run, source: Any, path: KeyPath | None) -> Any:
        """The fields of `source`, all that wait at the same time; or an awaitable of them."""
        results: dict[str, Any] = {}
        waiting: list[str] = []
        try:
            for key, field, read, quick, nullable in self._steps:
                if field is None:
                    results[key] = self._name
                    continue
                if read is None:
                    result = field.execute(run, source, path)
                else:
                    try:
                        value = read(source)
                    except Exception as error:  # noqa: BLE001
                        results[key] = field.fail(run, error, (path, key, self._name))
                        continue
                    if type(value) is quick or (value is None and nullable):
                        results[key] = value
                        continue
                    result = field.finish_read(run, value, path)
                results[key] = result
                kind = type(result)
                if kind is CoroutineType or (kind not in PLAIN and is_awaitable(result)):
                    waiting.append(key)
        except Exception:
            if waiting:
                settle_in_background([results[key] for key in waiting])
            raise
        return wait_for(results, waiting) if waiting else results

    def execute_serially(self, run: Run, source: Any, path: KeyPath | None) -> Any:
        """The same, but no field begins before the one before it is answered."""
        results: dict[str, Any] = {}
        for number, (key, field) in enumerate(self._fields, 1):
            result = self._name if field is None else field.execute(run, source, path)
            results[key] = result
            if type(result) not in PLAIN and is_awaitable(result):
                return self._go_on_serially(run, source, path, results, number)
        return results

    async def _go_on_serially(
        self, run: Run, source: Any, path: KeyPath | None, results: dict[str, Any], number: int
    ) -> dict[str, Any]:
        """From the field after the first `number` on, of which the last one is still to be waited for."""
        key, _ = self._fields[number - 1]
        results[key] = await results[key]
        for key, field in self._fields[number:]:
            results[key] = self._name if field is None else field.execute(run, source, path)
            if type(results[key]) not in PLAIN and is_awaitable(results[key]):
                results[key] = await results[key]
        return results
