"""`gatehouse smoke`."""

import pytest

from tests.commands import run_command
from tests.server.serving import Start

pytestmark = pytest.mark.anyio


def smoke(url: str) -> tuple[int, str]:
    done = run_command("gatehouse", "smoke", url)
    return done.returncode, done.stdout + done.stderr


def test_a_running_server_passes_the_smoke_checks(start: Start) -> None:
    assert smoke(f"{start().url}/") == (0, "all is well\n")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://x", "nowhere"])
def test_an_address_without_gatehouse_fails_the_smoke_checks(url: str) -> None:
    code, output = smoke(url)

    assert code == 1
    assert "Traceback" not in output
    assert "/readyz" in output or "is not an HTTP URL" in output
