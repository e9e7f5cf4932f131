"""Locks on files, held by processes. The kernel releases one when its last holder ends, also by SIGKILL."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

POLL_INTERVAL = 0.01
"""Seconds."""


def lock_file(path: Path, operation: int, timeout: float = 0.0) -> int | None:
    """Lock `path`, which is created if it is missing; `operation` is `fcntl.LOCK_SH` or `fcntl.LOCK_EX`.

    Returns the file descriptor that holds the lock until it is closed, or None after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(file, operation | fcntl.LOCK_NB)
                return file
            if time.monotonic() >= deadline:
                break
            time.sleep(POLL_INTERVAL)
    except BaseException:
        os.close(file)
        raise
    os.close(file)
    return None
