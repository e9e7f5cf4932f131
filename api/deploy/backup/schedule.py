"""Daily dumps into BACKUP_DIR, by the worker."""

import asyncio
import contextlib
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from api.observability.logs import get_logger
from api.settings import Settings

logger = get_logger()

CHECK_INTERVAL = 600.0
"""Seconds between two looks at the folder."""

INTERVAL = 24 * 3600.0
"""Seconds between two dumps."""

_NAME = re.compile(r"gatehouse-\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z\.dump")


async def dump_daily(settings: Settings) -> None:
    """Dump the database when the newest dump in BACKUP_DIR is a day old, until cancelled.

    The newest BACKUPS_KEPT dumps remain; other files in the folder are not touched.
    """
    folder = settings.backup_dir
    if folder is None:
        return
    while True:
        try:
            if await asyncio.to_thread(_is_due, folder):
                await _dump(folder)
                await asyncio.to_thread(_remove_old, folder, settings.backups_kept)
        except OSError as error:
            logger.error("no backup was written", folder=str(folder), error=str(error))
        await asyncio.sleep(CHECK_INTERVAL)


def dumps_in(folder: Path) -> list[Path]:
    """The dumps of the schedule, the newest first."""
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), reverse=True)


def _is_due(folder: Path) -> bool:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    newest = next(iter(dumps_in(folder)), None)
    return newest is None or time.time() - newest.stat().st_mtime > INTERVAL


async def _dump(folder: Path) -> None:
    """In a process of its own: reading all tables would delay mails, and its statements need no timeouts."""
    path = folder / f"gatehouse-{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}.dump"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "api.cli", "db", "dump", str(path)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, complaint = await process.communicate()
    except asyncio.CancelledError:
        # The command leaves no incomplete file.
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    if process.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines()
        raise OSError(lines[-1] if lines else f"the command ended with code {process.returncode}")
    logger.info("wrote a backup", file=str(path), bytes=path.stat().st_size)


def _remove_old(folder: Path, kept: int) -> None:
    for path in dumps_in(folder)[kept:]:
        path.unlink()
        logger.info("removed an old backup", file=str(path))
