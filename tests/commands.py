"""Runs `gatehouse …` and `piccolo …` to their end, each in a process of its own.

Python takes a second to import the modules of a command, and the tests run hundreds of commands. So one
process imports it once, and is forked for each command. The fork has its own working directory, environment,
arguments, standard streams and exit code. A command that a test kills, or that runs on a copy of the project,
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
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent

PROGRAMS = {"gatehouse": "api.cli", "piccolo": "piccolo.main"}
"""The modules whose `main` the programs of `.venv/bin` call."""

LARGEST_REQUEST = 200_000

TIMEOUT = 120
"""Seconds that a command may take."""


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run_command(program: str, *arguments: str, typed: str = "", **environment: str) -> Ended:
    """Run a program in the root of the project, with `typed` as its standard input."""
    mine, its = socket.socketpair()
    with mine, TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(typed.encode())
        stdin.seek(0)
        request = json.dumps([program, arguments, {**os.environ, **environment}])
        with its:
            files = [its.fileno(), stdin.fileno(), stdout.fileno(), stderr.fileno()]
            socket.send_fds(_forking_process(), [request.encode()], files)
        mine.settimeout(TIMEOUT)
        status = mine.recv(100)
        assert status, "the process that is forked has ended"
        stdout.seek(0)
        stderr.seek(0)
        code = os.waitstatus_to_exitcode(int(status))
        return Ended(code, stdout.read().decode(), stderr.read().decode())


@cache
def _forking_process() -> socket.socket:
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
            answer, *streams = files
            command = os.fork()
            if command == 0:
                os.close(answer)
                program, arguments, environment = json.loads(request)
                return _become(program, arguments, environment, streams)
            _, status = os.waitpid(command, 0)
            os.write(answer, str(status).encode())
            os._exit(0)
        for file in files:
            os.close(file)


def _import_everything() -> None:
    """Import all modules of commands, except `piccolo_conf`, whose import decides which database is used."""
    for folder in ("cli", "deploy", "domain", "mail"):
        for path in (ROOT / "api" / folder).rglob("[a-z]*.py"):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    importlib.import_module("piccolo.main")
    # Its import changes the event loop of the process, so only the process of `piccolo` may import it.
    del sys.modules["piccolo.main"]
    asyncio.set_event_loop_policy(None)
    assert "piccolo_conf" not in sys.modules
    # Garbage collection in a fork would copy every page that it looks at.
    gc.collect()
    gc.freeze()


def _become(program: str, arguments: list[str], environment: dict[str, str], streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0)
    sys.stdout = os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", errors="backslashreplace")
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(Path(sys.executable).parent / program), *arguments]


def _main() -> Any:
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        _serve(requests)
    program = Path(sys.argv[0]).name
    return importlib.import_module(PROGRAMS[program]).main()


if __name__ == "__main__":
    sys.exit(_main())
