"""The embedded PostgreSQL, which runs when DATABASE_URL is unset.

All processes that use one home folder share one server. Three files in the folder are locked with flock. The
kernel releases such a lock when its last holder ends, also by SIGKILL, so no count and no pid can be stale:

    turn.lock      exclusive: held by the one process that starts or stops the server
    users.lock     shared: held by each process that uses the server, as long as it lives
    postgres.lock  exclusive: inherited by initdb and by every process of the server
"""

import atexit
import fcntl
import logging
import os
import pwd
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from api.database.data_folder import UPGRADE, require_no_upgrade, require_version
from api.database.file_lock import lock_file
from api.database.postgres_programs import (
    TIMEOUT,
    VERSION,
    EmbeddedServerError,
    accepts_role,
    allow_access,
    program_failure,
    programs_folder,
    run_program,
    system_user,
)
from api.database.private_folder import create_home
from api.database.socket_folder import SOCKET, create_socket_folder, socket_folder

APPLICATION = "gatehouse"
"""The application's role, and its database."""
SUPERUSER = "postgres"

INITDB_TIMEOUT = 300.0
TURN_TIMEOUT = INITDB_TIMEOUT + 2 * TIMEOUT
"""Seconds that a process waits for another one that starts or stops the server."""

# Each statement checks what exists, so that the next start completes one that was killed between the two.
CREATE_DATABASE = rf"""
SELECT 'CREATE ROLE {APPLICATION} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION}') \gexec
SELECT 'CREATE DATABASE {APPLICATION} OWNER {APPLICATION}'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{APPLICATION}') \gexec
"""

logger = logging.getLogger(__name__)


class StillStartingError(EmbeddedServerError):
    """The server was not ready in time. It goes on starting, and the next `start` finds it."""


class EmbeddedServer:
    """The PostgreSQL server of a home folder; the last process that uses it stops it."""

    def __init__(self, home: Path, version: str = VERSION, programs: Path | None = None) -> None:
        """`programs` is the folder of pg_ctl and postgres of another major version, for the data of it."""
        self.home = home.absolute()
        self._version = version
        self._programs = programs
        self.log = self.home / "postgres.log"
        self._data = self.home / "pg"
        self._users_lock: int | None = None
        self._system_user: pwd.struct_passwd | None = None

    def start(self) -> None:
        """Start the server unless it runs, also after it was killed, and wait until it accepts clients.

        Raises `EmbeddedServerError`.
        """
        try:
            programs_folder()  # An image has neither the programs nor a folder that can be written.
            create_home(self.home)
            with self._turn():
                require_no_upgrade(self.home)
                if self._users_lock is None:
                    self._users_lock = lock_file(self.home / "users.lock", fcntl.LOCK_SH)
                    atexit.register(self.stop)
                try:
                    self._start_if_needed()
                except StillStartingError:
                    # Stopping a server during crash recovery would make each start begin the recovery again.
                    self._leave()
                    raise
                except BaseException:
                    self._leave()
                    with suppress(OSError, EmbeddedServerError):
                        self._stop_if_unused()
                    raise
        except OSError as error:
            reason = f"{error.strerror or error}: {error.filename or self.home}"
            raise program_failure("The embedded PostgreSQL cannot be used", reason, "start again") from None

    def exists(self) -> bool:
        """Whether the home has a database, or one whose creation or upgrade was interrupted."""
        return any((self.home / name).exists() for name in ("pg", "pg.new", UPGRADE))

    def stop(self) -> None:
        """Stop using the server. Errors are logged only, because this runs when the interpreter exits."""
        atexit.unregister(self.stop)
        if self._users_lock is None:
            return
        try:
            with self._turn():
                self._leave()
                self._stop_if_unused()
        except (OSError, EmbeddedServerError) as error:
            logger.warning("The embedded PostgreSQL was not stopped: %s", error)

    def dsn(self, *, user: str = APPLICATION, database: str = APPLICATION) -> str:
        """The address for asyncpg, once the server is started."""
        # Without the port, the client would use PGPORT.
        location = f"host={quote(str(self._socket_folder()), safe='')}&port=5432"
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{location}"

    @contextmanager
    def _turn(self) -> Iterator[None]:
        turn = lock_file(self.home / "turn.lock", fcntl.LOCK_EX, TURN_TIMEOUT)
        if turn is None:
            raise EmbeddedServerError(
                f"Another process has been starting or stopping the PostgreSQL in {self.home} for "
                f"{TURN_TIMEOUT:.0f} s: end that process and start again"
            )
        try:
            yield
        finally:
            os.close(turn)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A block in which the server neither runs nor is started. Raises `EmbeddedServerError`."""
        with self._turn(), ExitStack() as locks:
            for name, advice in (
                ("users.lock", "stop gatehouse serve and all commands"),
                ("postgres.lock", f"run: kill -INT $(head -1 {self._data}/postmaster.pid)"),
            ):
                lock = lock_file(self.home / name, fcntl.LOCK_EX)
                if lock is None:
                    raise EmbeddedServerError(f"the PostgreSQL in {self.home} is in use: {advice}")
                locks.callback(os.close, lock)
            yield

    def _start_if_needed(self) -> None:
        self._system_user = system_user()
        self._create_socket_folder()
        if self._accepts(APPLICATION):
            return
        self._start_server()
        options = ("--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--username={SUPERUSER}")
        self._run("psql", *options, f"--host={self._socket_folder()}", stdin=CREATE_DATABASE)

    def _socket_folder(self) -> Path:
        return socket_folder(self.home, self._data)

    def _create_socket_folder(self) -> None:
        folder = self._socket_folder()
        if folder != self._data:
            create_socket_folder(folder, {os.geteuid(), self._server_uid()})
            self._give_to_server(folder)

    def _server_uid(self) -> int:
        return self._system_user.pw_uid if self._system_user else os.geteuid()

    def _give_to_server(self, path: Path) -> None:
        if self._system_user:
            os.chown(path, self._system_user.pw_uid, self._system_user.pw_gid, follow_symlinks=False)

    def _accepts(self, role: str) -> bool:
        return accepts_role(self._socket_folder() / SOCKET, role)

    def _start_server(self) -> None:
        deadline = time.monotonic() + TIMEOUT
        log_size = None
        while not self._is_ready():
            lock = lock_file(self.home / "postgres.lock", fcntl.LOCK_EX)
            if lock is None:
                # It recovers from a crash, or shuts down, or the process that started it was killed.
                if time.monotonic() > deadline:
                    raise StillStartingError(
                        f"PostgreSQL was not ready after {TIMEOUT:.0f} s: see {self.log} and start again"
                    )
                time.sleep(0.01)
                continue
            try:
                if log_size is not None:
                    output = self.log.read_bytes()[log_size:].decode(errors="replace")
                    raise program_failure("PostgreSQL did not start", output, f"see {self.log}")
                self._prepare_data(lock)
                log_size = self._prepare_log()
                deadline = time.monotonic() + TIMEOUT
                self._start_postgres(lock)
            finally:
                os.close(lock)

    def _is_ready(self) -> bool:
        # The file comes first, because a server that is starting logs each connection that it refuses.
        with suppress(OSError):
            status = (self._data / "postmaster.pid").read_bytes().split()[-1:]
            return status == [b"ready"] and self._accepts(SUPERUSER)
        return False

    def _prepare_data(self, lock: int) -> None:
        if self._system_user:
            allow_access(self._system_user.pw_uid, self._data)
        if not self._data.exists() or not any(self._data.iterdir()):
            self._create_data(lock)
        require_version(self._data, self._version)
        if self._system_user and self._data.stat().st_uid != self._system_user.pw_uid:
            # A volume may come from an image in which the user has another id. The folder itself comes last,
            # so that the next start does this again if the process is killed before.
            for path in (*self._data.rglob("*"), self._data):
                self._give_to_server(path)

    def _create_data(self, lock: int) -> None:
        # Renamed when it is complete, so that a killed initdb leaves no folder that looks like one.
        unfinished = self.home / "pg.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        self._give_to_server(unfinished)
        self._run(
            "initdb", "--pgdata=pg.new", "--encoding=UTF8",
            "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            f"--username={SUPERUSER}", "--auth-local=trust", "--auth-host=reject",
            timeout=INITDB_TIMEOUT, inherited_files=(lock,),
        )  # fmt: skip
        unfinished.rename(self._data)
        home = os.open(self.home, os.O_RDONLY)
        os.fsync(home)
        os.close(home)

    def _prepare_log(self) -> int:
        """Create the log, and return its size in bytes."""
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        if self._system_user:
            os.fchown(log, self._system_user.pw_uid, self._system_user.pw_gid)
        size = os.fstat(log).st_size
        os.close(log)
        return size

    def _start_postgres(self, lock: int) -> None:
        # This process has the lock, so no process of the server lives. By now a pid in these files may be
        # that of another program, and PostgreSQL would refuse to start.
        folder = self._socket_folder()
        for leftover in (self._data / "postmaster.pid", folder / f"{SOCKET}.lock"):
            leftover.unlink(missing_ok=True)
        # "." is the data folder, whose name may contain characters that are syntax in this setting.
        sockets = "." if folder == self._data else str(folder)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}", "-c", "port=5432"]
        self._run(
            "pg_ctl", "start", "-W", "-D", "pg", "-l", self.log.name, "-o", shlex.join(options),
            inherited_files=(lock,),
        )  # fmt: skip

    def _leave(self) -> None:
        if self._users_lock is not None:
            os.close(self._users_lock)
            self._users_lock = None

    def _stop_if_unused(self) -> None:
        # Another descriptor than `_users_lock`: a forked child shares that one, and counts as a user.
        users = lock_file(self.home / "users.lock", fcntl.LOCK_EX)
        if users is None:
            return
        os.close(users)
        if (lock := lock_file(self.home / "postgres.lock", fcntl.LOCK_EX)) is not None:
            os.close(lock)
            return
        self._run("pg_ctl", "stop", "-W", "-m", "fast", "-D", "pg")
        lock = lock_file(self.home / "postgres.lock", fcntl.LOCK_EX, TIMEOUT)
        if lock is None:
            raise EmbeddedServerError(f"it still ran after {TIMEOUT:.0f} s: see {self.log}")
        os.close(lock)
        if self._socket_folder() != self._data:
            with suppress(OSError):
                self._socket_folder().rmdir()

    def _run(self, program: str, *arguments: str, **options: Any) -> None:
        # psql of a later version speaks to an older server.
        programs = None if program == "psql" else self._programs
        run_program(
            program, *arguments, folder=self.home, log=self.log, user=self._system_user, programs=programs,
            **options,
        )  # fmt: skip
