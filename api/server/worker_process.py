"""Runs the worker of `gatehouse serve` in a process of its own.

In the server process it would compete with requests for the interpreter: under a full load of registrations,
whose mails it sends, the slowest key look-ups took six times as long.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.observability.logs import get_logger

logger = get_logger()

RESTART_DELAY = 5.0
"""Seconds before a worker that ended unexpectedly is restarted."""

SHUTDOWN_TIMEOUT = 15.0
"""Seconds for a stopping worker to finish the mails that it is sending."""


@contextmanager
def worker_process() -> Iterator[None]:
    """Run a worker during the block, and restart it whenever it ends."""
    stop = threading.Event()
    supervisor = threading.Thread(target=_supervise, args=[stop], name="worker", daemon=True)
    supervisor.start()
    try:
        yield
    finally:
        stop.set()
        supervisor.join()


def _supervise(stop: threading.Event) -> None:
    while not stop.is_set():
        # In a process group of its own, which Ctrl-C does not reach. It stops when its standard input closes.
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "worker", "--beside-server"],
            stdin=subprocess.PIPE,
            process_group=0,
        )
        while process.poll() is None and not stop.wait(0.5):
            pass
        if not stop.is_set():
            logger.error("the worker ended and will be restarted", exit_code=process.returncode)
            stop.wait(RESTART_DELAY)
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        process.communicate(timeout=SHUTDOWN_TIMEOUT)
    except subprocess.TimeoutExpired:
        # The next worker sends the unfinished mails again.
        process.kill()
        process.wait()
