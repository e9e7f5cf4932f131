"""The folder of the embedded server's socket: that of the data, or one in /tmp if its path is too long."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from api.database.postgres_programs import EmbeddedServerError

SOCKET = ".s.PGSQL.5432"

# The path of a socket may have 107 bytes on Linux and 103 on macOS.
MAX_SOCKET_PATH = 103


def socket_folder(home: Path, data: Path) -> Path:
    # A comma in a host separates two hosts.
    if len(os.fsencode(data / SOCKET)) <= MAX_SOCKET_PATH and "," not in str(data):
        return data
    # Not in TMPDIR, which differs between processes and may be too long. Named by the inode and not by a
    # hash of the path: the server of a deleted home holds its inode, so a new home has another name.
    status = home.stat()
    return Path(f"/tmp/gatehouse-{status.st_dev:x}-{status.st_ino:x}")  # noqa: S108 (its owner is verified)


def create_socket_folder(folder: Path, owners: set[int]) -> None:
    """Raises `EmbeddedServerError` if another user owns it, who could answer in place of the server."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or found.st_mode & 0o077:
        raise EmbeddedServerError(f"{folder} must be a folder that only its owner can enter: remove it")
