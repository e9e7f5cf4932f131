"""Imports go one way; the contracts stand in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, copy_project

FORBIDDEN = {
    "Imports go one way": [
        ("api.domain.beta_keys.lookup", "api.schema"),
        ("api.execution.plans", "api.settings"),
        ("api.http.body", "api.rest"),
        ("api.observability.logs", "api.domain"),
    ],
    "Tables are columns only": [("tables.user", "api.domain")],
    "The execution of documents knows nothing of Gatehouse": [("api.execution.run", "starlette")],
    "The domain knows neither GraphQL nor HTTP, nor any language": [
        ("api.domain.accounts.sessions", "starlette")
    ],
    "GraphQL and REST hold no SQL": [("api.schema.viewer", "asyncpg")],
    "A migration means the same in a year": [("migrations.example", "tables")],
}
"""By contract: the modules that import, and what they import."""

CYCLE = ("api.http.body", "api.http.graphql_view")


def lint_imports(project: Path) -> subprocess.CompletedProcess[str]:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_go_one_way() -> None:
    checked = lint_imports(ROOT)

    assert checked.returncode == 0, checked.stdout


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter prints for a copy of the project with every forbidden import and a new module."""
    project = tmp_path_factory.mktemp("project")
    copy_project(project)
    for importer, imported in [CYCLE, *(pair for pairs in FORBIDDEN.values() for pair in pairs)]:
        with (project / f"{importer.replace('.', '/')}.py").open("a") as file:
            file.write(f"\nimport {imported}\n")
    (project / "api" / "new_module.py").touch()
    checked = lint_imports(project)
    assert checked.returncode == 1, checked.stdout
    return checked.stdout


def section(output: str, contract: str) -> str:
    """What the linter prints below the name of a broken contract."""
    assert f"{contract} BROKEN" in output
    return output.partition(f"\n{contract}\n---")[2].partition("\n---")[0]


@pytest.mark.parametrize("contract", FORBIDDEN)
def test_a_forbidden_import_breaks_its_contract(output: str, contract: str) -> None:
    for importer, imported in FORBIDDEN[contract]:
        assert f"{importer} -> {imported}" in section(output, contract)


def test_a_cycle_within_a_package_breaks_the_contract(output: str) -> None:
    assert ".body -> .graphql_view" in section(output, "No package imports its own importers")


def test_a_new_module_that_no_layer_names_breaks_the_contract(output: str) -> None:
    assert "not listed as layers:\n\n- api.new_module" in section(output, "Imports go one way")


def test_help_loads_nothing_of_single_commands() -> None:
    """Each of these modules takes longer to load than all that `gatehouse --help` needs."""
    script = (
        "import sys, api.cli; print(*{'api.settings', 'piccolo', 'babel', 'strawberry'} & sys.modules.keys())"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert loaded.stdout.split() == []
