"""Programs of Debian packages that tests run for real; they are installed where that is possible."""

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"


@cache
def program(name: str, package: str) -> str:
    """The path of a program. Skips the test if the program is missing and cannot be installed."""
    return _installed(name, package, lambda: shutil.which(name, path=PATH))


@cache
def library(name: str, package: str) -> str:
    """The path of a shared library, as `program`."""
    return _installed(name, package, lambda: next(map(str, Path("/usr/lib").rglob(name)), None))


def _installed(name: str, package: str, find: Callable[[], str | None]) -> str:
    if path := find():
        return path
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"{name} is missing; install it with: apt-get install {package}")
    for prepare in ([], ["apt-get", "update"]):
        if prepare:
            subprocess.run(prepare, check=False, capture_output=True)
        done = subprocess.run(
            ["apt-get", "install", "--yes", "--no-install-recommends", package],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode == 0 and (path := find()):
            return path
    pytest.skip(f"apt-get install {package} failed: {done.stderr.strip()[-200:]}")
