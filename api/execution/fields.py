"""Executes the fields of an object, concurrently or serially."""

from collections.abc import Callable, Sequence
from types import CoroutineType
from typing import Any

from graphql.error import GraphQLError, located_error
from graphql.language import FieldNode

from api.execution.run import (
    NOT_AWAITABLE,
    KeyPath,
    Run,
    as_path,
    await_results,
    is_awaitable,
    settle_in_background,
)

CompleteValue = Callable[[Run, Any, KeyPath, Any], Any]
"""Completes the value that a resolver returned: `complete(run, info, path, value)`.

Returns the value for the response, or an awaitable of it. Raises the error of the field or of the list item.
"""


class ResponsePosition:
    """A position of the response that can have an error: a field, or the items of a list."""

    __slots__ = ("nodes", "non_null")

    def __init__(self, nodes: Sequence[FieldNode], *, non_null: bool) -> None:
        self.nodes = nodes
        self.non_null = non_null

    def handle_field_error(self, run: Run, error: Exception, path: KeyPath) -> None:
        """Record the error and return None for a nullable position; raises it for a non-null one."""
        located = self.locate_error(error, path)
        if self.non_null:
            raise located
        run.add_error(located, path)

    def locate_error(self, error: Exception, path: KeyPath) -> GraphQLError:
        return located_error(error, [*self.nodes], as_path(path).as_list())

    async def complete_awaitable_value(
        self, complete: CompleteValue, run: Run, info: Any, path: KeyPath, awaitable: Any
    ) -> Any:
        """Await what a resolver returned, and complete it."""
        try:
            completed = complete(run, info, path, await awaitable)
            if type(completed) not in NOT_AWAITABLE and is_awaitable(completed):
                completed = await completed
        except Exception as error:  # noqa: BLE001
            self.handle_field_error(run, error, path)
            return None
        return completed

    async def await_completed(self, run: Run, path: KeyPath, completed: Any) -> Any:
        """Await a value that `complete` returned as an awaitable."""
        try:
            return await completed
        except Exception as error:  # noqa: BLE001
            self.handle_field_error(run, error, path)
            return None


class Field(ResponsePosition):
    """A field of an object type, as one document selects it.

    `info_head` holds the first attributes of its resolve info. `read_attribute` reads an attribute of the
    source; if it is None, `resolve` is called as graphql-core calls it. A value whose type is
    `passthrough_type` is its own completed value.
    """

    __slots__ = (
        "_complete", "_get_arguments", "_info_head", "_needs_info", "_parent_name", "_resolve", "key",
        "passthrough_type", "read_attribute",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        info_head: tuple[Any, ...],
        *,
        non_null: bool,
        read_attribute: Callable[[Any], Any] | None,
        resolve: Callable[..., Any],
        get_arguments: Callable[[Run], dict[str, Any]],
        complete: CompleteValue,
        needs_info: bool,
        passthrough_type: type | None,
    ) -> None:
        _, nodes, _, parent_type = info_head
        super().__init__(nodes, non_null=non_null)
        self.key = key
        self.read_attribute = read_attribute
        self.passthrough_type = passthrough_type
        self._info_head = info_head
        self._parent_name = parent_type.name
        self._resolve = resolve
        self._get_arguments = get_arguments
        self._complete = complete
        self._needs_info = needs_info

    def execute(self, run: Run, source: Any, parent_path: KeyPath | None) -> Any:
        """Resolve and complete the field. Returns its value, or an awaitable of it."""
        path = (parent_path, self.key, self._parent_name)
        try:
            info = run.build_resolve_info(self._info_head, path)
            value = self._resolve(source, info, **self._get_arguments(run))
        except Exception as error:  # noqa: BLE001
            return self.handle_field_error(run, error, path)
        if type(value) is CoroutineType:
            # Nearly every resolver returns a coroutine. Comparing its type is faster than a call.
            return self.complete_awaitable_value(self._complete, run, info, path, value)
        return self._complete_value(run, info, path, value)

    def complete_attribute(self, run: Run, value: Any, parent_path: KeyPath | None) -> Any:
        """Complete a value that `read_attribute` returned."""
        path = (parent_path, self.key, self._parent_name)
        info = run.build_resolve_info(self._info_head, path) if self._needs_info else None
        return self._complete_value(run, info, path, value)

    def _complete_value(self, run: Run, info: Any, path: KeyPath, value: Any) -> Any:
        try:
            if type(value) not in NOT_AWAITABLE and is_awaitable(value):
                return self.complete_awaitable_value(self._complete, run, info, path, value)
            completed = self._complete(run, info, path, value)
            if type(completed) not in NOT_AWAITABLE and is_awaitable(completed):
                return self.await_completed(run, path, completed)
        except Exception as error:  # noqa: BLE001
            return self.handle_field_error(run, error, path)
        return completed


class SelectionSet:
    """The fields that a document selects on one object type, by response key, in the order of the response.

    The field of `__typename` is None.
    """

    __slots__ = ("_fields", "_steps", "_type_name")

    def __init__(self, type_name: str, fields: Sequence[tuple[str, Field | None]]) -> None:
        self._type_name = type_name
        self._fields = fields
        # Unpacking one tuple takes a fraction of the time of reading five attributes.
        self._steps = [
            (key, field, None, None, False)
            if field is None
            else (key, field, field.read_attribute, field.passthrough_type, not field.non_null)
            for key, field in fields
        ]

    def execute_fields(self, run: Run, source: Any, path: KeyPath | None) -> Any:
        """Execute all fields of `source` concurrently. Returns their values, or an awaitable of them."""
        results: dict[str, Any] = {}
        awaitable_keys: list[str] = []
        try:
            for key, field, read_attribute, passthrough_type, nullable in self._steps:
                if field is None:
                    results[key] = self._type_name
                    continue
                if read_attribute is None:
                    result = field.execute(run, source, path)
                else:
                    try:
                        value = read_attribute(source)
                    except Exception as error:  # noqa: BLE001
                        results[key] = field.handle_field_error(run, error, (path, key, self._type_name))
                        continue
                    if type(value) is passthrough_type or (value is None and nullable):
                        results[key] = value
                        continue
                    result = field.complete_attribute(run, value, path)
                results[key] = result
                result_type = type(result)
                if result_type is CoroutineType or (
                    result_type not in NOT_AWAITABLE and is_awaitable(result)
                ):
                    awaitable_keys.append(key)
        except Exception:
            if awaitable_keys:
                settle_in_background([results[key] for key in awaitable_keys])
            raise
        return await_results(results, awaitable_keys) if awaitable_keys else results

    def execute_fields_serially(self, run: Run, source: Any, path: KeyPath | None) -> Any:
        """Execute the fields one after the other. Returns their values, or an awaitable of them."""
        results: dict[str, Any] = {}
        for started, (key, field) in enumerate(self._fields, 1):
            result = self._type_name if field is None else field.execute(run, source, path)
            results[key] = result
            if type(result) not in NOT_AWAITABLE and is_awaitable(result):
                return self._continue_serially(run, source, path, results, started)
        return results

    async def _continue_serially(
        self, run: Run, source: Any, path: KeyPath | None, results: dict[str, Any], started: int
    ) -> dict[str, Any]:
        """Await the last of the `started` fields, then execute the others."""
        key, _ = self._fields[started - 1]
        results[key] = await results[key]
        for key, field in self._fields[started:]:
            results[key] = self._type_name if field is None else field.execute(run, source, path)
            if type(results[key]) not in NOT_AWAITABLE and is_awaitable(results[key]):
                results[key] = await results[key]
        return results
