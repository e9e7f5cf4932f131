"""`gatehouse health`, the health check of a container."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from api.mail.heartbeat import heartbeat
from tests.commands import Command, run_command
from tests.support import free_port


class Machine:
    """A folder of temporary files of its own, so that other tests' workers are those of other machines."""

    def __init__(self, folder: Path) -> None:
        self.environment = {"TMPDIR": str(folder), "PORT": str(free_port())}
        self.folder = folder

    def health(self, **environment: str) -> tuple[int, str]:
        ended = run_command("gatehouse", "health", **self.environment, **environment)
        return ended.returncode, ended.stdout + ended.stderr

    def start_worker(self) -> Command:
        with (self.folder / "log").open("ab") as log, Path(os.devnull).open("rb") as nothing:
            worker = Command(["gatehouse", "worker"], os.environ | self.environment, (nothing, log, log))
        self.until_healthy(worker)
        return worker

    def until_healthy(self, worker: Command) -> None:
        deadline = time.monotonic() + 30
        while self.health()[0] != 0:
            assert worker.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_without_a_server_and_a_worker_is_unhealthy(machine: Machine) -> None:
    code, output = machine.health()

    assert code == 1
    assert output.endswith("/healthz, and no worker runs\n")


class Answer(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()


class Failure(Answer):
    status = 500


@contextmanager
def server(host: str, port: str, handler: type[Answer]) -> Iterator[None]:
    class Server(HTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    with Server((host, int(port)), handler) as listening:
        thread = Thread(target=listening.serve_forever, args=[0.01])
        thread.start()
        yield
        listening.shutdown()
        thread.join()


def test_the_server_is_asked_where_it_listens(machine: Machine) -> None:
    """Also if the environment names a proxy."""
    port = machine.environment["PORT"]
    for host in ("127.0.0.1", "0.0.0.0", "::1", "::"):
        with server(host, port, Answer):
            assert machine.health(HOST=host, http_proxy="http://127.0.0.1:1") == (0, ""), host
    with server("127.0.0.1", port, Failure):
        code, output = machine.health()

    assert (code, "answers 500" in output) == (1, True)


@pytest.mark.slow
def test_a_server_that_hangs_is_unhealthy(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", int(machine.environment["PORT"]))):
        code, output = machine.health()

    assert (code, "does not answer within 4 s" in output) == (1, True)


def test_a_worker_that_hangs_or_ended_is_unhealthy(machine: Machine) -> None:
    """The time of its file is set back, instead of waiting for two minutes."""
    worker = machine.start_worker()
    try:
        worker.send_signal(signal.SIGSTOP)
        (file,) = machine.folder.glob("gatehouse-worker-*")
        before = time.time() - 130
        os.utime(file, (before, before))
        hanging = machine.health()
        worker.send_signal(signal.SIGCONT)
        machine.until_healthy(worker)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)

    assert hanging[0] == 1
    assert "a worker has not looked for mails for 13" in hanging[1]
    assert "no worker runs" in machine.health()[1]


def test_a_worker_without_a_place_for_its_file_works_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as in a container whose file system is read-only."""
    monkeypatch.setattr("tempfile.tempdir", "/proc")

    with heartbeat() as beat:
        beat()

    assert "gatehouse health cannot see this worker" in caplog.text
