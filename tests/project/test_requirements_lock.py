"""The lock files are in step with pyproject.toml, hash-pinned, and name no index."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
SERVER_LOCK = (ROOT / "requirements-server.lock").read_text()


def _pins(lock: str) -> list[tuple[Requirement, Version]]:
    return [
        (Requirement(match[1]), Version(match[2]))
        for match in re.finditer(r"^([A-Za-z0-9._-]+(?:\[[^]]*\])?)==([^\s;\\]+)", lock, re.M)
    ]


PINS = _pins(LOCK)
PINNED = {canonicalize_name(requirement.name): version for requirement, version in PINS}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = [Requirement(line) for line in [*PROJECT["dependencies"], *chain(*EXTRAS.values())]]
WANTED_BY_SERVER = [Requirement(line) for line in [*PROJECT["dependencies"], *EXTRAS["build"]]]


def test_every_requirement_is_pinned_to_a_version_that_it_allows() -> None:
    """After a change of pyproject.toml: `make lock`."""
    for requirement in WANTED:
        assert PINNED[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_extras_that_packages_require_are_pinned() -> None:
    """If not, pip selects the newest release for `name[extra]`, and finds no hash for it."""
    extras = {canonicalize_name(requirement.name): requirement.extras for requirement, _ in PINS}
    needed = [Requirement(line) for name in extras if _is_installed(name) for line in requires(name) or []]
    # An extra that no package requires names packages that are not pinned.
    asked = [
        one for one in needed if one.extras and (one.marker is None or one.marker.evaluate({"extra": ""}))
    ]

    for requirement in [*WANTED, *asked]:
        assert requirement.extras <= extras[canonicalize_name(requirement.name)], requirement


@pytest.mark.parametrize(("lock", "wanted"), [(LOCK, WANTED), (SERVER_LOCK, WANTED_BY_SERVER)])
def test_every_pinned_package_is_needed(lock: str, wanted: list[Requirement]) -> None:
    """To remove a package that is no longer required: `make lock`."""
    pinned = {canonicalize_name(requirement.name) for requirement, _ in _pins(lock)}
    needed: set[str] = set()
    _add_needed(needed, wanted)
    elsewhere = {name for name in pinned if not _is_installed(name)}

    assert pinned - elsewhere == needed


def test_the_server_has_the_versions_that_the_tests_have() -> None:
    """With the same hashes."""
    hashes, of_server = _hashes(LOCK), _hashes(SERVER_LOCK)

    assert len(of_server) >= 40
    assert of_server.items() <= hashes.items()


def _hashes(lock: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """By name and version."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for entry in _entries(lock):
        ((requirement, version),) = _pins(entry)
        found[requirement.name, str(version)] = tuple(sorted(re.findall(r"--hash=(\S+)", entry)))
    return found


def _entries(lock: str) -> list[str]:
    return [entry for entry in re.split(r"\n(?=\S)", lock.strip()) if not entry.startswith("#")]


def _add_needed(needed: set[str], requirements: list[Requirement]) -> None:
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if not _is_installed(name):
            continue
        needed.add(name)
        further = [Requirement(line) for line in requires(name) or []]
        wanted = [
            one
            for one in further
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in {"", *extras})
        ]
        unseen = [one for one in wanted if one.extras or canonicalize_name(one.name) not in needed]
        _add_needed(needed, unseen)


def _is_installed(name: str) -> bool:
    """Some packages are pinned only for other platforms or versions of Python."""
    try:
        requires(name)
    except PackageNotFoundError:
        return False
    return True


def test_every_pin_has_its_hashes() -> None:
    entries = _entries(LOCK)

    # A package may be pinned twice, for different versions of Python.
    names = {Requirement(entry.partition("==")[0]).name for entry in entries}
    assert {canonicalize_name(name) for name in names} == PINNED.keys()
    assert len(PINNED) >= 50
    assert all("--hash=sha256:" in entry for entry in entries)


def test_no_index_is_named() -> None:
    for lock in (LOCK, SERVER_LOCK):
        assert "://" not in lock
        assert "--index" not in lock
