"""README.md: short, and every command in it works."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support import ROOT, copy_project, free_port

README = (ROOT / "README.md").read_text()

BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S)

MAX_WORDS = 900


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= MAX_WORDS


@dataclass(frozen=True)
class Session:
    """A copy of the project in which `make run` serves."""

    folder: Path
    environment: dict[str, str]

    def type(self, *blocks: str) -> subprocess.CompletedProcess[str]:
        """Run blocks of the README in one shell, as a reader does who types one after the other."""
        script = "\n".join(block.replace(":8000", f":{self.environment['PORT']}") for block in blocks)
        return subprocess.run(
            ["bash", "-euc", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Installed already: the copy uses the packages that run this test."""
    copy_project(tmp_path)
    for file in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / file, tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (tmp_path / ".venv" / "installed").touch()
    settings = {"DATABASE_URL", "GATEHOUSE_HOME", "WORKER"}
    # A make that runs the tests passes its own targets and variables on to the make of the text.
    hidden = {*settings, "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "TESTS"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"PORT": str(free_port()), "PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    session = Session(tmp_path, environment)
    with (tmp_path / "run.log").open("w") as log:
        server = subprocess.Popen(
            ["bash", "-c", BLOCKS[0]],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_ready(session, server)
        yield session
    finally:
        # Ctrl-C reaches make and the server.
        os.killpg(server.pid, signal.SIGINT)
        server.wait(30)


def _wait_until_ready(session: Session, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{session.environment['PORT']}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError((session.folder / "run.log").read_text())


def test_every_command_works_in_the_order_of_the_text(session: Session) -> None:
    run, test, *registration = BLOCKS
    assert (run, test) == ("make run\n", "make test\n")

    printed = (session.folder / "run.log").read_text()
    assert f"http://127.0.0.1:{session.environment['PORT']}/graphql" in printed
    assert re.search(r"BETA-[0-9A-Z]{5}-[0-9A-Z]{5}", printed)
    # The tests cannot run all tests.
    tested = subprocess.run(
        ["bash", "-c", test],
        cwd=session.folder,
        env={**session.environment, "TESTS": "--version"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tested.returncode, tested.stdout[:6]) == (0, "pytest")

    typed = session.type(*registration)

    assert typed.returncode == 0, typed.stderr
    key, answer, viewer = typed.stdout.splitlines()
    registered = json.loads(answer)["data"]["register"]
    assert re.fullmatch(r"BETA-[0-9A-Z]{5}-[0-9A-Z]{5}", key)
    assert (registered["__typename"], registered["tenant"]["businessName"]) == ("Registration", "El Ahorro")
    assert json.loads(viewer) == {
        "data": {
            "viewer": {
                "email": "ana@example.com",
                "role": "ADMIN",
                "tenant": {"businessName": "El Ahorro"},
            }
        }
    }
