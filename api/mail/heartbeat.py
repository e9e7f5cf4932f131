"""How `gatehouse health` sees that a worker works: the worker locks a file, and sets its time regularly.

A worker has no port. The kernel releases the lock when the process ends, also by SIGKILL. The time becomes
old when the process hangs.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from api.observability.logs import get_logger

logger = get_logger()


def _folder_and_prefix() -> tuple[Path, str]:
    return Path(tempfile.gettempdir()), f"gatehouse-worker-{os.geteuid()}-"


@contextmanager
def heartbeat() -> Iterator[Callable[[], None]]:
    """Yields a function to call while the worker works, more often than every `health.MAX_SILENCE` seconds.

    A worker that cannot write into the folder of temporary files logs that, and works all the same.
    """
    folder, prefix = _folder_and_prefix()
    path = folder / f"{prefix}{os.getpid()}"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        logger.warning("gatehouse health cannot see this worker", file=str(path), error=error.strerror)
        yield lambda: None
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield lambda: os.utime(file)
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def silences() -> list[float]:
    """For each worker of this user on this machine, the seconds since it has shown that it works."""
    folder, prefix = _folder_and_prefix()
    found: list[float] = []
    for path in folder.glob(f"{prefix}*"):
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            # The worker has just ended.
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            found.append(time.time() - os.fstat(file).st_mtime)
        finally:
            os.close(file)
    return found
