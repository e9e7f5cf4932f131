"""`gatehouse …`, typed as an operator types it."""

from typing import Any

import orjson

from tests.commands import Ended, run_command


def type_in(*words: str, typed: str = "", **environment: str) -> Ended:
    """Run `gatehouse words…` in a terminal of 200 columns, and type `typed`."""
    done = run_command("gatehouse", *words, typed=typed, **{"COLUMNS": "200", **environment})
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
