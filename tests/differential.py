"""One document run both ways, by its plan and by graphql-core, and all that can be seen of it compared."""

import asyncio
import gc
import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, cast

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, parse
from graphql.execution import Executor
from graphql.pyutils import Path
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from api.execution.plans import make_plan

TURNS = 2_000
"""Turns of the event loop after which a document is given up, because some resolver never returns.

Counted, and not timed, so that a busy machine changes nothing.
"""


_NEVER_AWAITED = re.compile("coroutine '(.+)' was never awaited")

_EXECUTORS_OWN = (
    "Executor.", "IncrementalExecutor.", "gather_with_cancel",
    "Position.", "Selection.", "_wait_for", "_complete_async_iterator", "_object.", "_abstract.",
)  # fmt: skip
"""How the names of coroutines begin that hold those of resolvers, and are not such themselves."""


class Seen:
    """The context of one run: what its resolvers were called with, in order; `seed` settles what they do."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.calls: list[object] = []

    def called(self, info: Any, arguments: dict[str, Any]) -> None:
        path: Path = info.path
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
            )
        )


class Answer(NamedTuple):
    """What one run came to; `calls` are of its resolvers."""

    kind: str
    data: object
    errors: list[object]
    calls: list[object]
    troubles: list[str]
    """What the event loop had to say of work that nobody waited for."""
    orphans: Counter[str]
    """Coroutines that were never awaited, by name, other than the executors' own."""


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
) -> tuple[bool, Answer]:
    """Whether there is a plan, and what it answers; fails if graphql-core's interpreter answers otherwise.

    The plan is run again, because the first run compiles some of it; and with `other_variables` in between,
    because nothing of one request may show in the answer to another. `text` has to be valid.
    """
    document = parse(text)
    strawberry = executor_class is StrawberryGraphQLCoreExecutionContext

    def interpret(context: Seen, values: dict[str, Any] | None) -> Any:
        custom: dict[str, Any] = {"operation_extensions": {"a": 1}} if strawberry else {}
        executor = executor_class.build(
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
        return executor if isinstance(executor, list) else executor.execute_operation()

    expected = await _watch(interpret, Seen(seed), variables)
    plan = make_plan(
        schema, document, operation_name, executor_class=executor_class, hide_suggestions=hide_suggestions
    )
    if plan is None:
        return False, expected

    def run(context: Seen, values: dict[str, Any] | None) -> Any:
        return plan.run(context, values, root_value=root_value(), extensions={"a": 1})

    runs = [(variables, expected), (variables, expected)]
    if other_variables is not None:
        runs.insert(1, (other_variables, await _watch(interpret, Seen(seed), other_variables)))
    answer = expected
    for number, (values, theirs) in enumerate(runs, 1):
        answer = await _watch(run, Seen(seed), values)
        # graphql-core leaves some coroutines behind, such as those of an iterator that fails in the middle.
        # A plan may leave fewer.
        answer = answer._replace(orphans=answer.orphans | theirs.orphans)
        for name, wanted, got in zip(Answer._fields, theirs, answer, strict=True):
            assert got == wanted, (
                f"{name} of run {number} differ, seed {seed}\n{text}\nvariables {values}\n"
                f"graphql-core: {wanted}\nthe plan:     {got}"
            )
    return True, answer


async def _watch(
    run: Callable[[Seen, dict[str, Any] | None], Any], context: Seen, variables: dict[str, Any] | None
) -> Answer:
    # What was there before cannot be an orphan of this run: it is not searched for each document.
    gc.freeze()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        answer = await _run(lambda seen: run(seen, variables), context)
        # The event loop lets go of what it called last a turn later.
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()
    gc.unfreeze()
    names = [match[1] for warning in told if (match := _NEVER_AWAITED.match(str(warning.message)))]
    answer.orphans.update(name for name in names if not name.startswith(_EXECUTORS_OWN))
    return answer


async def _run(run: Callable[[Seen], Any], context: Seen) -> Answer:
    troubles: list[str] = []
    loop = asyncio.get_running_loop()
    others = asyncio.all_tasks()
    loop.set_exception_handler(lambda _loop, told: troubles.append(str(told["message"])))
    kind, result = "answered", None
    try:
        result = run(context)
        if not isinstance(result, ExecutionResult | list):
            task = asyncio.ensure_future(result)
            result = None
            for _ in range(TURNS):
                if task.done():
                    break
                await asyncio.sleep(0)
            task.cancel()
            result = await task
    except asyncio.CancelledError:
        kind = "given up"
    except Exception as error:  # noqa: BLE001
        kind = f"raised {type(error).__name__}: {error}"
    await _settle(others, troubles)
    loop.set_exception_handler(None)
    if isinstance(result, list):
        return Answer("refused", None, _errors(result), context.calls, troubles, Counter())
    if result is None:
        return Answer(kind, None, [], context.calls, troubles, Counter())
    errors = _errors(result.errors or ())
    return Answer(kind, _typed(result.data), errors, context.calls, troubles, Counter())


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
    if isinstance(value, Path):
        return value.as_list()
    if value is None or isinstance(value, str | int | float | bool):
        return (type(value).__name__, repr(value))
    return (type(value).__name__, str(value) if type(value).__str__ is not object.__str__ else "")
