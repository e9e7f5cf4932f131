"""Files and functions stay short, and modules import at the top, unless a module says why it does not."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

MAX_FILE_LINES = {"api": 300, "tables": 300, "tests": 500}

MAX_FUNCTION_LINES = 40

LATE_IMPORTS = {
    "api/domain/accounts/passkeys/passkeys.py": "webauthn takes 0.13 s to load, and no command uses it",
    "api/http/metrics_port.py": "prometheus_client takes time and memory, and metrics are off by default",
    "api/observability/middleware.py": "the same holds for prometheus_client and OpenTelemetry",
    "api/setting_types.py": "phonenumbers and stdnum take longer to load than all settings together",
    "api/terminal_language.py": "most commands run in English and need no Spanish",
    "api/written_times.py": "Babel takes longer to load than a command that prints no time in words",
}
"""The modules outside of `api/cli`, whose docstring has the rule for commands, that import in functions."""

LONG = "Longer than "
"""A docstring of a file or of a function with these words says why it is longer than the limit."""


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", MAX_FILE_LINES)
def test_no_file_is_too_long(folder: str) -> None:
    too_long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in python_files(folder)
        if (lines := path.read_text().count("\n")) > MAX_FILE_LINES[folder]
        and LONG not in (ast.get_docstring(ast.parse(path.read_text())) or "")
    ]

    assert too_long == []


def test_no_function_of_the_application_is_too_long() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}: {function.name} has {lines} lines"
        for path in python_files("api")
        for function in functions(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > MAX_FUNCTION_LINES
        and LONG not in (ast.get_docstring(function) or "")
    ]

    assert too_long == []


def test_modules_import_at_the_top() -> None:
    """An import in a function may hide a cycle from the layer contracts."""
    importers = {
        path.relative_to(ROOT).as_posix()
        for path in python_files("api")
        for function in functions(path)
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
    }

    assert {name for name in importers if not name.startswith("api/cli/")} == LATE_IMPORTS.keys()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
