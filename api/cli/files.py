"""Files that commands write: whole or not at all, for their owner alone; and how far one has got."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from api.errors import CommandFailed


@contextmanager
def new_file(path: Path) -> Iterator[TextIO]:
    """A file that is there, with all that was written, once the block has ended well.

    Beta keys are as good as the doors that they open, so nobody else may read it. Raises `CommandFailed`
    where there is a file of that name already, whose keys would be lost.
    """
    if path.exists():
        raise CommandFailed(f"{path} is there already; choose another file")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written ({error.strerror}); choose another file") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
            write_out(file)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_out(file: TextIO) -> None:
    """Have everything on the disk, or fail because it is full."""
    file.flush()
    os.fsync(file.fileno())


def formula_safe(cell: str | None) -> str:
    """A cell that no spreadsheet takes for a formula."""
    if cell is None:
        return ""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


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
