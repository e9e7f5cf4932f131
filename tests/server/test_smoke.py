"""`gatehouse smoke`."""

import json

import pytest

from tests.commands import run_command
from tests.server.serving import Start

pytestmark = pytest.mark.anyio


def smoke(url: str, *options: str) -> tuple[int, str]:
    done = run_command("gatehouse", "smoke", url, *options)
    return done.returncode, done.stdout + done.stderr


def test_a_running_server_passes_the_smoke_checks(start: Start) -> None:
    url = start().url

    code, output = smoke(url, "--json")

    assert smoke(f"{url}/") == (0, "all is well\n")
    assert (code, json.loads(output)["ok"]) == (0, True)
    assert {check["path"] for check in json.loads(output)["checks"]} > {"/healthz", "/readyz", "/graphql"}


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://x", "nowhere"])
def test_an_address_without_gatehouse_fails_the_smoke_checks(url: str) -> None:
    code, output = smoke(url)
    as_json = smoke(url, "--json")

    assert (code, as_json[0]) == (1, 1)
    assert "Traceback" not in output
    if "is not an HTTP URL" not in output:
        failures = [check["failure"] for check in json.loads(as_json[1])["checks"]]
        assert [*failures, "for the cause, on the machine of the server, run: gatehouse doctor"] == (
            output.splitlines()
        )
        assert "/readyz does not answer ready" in output
