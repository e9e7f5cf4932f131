"""Files that commands write: whole or not at all, for their owner alone; and how far one has got."""

import errno
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from api.command_error import CommandError


@contextmanager
def new_file(path: Path) -> Iterator[TextIO]:
    """A file that is there, with all that was written, once the block has ended well.

    Beta keys are as good as the doors that they open, so nobody else may read it. Raises `CommandError`
    where it cannot be written, or where there is a file of that name already, whose keys would be lost.
    """
    if os.path.lexists(path):
        raise CommandError(f"{path} is there already; choose another file")
    with _told(path):
        descriptor, name = _open_unseen(path.parent)
    try:
        with _told(path), os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
            write_out(file)
            _place(file, name, path)
    finally:
        if name is not None:
            Path(name).unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise CommandError(f"{path} is there already; choose another file") from None
    except OSError as error:
        # Others may come from the connection to the database, which is told as such.
        if error.errno not in _NOT_WRITABLE:
            raise
        raise CommandError(f"{path} cannot be written ({error.strerror}); choose another place") from None


_NOT_WRITABLE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG,
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO,
}  # fmt: skip

_OPEN_FILES = Path("/proc/self/fd")


def _open_unseen(folder: Path) -> tuple[int, str | None]:
    """An open file in `folder`, and its name if it has to have one.

    One without a name is gone when its process is killed; not every system has such files.
    """
    if _OPEN_FILES.is_dir():
        with suppress(AttributeError, OSError):
            return os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600), None
    return tempfile.mkstemp(prefix=".gatehouse-", dir=folder)


def _place(file: TextIO, name: str | None, path: Path) -> None:
    if name is None:
        # Without a folder beside it, even an absolute path, Python does not follow the link of /proc.
        os.link(_OPEN_FILES / str(file.fileno()), path, src_dir_fd=file.fileno())
    elif os.path.lexists(path):
        raise FileExistsError
    else:
        Path(name).rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_out(file: TextIO) -> None:
    """Have everything on the disk, or fail because it is full."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, if that is a terminal; call what you get with what was done since."""
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.advance(task, done)
