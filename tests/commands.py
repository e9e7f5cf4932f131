"""Runs `gatehouse …` and `piccolo …`, each in a process and a session of its own.

Python takes a second to import the modules of a command, and the tests run hundreds of commands and servers.
So one process imports them once, and is forked for each command. The fork has its own working directory,
environment, arguments, standard streams, signals and exit code. A command that runs on a copy of the project
is started as a new program.
"""

import asyncio
import atexit
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, NamedTuple

ROOT = Path(__file__).resolve().parent.parent

PROGRAMS = {"gatehouse": "api.cli", "piccolo": "piccolo.main", "series": "tests.command_series"}
"""The modules whose `main` the programs of `.venv/bin` call."""

IMPORTED_BY_UVICORN = ("uvicorn.lifespan.on", "uvicorn.loops.auto", "uvicorn.protocols.http.auto")
"""The modules that a server imports when it starts."""

LARGEST_REQUEST = 200_000

TIMEOUT = 120
"""Seconds that a command may take."""


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run_command(program: str, *arguments: str, typed: str = "", **environment: str) -> Ended:
    """Run a program in the root of the project, with `typed` as its standard input."""
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(typed.encode())
        stdin.seek(0)
        command = Command([program, *arguments], {**os.environ, **environment}, (stdin, stdout, stderr))
        code = command.wait(TIMEOUT)
        stdout.seek(0)
        stderr.seek(0)
        return Ended(code, stdout.read().decode(), stderr.read().decode())


class Command:
    """A running program, with those methods of `subprocess.Popen` that the tests call.

    It runs in the root of the project, and leads a session and a process group.
    """

    def __init__(
        self, words: list[str], environment: dict[str, str], streams: tuple[BinaryIO, BinaryIO, BinaryIO]
    ) -> None:
        """`streams` are its standard input, output and error."""
        self._reports, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            files = [its.fileno(), *(stream.fileno() for stream in streams)]
            socket.send_fds(forking_process(), [json.dumps([words, str(ROOT), environment]).encode()], files)
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


@cache
def forking_process() -> socket.socket:
    """The process to which requests are sent; it ends when this process does."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.commands", str(its.fileno())], cwd=ROOT, pass_fds=[its.fileno()]
        )

    def end() -> None:
        mine.close()
        process.wait(10)

    atexit.register(end)
    return mine


def _serve(requests: socket.socket) -> None:
    """Serve requests; returns in the process of each command, with `sys` and `os` set up for it."""
    _import_everything()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, files, _, _ = socket.recv_fds(requests, LARGEST_REQUEST, 4)
        if not request:
            sys.exit()
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            reports, *streams = files
            command = os.fork()
            if command == 0:
                os.setsid()
                os.write(reports, str(os.getpid()).encode())
                os.close(reports)
                words, folder, environment = json.loads(request)
                return _become(words, folder, environment, streams)
            _, status = os.waitpid(command, 0)
            os.write(reports, str(status).encode())
            os._exit(0)
        for file in files:
            os.close(file)


def _import_everything() -> None:
    """Import all modules of commands, except `piccolo_conf`, whose import decides which database is used."""
    for folder in ("cli", "deploy", "domain", "mail", "server"):
        for path in (ROOT / "api" / folder).rglob("[a-z]*.py"):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for module in ("api.app", *IMPORTED_BY_UVICORN, "piccolo.main"):
        importlib.import_module(module)
    from tests.password_hashes import use_lowest_cost

    use_lowest_cost()
    # Its import changes the event loop of the process, so only the process of `piccolo` may import it.
    del sys.modules["piccolo.main"]
    asyncio.set_event_loop_policy(None)
    assert "piccolo_conf" not in sys.modules
    # Garbage collection in a fork would copy every page that it looks at.
    gc.collect()
    gc.freeze()


def _become(words: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> None:
    os.chdir(folder)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0)
    encoding = environment.get("PYTHONIOENCODING")
    sys.stdout = os.fdopen(1, "w", encoding=encoding)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding=encoding, errors="backslashreplace")
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(Path(sys.executable).parent / words[0]), *words[1:]]


def _main() -> Any:
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        _serve(requests)
    program = Path(sys.argv[0]).name
    return importlib.import_module(PROGRAMS[program]).main()


if __name__ == "__main__":
    sys.exit(_main())
