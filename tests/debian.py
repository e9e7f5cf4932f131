"""Programs of Debian packages that tests run for real; they are installed where that is possible."""

import os
import shutil
import subprocess
from functools import cache

import pytest

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"


@cache
def program(name: str, package: str) -> str:
    """The path of a program. Skips the test if the program is missing and cannot be installed."""
    if path := shutil.which(name, path=PATH):
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
        if done.returncode == 0 and (path := shutil.which(name, path=PATH)):
            return path
    pytest.skip(f"apt-get install {package} failed: {done.stderr.strip()[-200:]}")
