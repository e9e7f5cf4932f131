"""`gatehouse …`, typed as an operator types it."""

import asyncio
import io
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
from typer.main import get_command

from api.cli import app
from api.cli.help import run
from api.command_error import CommandError
from api.database.engine import get_engine
from tests.commands import Ended, run_command
from tests.support import GATEHOUSE, ROOT


def type_in(*words: str, typed: str = "", **environment: str) -> Ended:
    """Run `gatehouse words…` in a terminal of 200 columns, and type `typed`."""
    done = run_command(
        "gatehouse", *words, typed=typed, COLUMNS=environment.pop("COLUMNS", "200"), **environment
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def printed(*words: str, typed: str = "") -> str:
    """The output of a command that succeeds."""
    done = type_in(*words, typed=typed)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def json_of(*words: str) -> Any:
    return orjson.loads(printed(*words, "--json"))


def failure(*words: str, typed: str = "", **environment: str) -> str:
    """The one line on standard error of a command that fails with exit code 1."""
    done = type_in(*words, typed=typed, **environment)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("gatehouse: ")
    return line.removeprefix("gatehouse: ")


def wrong_usage(*words: str) -> str:
    done = type_in(*words)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


async def run_here(*words: str) -> Ended:
    """Run `gatehouse words…` in this process: starting one takes half a second. Errors are not printed."""
    output, errors, code = io.TextIOWrapper(io.BytesIO()), io.StringIO(), 1
    # The pool belongs to the event loop of the tests; a command has its own.
    with redirect_stdout(output), redirect_stderr(errors), patch.object(get_engine(), "pool", None):
        with suppress(CommandError):
            code = await asyncio.to_thread(run, get_command(app), list(words))
        output.flush()
    return Ended(code, output.buffer.getvalue().decode(), errors.getvalue())


def start(*words: str | Path) -> subprocess.Popen[bytes]:
    """Start `gatehouse words…` as a program of its own, which a test can kill."""
    return subprocess.Popen([GATEHOUSE, *words], cwd=ROOT, stdout=subprocess.DEVNULL)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until a condition holds, 30 s at most."""
    deadline = time.monotonic() + 30
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
