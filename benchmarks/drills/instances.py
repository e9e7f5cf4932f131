"""Instances of `gatehouse serve`, and workers, that a drill stops, kills and starts again."""

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers import PROGRAMS, Database, environment, free_port

TIMEOUT = 60.0
"""Seconds for the start and for the end of a process, while others take the cores."""


class Instance:
    """`gatehouse serve` on a port of its own, without a worker and without rate limits."""

    def __init__(self, database: Database, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.log = folder / f"{self.port}.log"
        self._folder = database.folder
        ours = {"HOST": "127.0.0.1", "PORT": str(self.port), "RATE_LIMITS": "off", "WORKER": "off"}
        self._environment = environment(database) | ours | settings

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self._process = start_command("serve", folder=self._folder, env=self._environment, log=self.log)
        deadline = time.monotonic() + TIMEOUT
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server is not ready: {self.log.read_text()[-5000:]}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                return True
        except OSError:
            return False

    def terminate(self) -> None:
        """Stop it by SIGTERM, as a deploy does. Raises if it does not end by itself."""
        self._process.terminate()
        if code := self._process.wait(TIMEOUT):
            raise RuntimeError(f"the server ended with {code}: {self.log.read_text()[-5000:]}")

    def kill(self) -> None:
        """Stop it by SIGKILL."""
        self._process.kill()
        self._process.wait()


def start_command(command: str, *, folder: Path, env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """`gatehouse COMMAND` as a process that appends its output to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [PROGRAMS / "gatehouse", command],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


@contextmanager
def running(*instances: Instance) -> Iterator[None]:
    """The instances are started, and killed afterwards."""
    started: list[Instance] = []
    try:
        for instance in instances:
            started.append(instance)
            instance.start()
        yield
    finally:
        for instance in started:
            instance.kill()
