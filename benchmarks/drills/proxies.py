"""HAProxy and nginx with the configurations of docs/scaling.md, in front of instances on this machine."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers import ROOT, free_port

CONFIGURATIONS = ROOT / "docs" / "proxies"

ADDRESSES = ("10.0.0.11:8000", "10.0.0.12:8000")
"""The instances in the configurations."""

TIMEOUT = 10.0


@contextmanager
def haproxy(folder: Path, ports: Sequence[int]) -> Iterator[int]:
    """Yields the port of HAProxy in front of two instances, once it has found them."""
    port = free_port()
    configuration = _configuration("haproxy.cfg", ports).replace("bind :8080", f"bind 127.0.0.1:{port}")
    file = folder / "haproxy.cfg"
    file.write_text(configuration)
    with _running([debian_program("haproxy"), "-db", "-f", str(file)], port, folder / "haproxy.log"):
        yield port


@contextmanager
def nginx(folder: Path, ports: Sequence[int]) -> Iterator[int]:
    """Yields the port of nginx in front of two instances."""
    port = free_port()
    configuration = _configuration("nginx.conf", ports).replace("listen 8080", f"listen 127.0.0.1:{port}")
    (folder / "gatehouse.conf").write_text(configuration)
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr warn; worker_processes 1;"
        f" events {{}} http {{ access_log off; include {folder}/gatehouse.conf; }}"
    )
    with _running([debian_program("nginx"), "-c", str(file), "-e", "stderr"], port, folder / "nginx.log"):
        yield port


def debian_program(name: str) -> str:
    """The path of a program of the Debian package `name`."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        raise RuntimeError(f"{name} is missing; install it with: apt-get install {name}")
    return found


def _configuration(name: str, ports: Sequence[int]) -> str:
    text = (CONFIGURATIONS / name).read_text()
    for address, port in zip(ADDRESSES, ports, strict=True):
        text = text.replace(address, f"127.0.0.1:{port}")
    return text


@contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _wait_for_port(process, port, log)
        yield
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def _wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{command_line(process)} does not listen: {log.read_text()}")


def command_line(process: subprocess.Popen[bytes]) -> str:
    return " ".join(map(str, process.args)) if isinstance(process.args, list) else str(process.args)
