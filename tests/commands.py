"""Runs `gatehouse …`, `piccolo …` and `python -c …`, each in a process and a session of its own.

Python takes a second to import the modules of a command, and the tests run hundreds of commands and servers.
So two processes import them once, and are forked for each command: one has the modules of the project, the
other only those of libraries, for commands on a copy of the project. The fork has its own working directory,
environment, arguments, standard streams, signals and exit code.
"""

import asyncio
import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple

ROOT = Path(__file__).resolve().parent.parent

PROGRAMS = {"gatehouse": "api.cli", "piccolo": "piccolo.main", "series": "tests.command_series"}
"""The modules whose `main` the programs of `.venv/bin` call."""

LIBRARIES = (
    "asyncpg",
    "email_validator",
    "jinja2",
    "limits",
    "orjson",
    "phonenumbers",
    "piccolo.apps.migrations.commands.backwards",
    "piccolo.apps.migrations.commands.check",
    "piccolo.apps.migrations.commands.forwards",
    "piccolo.apps.migrations.commands.new",
    "piccolo.main",
    "precis_i18n.codec",
    "prometheus_client",
    "pwdlib",
    "pydantic_settings",
    "rich.console",
    "starlette.applications",
    "stdnum.co.nit",
    "strawberry.schema",
    "structlog",
    "typer",
)
"""The slowest imports of commands. If one is missing here, commands on a copy of the project are slower."""

IMPORTED_BY_UVICORN = ("uvicorn.lifespan.on", "uvicorn.loops.auto", "uvicorn.protocols.http.auto")
"""The modules that a server imports when it starts."""

LARGEST_REQUEST = 200_000

TIMEOUT = 120
"""Seconds that a command may take."""


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run_command(
    program: str, *arguments: str, typed: str = "", cwd: str | Path = ROOT, **environment: str
) -> Ended:
    """Run a program, by default in the root of the project, with `typed` as its standard input."""
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(typed.encode())
        stdin.seek(0)
        command = Command(
            [program, *arguments], {**os.environ, **environment}, (stdin, stdout, stderr), Path(cwd)
        )
        code = command.wait(TIMEOUT)
        stdout.seek(0)
        stderr.seek(0)
        return Ended(code, stdout.read().decode(), stderr.read().decode())


class Command:
    """A running program, with those methods of `subprocess.Popen` that the tests call.

    It leads a session and a process group. In another folder than the root it imports the project from there,
    and from the folders of PYTHONPATH.
    """

    def __init__(
        self,
        words: list[str],
        environment: dict[str, str],
        streams: tuple[BinaryIO, BinaryIO, BinaryIO],
        cwd: Path = ROOT,
    ) -> None:
        """`streams` are its standard input, output and error."""
        self._reports, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            files = [its.fileno(), *(stream.fileno() for stream in streams)]
            request = json.dumps([words, str(cwd), environment]).encode()
            socket.send_fds(forking_processes()[cwd == ROOT], [request], files)
        self.returncode: int | None = None
        self.pid = self._report(TIMEOUT)

    def wait(self, timeout: float) -> int:
        """The exit code. Raises `TimeoutError` after that many seconds."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(self._report(timeout))
            self._reports.close()
        return self.returncode

    def poll(self) -> int | None:
        with suppress(BlockingIOError):
            self.wait(0)
        return self.returncode

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _report(self, timeout: float) -> int:
        self._reports.settimeout(timeout)
        report = self._reports.recv(100)
        assert report, "the process that is forked has ended"
        return int(report)


class PipedCommand(Command):
    """A running program whose standard input and output are pipes; its errors are part of its output."""

    def __init__(self, words: list[str], environment: dict[str, str], cwd: Path = ROOT) -> None:
        its_input, write = os.pipe()
        read, its_output = os.pipe()
        self.stdin, self.stdout = os.fdopen(write, "w"), os.fdopen(read)
        with os.fdopen(its_input, "rb") as stdin, os.fdopen(its_output, "wb") as output:
            super().__init__(words, environment, (stdin, output, output), cwd)

    def communicate(self, typed: str = "") -> tuple[str, None]:
        """The output, once the program has ended."""
        with self.stdin:
            self.stdin.write(typed)
        with self.stdout:
            output = self.stdout.read()
        self.wait(TIMEOUT)
        return output, None


@cache
def forking_processes() -> dict[bool, socket.socket]:
    """The processes to which requests are sent, by whether they have imported the project."""
    sockets = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
    theirs = [its.fileno() for _, its in sockets]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.commands", *map(str, theirs)], cwd=ROOT, pass_fds=theirs
    )
    for _, its in sockets:
        its.close()

    def end() -> None:
        for mine, _ in sockets:
            mine.close()
        process.wait(10)

    atexit.register(end)
    return {True: sockets[0][0], False: sockets[1][0]}


def _serve(requests: socket.socket) -> list[str]:
    """Serve requests; returns in the process of each command, with `sys` and `os` set up for its words."""
    reports: dict[int, int] = {}
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    with woken, wake:
        while True:
            ready, _, _ = select.select([requests, woken], [], [])
            if woken in ready:
                woken.recv(1000)
                _report_exits(reports)
            if requests not in ready:
                continue
            request, files, _, _ = socket.recv_fds(requests, LARGEST_REQUEST, 4)
            if not request:
                os._exit(0)
            report, *streams = files
            command = os.fork()
            if command == 0:
                break
            reports[command] = report
            for stream in streams:
                os.close(stream)
    # Only in the process of a command.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    requests.close()
    os.setsid()
    os.write(report, str(os.getpid()).encode())
    for other in (report, *reports.values()):
        os.close(other)
    words, folder, environment = json.loads(request)
    _become(words, folder, environment, streams)
    return words


def _report_exits(reports: dict[int, int]) -> None:
    """Write the status of each command that has ended to its file in `reports`, by process."""
    while reports:
        command, status = os.waitpid(-1, os.WNOHANG)
        if command == 0:
            return
        report = reports.pop(command, None)
        if report is None:
            continue
        # A test that has killed the command may have ended.
        with suppress(BrokenPipeError):
            os.write(report, str(status).encode())
        os.close(report)


def _import_libraries() -> None:
    for module in LIBRARIES:
        importlib.import_module(module)
    _forget_piccolo_main()


def _forget_piccolo_main() -> None:
    """Its import changes the event loop of the process, so only the process of `piccolo` may import it."""
    del sys.modules["piccolo.main"]
    asyncio.set_event_loop_policy(None)
    # Garbage collection in a fork would copy every page that it looks at.
    gc.collect()
    gc.freeze()


def _import_everything() -> None:
    """Import all modules of commands, except `piccolo_conf`, whose import decides which database is used."""
    for folder in ("cli", "deploy", "domain", "mail", "server"):
        for path in (ROOT / "api" / folder).rglob("[a-z]*.py"):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for module in ("api.app", *IMPORTED_BY_UVICORN, "piccolo.main"):
        importlib.import_module(module)
    import api.cli
    from api.deploy.migrations.migration import all_migrations
    from api.settings import Settings
    from tests.password_hashes import use_lowest_cost

    use_lowest_cost()
    # Half of the time of a short command: Typer builds all commands from the signatures of their functions,
    # and pydantic reads the settings for the first time.
    built = api.cli.get_command(api.cli.app)
    api.cli.get_command = lambda _: built
    Settings()
    all_migrations()
    _forget_piccolo_main()
    assert "piccolo_conf" not in sys.modules


def _become(words: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> None:
    os.chdir(folder)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in {*streams} - {0, 1, 2}:
        os.close(stream)
    sys.stdin = os.fdopen(0)
    encoding = environment.get("PYTHONIOENCODING")
    sys.stdout = os.fdopen(1, "w", encoding=encoding)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding=encoding, errors="backslashreplace")
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(Path(sys.executable).parent / words[0]), *words[1:]]


_exit_codes: list[int] = []


def _exit_at_once() -> None:
    """Exit without the end of the interpreter, which frees, and so copies, each object that a fork shares."""
    if _exit_codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_exit_codes[0])


def _run(words: list[str]) -> Any:
    program, *arguments = words
    if program in PROGRAMS:
        return importlib.import_module(PROGRAMS[program]).main()
    option, code, *rest = arguments
    sys.argv = [option, *rest]
    if option == "-m":
        runpy.run_module(code, run_name="__main__", alter_sys=True)
    else:
        sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), vars(sys.modules["__main__"]))
    return None


def _main() -> Any:
    # The first that is registered runs as the last.
    atexit.register(_exit_at_once)
    _import_libraries()
    project, copies = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    if os.fork() == 0:
        copies.close()
        _import_everything()
        requests = project
    else:
        project.close()
        requests = copies
    with requests:
        words = _serve(requests)
    if requests is copies:
        # The root is on the path only where PYTHONPATH says so.
        sys.path[:1] = [os.getcwd(), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    try:
        code = _run(words)
    except SystemExit as exit_:
        code = exit_.code
    if code is None or isinstance(code, int):
        _exit_codes.append(code or 0)
    return code


if __name__ == "__main__":
    sys.exit(_main())
