"""Folders that other users of the machine must not read: GATEHOUSE_HOME, and the outbox of mails in it."""

import logging
import os
import stat
from pathlib import Path

logger = logging.getLogger(__name__)

_OWN_NAMES = {
    "outbox", "pg", "pg.new", "postgres.lock", "postgres.log", "turn.lock", "upgrade", "users.lock",
}  # fmt: skip

_PASSABLE = stat.S_IRWXU | stat.S_IXOTH
"""As root, PostgreSQL runs as another user, who passes through the home without listing it."""


def create_home(home: Path) -> None:
    """Create GATEHOUSE_HOME for its owner alone. Raises `OSError`.

    An existing one that other users may read or write is restricted if it contains nothing but Gatehouse's
    files: a folder like /srv may be open on purpose. Any other one is logged.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    mode = stat.S_IMODE(home.stat().st_mode)
    if not mode & ~_PASSABLE:
        return
    if {path.name for path in home.iterdir()} <= _OWN_NAMES and home.stat().st_uid == os.geteuid():
        home.chmod(mode & _PASSABLE)
    else:
        logger.warning("Other users can read the folder GATEHOUSE_HOME %s (mode %o)", home, mode)


def create_outbox(outbox: Path) -> None:
    """Create the folder of mails, which contain one-time codes, for its owner alone. Raises `OSError`."""
    if not outbox.parent.exists():
        create_home(outbox.parent)
    outbox.mkdir(mode=0o700, exist_ok=True)
    status = outbox.stat()
    if status.st_mode & 0o077:
        if status.st_uid == os.geteuid():
            outbox.chmod(0o700)
        else:
            logger.warning("Other users can read the mails in %s", outbox)
