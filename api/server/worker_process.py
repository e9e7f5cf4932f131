"""The worker of `gatehouse serve`, in a process of its own.

Within a server process it would take the interpreter from the requests: beside a full load of registrations,
whose mails it writes, the slowest look-ups took six times as long.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.observability.logs import get_logger

logger = get_logger()

PAUSE = 5.0
"""Seconds before a worker that ended by itself is started again."""

PATIENCE = 15.0
"""Seconds that a worker has for the mails that it is sending, once it is told to stop."""


@contextmanager
def worker_process() -> Iterator[None]:
    """Have a worker as long as the block lasts."""
    stop = threading.Event()
    keeper = threading.Thread(target=_keep_working, args=[stop], name="worker", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()


def _keep_working(stop: threading.Event) -> None:
    while not stop.is_set():
        # In a group of its own, so that Ctrl-C does not reach it: it is told by its standard input to stop.
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "worker", "--beside-server"],
            stdin=subprocess.PIPE,
            process_group=0,
        )
        while process.poll() is None and not stop.wait(0.5):
            pass
        if not stop.is_set():
            logger.error("the worker ended and is started again", exit_code=process.returncode)
            stop.wait(PAUSE)
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        # What it was sending is taken up by the next worker.
        process.kill()
        process.wait()
