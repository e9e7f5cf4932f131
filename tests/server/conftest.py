"""Servers that tests share, and servers that tests start."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server.serving import Registered, Start
from tests.support import REGISTER, GatehouseProcess, is_running, kill_postgres, registration


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registered]:
    """A first start in an empty home; its key has registered a business. Shared, because it takes long."""
    folder = tmp_path_factory.mktemp("serve")
    home = folder / "home"
    process = GatehouseProcess(folder / "first.log", DATABASE_URL="", GATEHOUSE_HOME=str(home))
    process.is_forked = False
    process.start()
    try:
        (key,) = re.findall(r"BETA-\S+", process.log.read_text())
        body = {"query": REGISTER, "variables": {"i": registration(key)}}
        answer = httpx.post(f"{process.url}/graphql", json=body).json()["data"]["register"]
    finally:
        process.stop()
    yield Registered(home, process.log.read_text(), key, answer)
    if is_running(home):
        kill_postgres(home)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `gatehouse serve`; servers that still run are killed after the test."""
    processes: list[GatehouseProcess] = []

    def begin(*, wait: bool = True, is_forked: bool = True, **environment: str) -> GatehouseProcess:
        process = GatehouseProcess(tmp_path / f"gatehouse-{len(processes)}.log", **environment)
        process.is_forked = is_forked
        processes.append(process)
        process.start(wait=wait)
        return process

    yield begin
    for process in processes:
        if process.process.poll() is None:
            process.kill()
