"""Files that commands write, complete or not at all and readable by their owner only; and a progress bar."""

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from api.command_error import CommandError


@contextmanager
def new_file(path: Path) -> Iterator[TextIO]:
    """A text file that appears at `path`, complete, when the block ends without an exception.

    Only its owner may read it, because it may hold beta keys and password hashes. Raises `CommandError`
    if it cannot be written, or if `path` exists: the content of that file would be lost.
    """
    if os.path.lexists(path):
        raise CommandError(f"{path} already exists; choose another file")
    with _as_command_error(path):
        descriptor, name = _open_temporary(path.parent)
    try:
        with _as_command_error(path), os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
            flush_to_disk(file)
            _link(file, name, path)
    finally:
        if name is not None:
            Path(name).unlink(missing_ok=True)


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Raises `CommandError` if the file cannot be opened."""
    try:
        file = path.open("rb")
    except OSError as error:
        # Only here: an OSError inside the block may come from the database connection.
        raise CommandError(f"{path} cannot be read ({error.strerror})") from None
    with file:
        yield file


@contextmanager
def seekable_file(path: Path) -> Iterator[BinaryIO]:
    """A file that can be read twice; `-` is standard input. A pipe is copied into a temporary file first.

    Raises `CommandError` if the file cannot be opened.
    """
    with nullcontext(sys.stdin.buffer) if str(path) == "-" else open_file(path) as file:
        if str(path) != "-" and file.seekable():
            yield file
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            yield copy


@contextmanager
def _as_command_error(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise CommandError(f"{path} already exists; choose another file") from None
    except OSError as error:
        # Any other one may come from the database connection inside the block.
        if error.errno not in _WRITE_ERRORS:
            raise
        raise CommandError(f"{path} cannot be written ({error.strerror}); choose another place") from None


_WRITE_ERRORS = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG,
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO,
}  # fmt: skip

_OPEN_FILES = Path("/proc/self/fd")


def _open_temporary(folder: Path) -> tuple[int, str | None]:
    """A descriptor of a new file in `folder`, and its name, or None for an unnamed file.

    The kernel removes an unnamed file when the process is killed, but not every system supports them.
    """
    if _OPEN_FILES.is_dir():
        with suppress(AttributeError, OSError):
            return os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600), None
    return tempfile.mkstemp(prefix=".gatehouse-", dir=folder)


def _link(file: TextIO, name: str | None, path: Path) -> None:
    if name is None:
        # Without `src_dir_fd`, Python does not follow the symbolic link of /proc, even for an absolute path.
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


def flush_to_disk(file: TextIO) -> None:
    """Raises `OSError` if the disk is full."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, if that is a terminal; yields a function that advances it by a number."""
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
