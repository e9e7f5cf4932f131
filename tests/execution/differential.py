"""One document run both ways, by its plan and by graphql-core, and all that can be seen of it compared."""

import asyncio
import gc
import inspect
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple, cast

import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLSchema, parse, pyutils
from graphql.execution import Executor, executor
from graphql.pyutils import Path as KeyPath
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from api.execution import plans
from api.execution.plans import make_plan

TURNS = 2_000
"""Turns of the event loop after which a document is cancelled, because some resolver never returns.

Counted, and not timed, so that a busy machine changes nothing.
"""


class Seen:
    """The context of one run: what its resolvers were called with, in order; `seed` settles what they do."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.calls: list[object] = []
        self.work: list[Work] = []

    def called(self, info: Any, arguments: dict[str, Any]) -> None:
        path: KeyPath = info.path
        values = getattr(info.variable_values, "coerced", info.variable_values)
        self.calls.append(
            (
                f"{info.parent_type}.{info.field_name}",
                path.as_list(),
                [_typed(key) for key in (path.typename, path.prev)],
                _typed(arguments),
                _typed(values),
                [(node.loc.start, node.loc.end) for node in info.field_nodes],
                str(info.return_type),
                info.operation.loc.start,
                sorted(info.fragments),
                info.context is self,
                _typed(info.root_value),
                info.is_awaitable is optimized_is_awaitable,
                info.abort_signal,
                getattr(info, "operation_extensions", None),
                len(info),
            )
        )


_SEEN: ContextVar[Seen | None] = ContextVar("seen", default=None)


def note(*what: object) -> None:
    """Record an event that has no context, such as the reading of an attribute."""
    if (seen := _SEEN.get()) is not None:
        seen.calls.append(what)


class Work:
    """A coroutine that resolvers hand out, and what becomes of it."""

    def __init__(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._name = name
        self._coroutine = coroutine
        self._end: str | None = None
        self._outcome = self._follow()

    @classmethod
    def of(cls, name: str, coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """The same coroutine, but watched."""
        seen = _SEEN.get()
        if seen is None:
            return coroutine
        work = cls(name, coroutine)
        seen.work.append(work)
        return work._outcome

    async def _follow(self) -> Any:
        try:
            value = await self._coroutine
        except asyncio.CancelledError:
            self._end = "cancelled"
            raise
        except Exception:
            self._end = "failed"
            raise
        except BaseException as error:
            self._end = f"ended by {type(error).__name__}"
            raise
        self._end = "answered"
        return value

    def end(self) -> str:
        """How it ended; what has not ended yet is closed, so that only this tells of it."""
        end = self._end
        if end is None:
            begun = inspect.getcoroutinestate(self._coroutine) != inspect.CORO_CREATED
            closed = inspect.getcoroutinestate(self._outcome) == inspect.CORO_CLOSED
            end = "left hanging" if begun else "closed before it began" if closed else "never awaited"
        self._outcome.close()
        self._coroutine.close()
        return f"{self._name}: {end}"


class Answer(NamedTuple):
    """What one run came to."""

    kind: str
    data: object
    json: str
    errors: list[object]
    calls: list[object]
    """What its resolvers were called with, and which attributes were read, in order."""
    work: list[str]
    """What became of each coroutine that resolvers handed out."""
    troubles: list[str]
    """The warnings of the event loop and of Python about work that was never awaited."""


async def compare(
    schema: GraphQLSchema,
    text: str,
    variables: dict[str, Any] | None = None,
    operation_name: str | None = None,
    *,
    executor_class: type[Executor[Any]] = Executor,
    seed: int = 0,
    root_value: Callable[[], object] = lambda: None,
    hide_suggestions: bool = False,
    other_variables: dict[str, Any] | None = None,
    turns: int = TURNS,
) -> tuple[bool, Answer]:
    """Whether there is a plan, and what it answers; fails if graphql-core's interpreter answers differently.

    The plan is run again, because the first run compiles some of it; and with `other_variables` in between,
    because nothing of one request may show in the answer to another. `text` has to be valid. After `turns` of
    the event loop whoever asked goes away, and what is running is cancelled.
    """
    document = parse(text)
    strawberry = executor_class is StrawberryGraphQLCoreExecutionContext

    def interpret(context: Seen, values: dict[str, Any] | None) -> Any:
        custom: dict[str, Any] = {"operation_extensions": {"a": 1}} if strawberry else {}
        built = executor_class.build(
            schema,
            document,
            root_value=root_value(),
            context_value=context,
            raw_variable_values=values,
            operation_name=operation_name,
            is_awaitable=cast(Any, optimized_is_awaitable),
            hide_suggestions=hide_suggestions,
            **custom,
        )
        return built if isinstance(built, list) else built.execute_operation()

    expected = await _watch(interpret, Seen(seed), variables, turns)
    plan = make_plan(
        schema, document, operation_name, executor_class=executor_class, hide_suggestions=hide_suggestions
    )
    if plan is None:
        return False, expected

    def run(context: Seen, values: dict[str, Any] | None) -> Any:
        return plan.run(context, values, root_value=root_value(), extensions={"a": 1})

    runs = [(variables, expected), (variables, expected)]
    if other_variables is not None:
        others = await _watch(interpret, Seen(seed), other_variables, turns)
        runs.insert(1, (other_variables, others))
    answer = expected
    for number, (values, theirs) in enumerate(runs, 1):
        answer = await _watch(run, Seen(seed), values, turns)
        for name, wanted, got in zip(Answer._fields, theirs, answer, strict=True):
            assert got == wanted, (
                f"{name} of run {number} differ, seed {seed}\n{text}\nvariables {values}\n"
                f"graphql-core: {wanted}\nthe plan:     {got}"
            )
    return True, answer


async def _watch(
    run: Callable[[Seen, dict[str, Any] | None], Any],
    context: Seen,
    variables: dict[str, Any] | None,
    turns: int,
) -> Answer:
    troubles: list[str] = []
    loop = asyncio.get_running_loop()
    others = asyncio.all_tasks()
    loop.set_exception_handler(lambda _loop, told: troubles.append(str(told["message"])))
    token = _SEEN.set(context)
    with _what_python_says(troubles):
        kind, told = await _run(lambda seen: run(seen, variables), context, turns)
        await _settle(others, troubles)
        _SEEN.reset(token)
        work = [each.end() for each in context.work]
        context.work.clear()
        # Cycles, such as the frames of a traceback, are collected now, and not in the next run.
        await asyncio.sleep(0)
        gc.collect()
        await _settle(others, troubles)
    loop.set_exception_handler(None)
    return Answer(kind, *told, context.calls, work, troubles)


async def _run(run: Callable[[Seen], Any], context: Seen, turns: int) -> tuple[str, tuple[Any, Any, Any]]:
    kind, result = "answered", None
    try:
        result = run(context)
        if not isinstance(result, ExecutionResult | list):
            task = asyncio.ensure_future(result)
            result = None
            for _ in range(turns):
                if task.done():
                    break
                await asyncio.sleep(0)
            task.cancel()
            result = await task
    except asyncio.CancelledError:
        kind = "given up"
    except Exception as error:  # noqa: BLE001
        kind = f"raised {type(error).__name__}: {error}"
    if isinstance(result, list):
        return "refused", (None, "", _errors(result))
    if result is None:
        return kind, (None, "", [])
    errors = [] if result.errors is None else [type(result.errors).__name__, *_errors(result.errors)]
    return kind, (_typed(result.data), _json(result.data), [*errors, _typed(result.extensions)])


@contextmanager
def _what_python_says(troubles: list[str]) -> Iterator[None]:
    """Records coroutines that were never awaited, and exceptions that were never retrieved."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda told: troubles.append(f"{told.err_msg}: {told.exc_value!r}")
    # What there is already need not be looked through again: only what this run makes is.
    gc.freeze()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # To have them recorded would keep the coroutines that they are about.
        warnings.showwarning = lambda message, *_: troubles.append(str(message))
        yield
    gc.unfreeze()
    sys.unraisablehook = hook
    # Those of the executor and of plans themselves are other ones, and not as many.
    outer = [trouble for trouble in troubles if not _is_of_inner_coroutine(trouble)]
    inner = ["an inner coroutine was never awaited"] if len(outer) < len(troubles) else []
    troubles[:] = outer + inner


def _is_of_inner_coroutine(trouble: str) -> bool:
    return any(trouble == f"coroutine '{name}' was never awaited" for name in _inner_coroutines())


@cache
def _inner_coroutines() -> frozenset[str]:
    """The names of all coroutines that graphql-core's executor, or a plan, is made of."""
    folders = [Path(module.__file__ or "").parent for module in (executor, plans, pyutils)]
    codes = [compile(file.read_text(), file, "exec") for folder in folders for file in folder.glob("*.py")]
    names: set[str] = set()
    for code in codes:
        # What is appended while this goes on is looked at as well.
        codes += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
        if code.co_flags & inspect.CO_COROUTINE:
            names.add(code.co_qualname)
    return frozenset(names)


def _json(data: object) -> str:
    try:
        return orjson.dumps(data).decode()
    except TypeError as error:
        return f"no JSON: {error}"


async def _settle(others: set[asyncio.Task[Any]], troubles: list[str]) -> None:
    """Let what was left to the background end, and tell of what does not."""
    for _ in range(20):
        if not asyncio.all_tasks() - others:
            break
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - others
    troubles += ["left running" for _ in left]
    for task in left:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


def _errors(errors: Sequence[GraphQLError]) -> list[object]:
    return [
        (
            error.formatted,
            error.extensions,
            f"{type(error.original_error).__name__}: {error.original_error}",
            [(node.loc.start, node.loc.end) for node in error.nodes or () if node.loc is not None],
            error.positions,
        )
        for error in errors
    ]


def _typed(value: Any) -> object:
    """Something that is equal for what is equal in type, value and order."""
    if isinstance(value, dict):
        return [(key, _typed(item)) for key, item in value.items()]
    if isinstance(value, list):
        return ["list", *map(_typed, value)]
    if isinstance(value, KeyPath):
        return value.as_list()
    if value is None or isinstance(value, str | int | float | bool):
        return (type(value).__name__, repr(value))
    return (type(value).__name__, str(value) if type(value).__str__ is not object.__str__ else "")
