"""A deadline for each of many tasks, all with the same patience, at the price of one timer."""

import asyncio
from types import TracebackType
from typing import Any, Self


class Deadlines:
    """`with deadlines.start():` cancels what is within after `seconds`, and raises `TimeoutError` instead.

    It does what `asyncio.timeout` does. That sets and unsets a timer of the event loop each time, which takes
    as long as executing a small document; here one timer waits for the deadline that comes first, and as all
    have the same patience, deadlines come in the order in which they were started.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._running: dict[_Deadline, None] = {}

    def start(self) -> "_Deadline":
        """To be entered at once, by the task that it is for."""
        return _Deadline(self)

    def _add(self, deadline: "_Deadline", loop: asyncio.AbstractEventLoop) -> None:
        self._running[deadline] = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.due, self._look, loop)

    def _remove(self, deadline: "_Deadline") -> None:
        # The timer is left as it is: it is for the next one then, or for nothing.
        self._running.pop(deadline, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for deadline in [*self._running]:
            if deadline.due > now:
                self._timer = loop.call_at(deadline.due, self._look, loop)
                break
            self._remove(deadline)
            deadline.pass_()


class _Deadline:
    __slots__ = ("_cancelling", "_deadlines", "_passed", "_task", "due")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._passed = False

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        task: asyncio.Task[Any] | None = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("A deadline is for a task.")
        self._task = task
        # A task that is being cancelled already stays so.
        self._cancelling = task.cancelling()
        self.due = loop.time() + self._deadlines.seconds
        self._deadlines._add(self, loop)
        return self

    def pass_(self) -> None:
        self._passed = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines._remove(self)
        if self._passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
