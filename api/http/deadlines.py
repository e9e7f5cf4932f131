"""A deadline for each of many tasks, all with the same patience, at the price of one timer."""

import asyncio
from threading import get_ident
from types import TracebackType
from typing import Any


class Deadlines:
    """`with deadlines.start():` cancels what is within after `seconds`, and raises `TimeoutError` instead.

    It does what `asyncio.timeout` does. That sets and unsets a timer of the event loop each time, which takes
    as long as executing a small document; here one timer waits for the deadline that comes first, and as all
    have the same patience, deadlines come in the order in which they were started. The tasks are of one event
    loop, or of one after another.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._timer: asyncio.TimerHandle | None = None
        self._running: dict[_Deadline, None] = {}

    def start(self) -> "_Deadline":
        """To be entered at once, by the task that it is for."""
        # The loop is remembered, because to look for the running one takes Python 3.11 a call of the system.
        loop = self._loop
        # From another thread, what that loop is running right now would be taken for the task that asks.
        here = get_ident()
        if loop is None or here != self._thread or (task := asyncio.current_task(loop)) is None:
            loop = asyncio.get_running_loop()
            task = asyncio.current_task(loop)
            if task is None:
                raise RuntimeError("A deadline is for a task.")
            if self._loop is not None and self._loop.is_running():
                raise RuntimeError("Deadlines are for the tasks of one event loop.")
            # The timer of a loop that has ended would never come, and nothing of it runs any more.
            self._loop, self._thread, self._timer = loop, here, None
            self._running.clear()
        deadline = _Deadline(self._running, task, loop.time() + self.seconds)
        self._running[deadline] = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.due, self._look, loop)
        return deadline

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for deadline in [*self._running]:
            if deadline.due > now:
                self._timer = loop.call_at(deadline.due, self._look, loop)
                break
            del self._running[deadline]
            deadline.pass_()


class _Deadline:
    __slots__ = ("_cancelling", "_passed", "_running", "_task", "due")

    def __init__(self, running: "dict[_Deadline, None]", task: asyncio.Task[Any], due: float) -> None:
        self._running = running
        self._task = task
        # A task that is being cancelled already stays so.
        self._cancelling = task.cancelling()
        self._passed = False
        self.due = due

    def __enter__(self) -> None:
        pass

    def pass_(self) -> None:
        self._passed = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The timer is left as it is: it is for the next one then, or for nothing.
        self._running.pop(self, None)
        if self._passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
