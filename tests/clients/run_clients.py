"""`make test-clients`: GraphQL clients and code generators, each against a running server.

pytest collects this file only where it is named, because it installs some 300 packages.
"""

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.nodejs import check_lock, install, run_node
from tests.support import GatehouseProcess, issue_key

FOLDER = Path(__file__).parent

INVALID_EMAIL = {"field": "email", "code": "INVALID_EMAIL"}

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, installed: tuple[Path, Path]) -> Iterator[str]:
    """The endpoint of one server for all clients."""
    gatehouse = GatehouseProcess(tmp_path_factory.mktemp("gatehouse") / "log")
    gatehouse.start()
    endpoint = f"{gatehouse.url}/graphql"
    sdl = httpx.get(f"{endpoint}/schema.graphql").raise_for_status().text
    for folder in installed:
        (folder / "schema.graphql").write_text(sdl)
    yield endpoint
    gatehouse.stop()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of the clients for Node and of ariadne-codegen, with their packages."""
    target = tmp_path_factory.mktemp("clients") / "node"
    with ThreadPoolExecutor() as pool:
        python = pool.submit(_install_python, target.parent / "ariadne")
        return install(FOLDER, target), python.result()


def _install_python(target: Path) -> Path:
    """ariadne-codegen needs an older graphql-core than Gatehouse, so it has an environment of its own."""
    shutil.copytree(FOLDER / "ariadne", target)
    venv.create(target / ".venv", symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", target / ".venv", "install", "--quiet"]
    done = subprocess.run(
        [*pip, "--disable-pip-version-check", "--require-hashes", "-r", FOLDER / "requirements.lock"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"pip install failed: {done.stderr}", pytrace=False)
    return target


@pytest.fixture
def node(installed: tuple[Path, Path], url: str) -> Path:
    return installed[0]


@pytest.fixture
def ariadne(installed: tuple[Path, Path], url: str) -> Path:
    return installed[1]


def run(folder: Path, *arguments: str) -> str:
    """The output of a program for Node, which must succeed."""
    code, output = run_node(*arguments, cwd=folder)
    assert code == 0, output
    return output


def run_json(folder: Path, *arguments: str) -> Any:
    output = run(folder, *arguments)
    # Apollo Client 3 writes an advertisement around the results.
    return json.loads(next(line for line in output.splitlines() if line.startswith("{")))


@pytest.mark.parametrize("package", ["@apollo/client", "apollo-client-3"])
async def test_apollo_client_sends_hashes_and_normalises_errors(
    node: Path, url: str, database: asyncpg.Connection, package: str
) -> None:
    results = run_json(node, "apollo.mjs", package, url, await issue_key(database))

    start = ["GET hash 200", "POST query 200", "GET hash 200"]
    assert results["requests"] == [*start, "POST hash 200", "POST query 200"]
    assert results["first"] == results["second"]
    assert results["first"]["viewer"] is None
    assert results["first"]["mine"] is None
    assert results["first"]["validateBetaKey"]["valid"] is True
    assert results["register"]["code"] == "INVALID_INPUT"
    assert results["register"]["message"]


async def test_urql_sends_hashes_and_graphcache_knows_the_schema(
    node: Path, url: str, database: asyncpg.Connection
) -> None:
    results = run_json(node, "urql.mjs", url, await issue_key(database))

    assert results["errors"] == [None, None, None]
    assert results["warnings"] == []
    # It sends hashes of queries only.
    assert results["requests"] == ["GET hash 200", "GET query 200", "GET hash 200", "POST query 200"]
    assert results["first"]["validateBetaKey"]["valid"] is True
    assert results["register"]["code"] == "INVALID_INPUT"


async def test_relay_compiles_its_documents(node: Path, url: str, database: asyncpg.Connection) -> None:
    config = {"src": "./relay", "schema": "./schema.graphql", "language": "javascript"}
    (node / "relay.config.json").write_text(json.dumps(config))
    run(node, "node_modules/relay-compiler/cli.js", "relay.config.json")

    results = run_json(node, "relay.mjs", url, await issue_key(database))

    assert results["names"] == [
        "keysListPaginationQuery",
        "keysListQuery",
        "keysRegisterMutation",
        "keysStartQuery",
    ]
    assert results["start"]["data"]["validateBetaKey"]["valid"] is True
    assert results["list"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_graphql_code_generator_writes_types_from_introspection(node: Path, url: str) -> None:
    (node / "codegen.json").write_text(
        json.dumps(
            {
                "schema": url,
                "documents": "typed/start.graphql",
                "generates": {
                    "typed/generated/": {
                        "preset": "client",
                        "config": {"useTypeImports": True, "scalars": {"DateTime": "string"}},
                    }
                },
            }
        )
    )
    run(node, "node_modules/@graphql-codegen/cli/esm/bin.js", "--config", "codegen.json")

    assert "export type StartQuery" in (node / "typed" / "generated" / "graphql.ts").read_text()
    check_types(node, "typed/codegen.ts")


async def test_gql_tada_infers_types_from_introspection(node: Path, url: str) -> None:
    tada = "node_modules/gql.tada/bin/cli.js"
    run(node, tada, "generate-schema", url, "--output", "tada.graphql")
    assert "type Mutation" in (node / "tada.graphql").read_text()
    run(node, tada, "generate-output")

    check_types(node, "typed/tada.ts")


def check_types(node: Path, file: str) -> None:
    config = json.loads((node / "tsconfig.json").read_text())
    (node / "tsconfig.one.json").write_text(json.dumps({**config, "include": [file]}))
    run(node, "node_modules/typescript/bin/tsc", "--project", "tsconfig.one.json")


async def test_python_gql_checks_documents_by_introspection(url: str, database: asyncpg.Connection) -> None:
    output = run_program(FOLDER, sys.executable, "gql_introspection.py", url, await issue_key(database))

    results = json.loads(output)
    assert results["data"] == {"validateBetaKey": {"valid": True, "reason": None}, "viewer": None}
    assert "unknown" in results["refused"]


async def test_ariadne_codegen_writes_a_client_that_works(
    ariadne: Path, url: str, database: asyncpg.Connection
) -> None:
    programs = ariadne / ".venv" / "bin"
    run_program(ariadne, programs / "ariadne-codegen")

    output = run_program(ariadne, programs / "python", "main.py", url, await issue_key(database))

    assert json.loads(output) == {
        "valid": True,
        "viewer": None,
        "typename": "InvalidInput",
        "code": "INVALID_INPUT",
    }


def run_program(folder: Path, *command: str | Path) -> str:
    """The output of a program, which must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_lock_file_pins_every_package_and_names_no_registry() -> None:
    check_lock(FOLDER)
    assert "://" not in (FOLDER / "requirements.lock").read_text()
