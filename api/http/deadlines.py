"""Deadlines with one common timeout for many tasks, which share one timer of the event loop."""

import asyncio
from threading import get_ident
from types import TracebackType
from typing import Any


class Deadlines:
    """`with deadlines.start():` cancels its block after `seconds`, and then raises `TimeoutError`.

    It behaves like `asyncio.timeout`, but that adds and cancels a timer for each block, which takes as long
    as the execution of a small document. Here all deadlines have the same timeout, so they expire in the
    order in which they start, and one timer for the earliest of them suffices.

    All tasks must belong to the running event loop. After that loop has ended, another one may follow.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._timer: asyncio.TimerHandle | None = None
        self._running: dict[_Deadline, None] = {}

    def start(self) -> "_Deadline":
        """A deadline, which the current task must enter immediately. Raises `RuntimeError` outside a task."""
        # The loop is cached, because `get_running_loop` makes a system call in Python 3.11.
        loop = self._loop
        # In another thread, `current_task(loop)` would return a task that the cached loop runs in its own.
        thread = get_ident()
        if loop is None or thread != self._thread or (task := asyncio.current_task(loop)) is None:
            loop = asyncio.get_running_loop()
            task = asyncio.current_task(loop)
            if task is None:
                raise RuntimeError("A deadline needs a task.")
            if self._loop is not None and self._loop.is_running():
                raise RuntimeError("All deadlines must belong to one event loop.")
            # The timer and the tasks of the loop that has ended will not run any more.
            self._loop, self._thread, self._timer = loop, thread, None
            self._running.clear()
        deadline = _Deadline(self._running, task, loop.time() + self.seconds)
        self._running[deadline] = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.due, self._expire, loop)
        return deadline

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for deadline in [*self._running]:
            if deadline.due > now:
                self._timer = loop.call_at(deadline.due, self._expire, loop)
                break
            del self._running[deadline]
            deadline.expire()


class _Deadline:
    __slots__ = ("_cancels_before", "_expired", "_running", "_task", "due")

    def __init__(self, running: "dict[_Deadline, None]", task: asyncio.Task[Any], due: float) -> None:
        self._running = running
        self._task = task
        # A cancellation that was requested before must not become a TimeoutError.
        self._cancels_before = task.cancelling()
        self._expired = False
        self.due = due

    def __enter__(self) -> None:
        pass

    def expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The timer is not cancelled, because that costs time: when it fires, it serves the next deadline.
        self._running.pop(self, None)
        if self._expired and self._task.uncancel() <= self._cancels_before and kind is asyncio.CancelledError:
            raise TimeoutError from error
