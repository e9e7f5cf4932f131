"""`gatehouse …`, typed as an operator types it."""

import os
import subprocess
from typing import Any

import orjson

from tests.support import GATEHOUSE, ROOT


def type_in(*words: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `gatehouse words…` in a terminal of 200 columns, and type `typed`."""
    done = subprocess.run(
        [GATEHOUSE, *words],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", **environment},
        input=typed,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def printed(*words: str, typed: str = "") -> str:
    """What a command prints that does what it should."""
    done = type_in(*words, typed=typed)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def json_of(*words: str) -> Any:
    return orjson.loads(printed(*words, "--json"))


def failure(*words: str, typed: str = "", **environment: str) -> str:
    """What a command says that fails: one line on standard error, with exit code 1."""
    done = type_in(*words, typed=typed, **environment)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("gatehouse: ")
    return line.removeprefix("gatehouse: ")


def wrong_usage(*words: str) -> str:
    done = type_in(*words)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr
