"""Runs many commands in one process, which takes a tenth of the time of a process for each.

A command that needs a process of its own, such as one that is killed, is run by `tests.commands`.
"""

import asyncio
import importlib
import io
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import BinaryIO, Literal, NamedTuple

import uvicorn

from api.server import serve
from tests import commands


class Done(NamedTuple):
    """Both streams are in `output`, as in a terminal."""

    code: int
    output: str


@contextmanager
def command_series(**environment: str) -> Iterator["Series"]:
    """A process that runs commands with this environment until the end of the block."""
    with ExitStack() as stack:

        def open_end(number: int, mode: Literal["rb", "wb"]) -> BinaryIO:
            return stack.enter_context(os.fdopen(number, mode))

        (its_in, to), (back, its_out) = os.pipe(), os.pipe()
        streams = open_end(its_in, "rb"), open_end(its_out, "wb"), open_end(os.dup(2), "wb")
        process = commands.Command(["series"], {**os.environ, **environment}, streams)
        for stream in streams:
            stream.close()
        requests = open_end(to, "wb")
        yield Series(requests, open_end(back, "rb"))
        requests.close()
        assert process.wait(20) == 0


class Series:
    def __init__(self, to: BinaryIO, back: BinaryIO) -> None:
        self._to = to
        self._back = back

    def run(self, *words: str) -> Done:
        self._to.write(json.dumps(words).encode() + b"\n")
        self._to.flush()
        return Done(*json.loads(self._back.readline()))


def main() -> None:
    """The process: one command a line, one result a line."""
    # `gatehouse serve` ends when it would serve.
    serve.open_listeners = _listen_nowhere
    uvicorn.Server.run = _return
    answers = sys.stdout
    for line in sys.stdin:
        answers.write(json.dumps(_run(json.loads(line))) + "\n")
        answers.flush()


def _listen_nowhere(_hosts: str, _port: int, _host_name: str, _port_name: str) -> list[socket.socket]:
    return []


def _return(self: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
    pass


def _run(words: list[str]) -> Done:
    if "URL" not in words:
        return _run_command(words)
    with _served() as url:
        return _run_command([url if word == "URL" else word for word in words])


@contextmanager
def _served() -> Iterator[str]:
    """A server in a thread, for a command that asks one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config("api.app:create_app", factory=True, log_config=None, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def _run_command(words: list[str]) -> Done:
    buffer = io.BytesIO()
    output = io.TextIOWrapper(buffer, encoding="utf-8", write_through=True)
    sys.argv = words
    code: object = 0
    with redirect_stdout(output), redirect_stderr(output):
        try:
            importlib.import_module(commands.PROGRAMS[words[0]]).main()
        except SystemExit as end:
            code = end.code or 0
            if isinstance(code, str):
                output.write(f"{code}\n")
                code = 1
    output.flush()
    return Done(int(str(code)), buffer.getvalue().decode())
