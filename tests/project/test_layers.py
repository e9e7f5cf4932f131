"""Imports go one way; the contracts stand in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, copy_project

LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]


def test_imports_go_one_way() -> None:
    checked = subprocess.run([*LINT, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("api/domain/beta_keys/lookup.py", "from api.schema import error_types"),
        ("api/domain/accounts/sessions.py", "import starlette"),
        ("api/execution/plans.py", "import api.settings"),
        ("api/schema/viewer.py", "import asyncpg"),
        ("tables/user.py", "import api.domain"),
    ],
)
def test_an_import_that_climbs_is_noticed(tmp_path: Path, module: str, line: str) -> None:
    copy_project(tmp_path)
    climbing = tmp_path / module
    climbing.write_text(f"{climbing.read_text()}\n{line}\n")

    checked = subprocess.run([*LINT, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert checked.returncode == 1, checked.stdout
    assert "BROKEN" in checked.stdout
