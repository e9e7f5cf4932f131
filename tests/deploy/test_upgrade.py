"""`gatehouse db upgrade`, with the data and the programs of real older servers."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from api.database.embedded import EmbeddedServer
from tests.commands import run_command
from tests.postgres_servers import PostgresServer, programs_folder
from tests.support import GATEHOUSE, ROOT, migrate, run_gatehouse

VERSION = "15.20"
MAJOR = "15"
REMOVE = ("db", "upgrade", "--remove-old")


@pytest.fixture(scope="module")
def old_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the data of an older server: the tables, and three keys."""
    server = PostgresServer(tmp_path_factory.mktemp("old"), VERSION)
    server.start()
    migrate(server.dsn())
    assert run_gatehouse(server.dsn(), "keys", "issue", "--count", "3")[0] == 0
    server.stop()
    server.log.unlink()
    return server.home


@pytest.fixture
def home(old_home: Path, tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    subprocess.run(["cp", "--archive", old_home, home], check=True)
    yield home
    for folder in (home, home / "upgrade" / "old"):
        if folder.exists():
            EmbeddedServer(folder).stop()


def gatehouse(home: Path, *arguments: str | Path, **environment: str) -> tuple[int, str]:
    environment = {"DATABASE_URL": "", "GATEHOUSE_HOME": str(home), **environment}
    ended = run_command("gatehouse", *map(str, arguments), cwd=ROOT, **environment)
    return ended.returncode, ended.stdout + ended.stderr


def upgrade(home: Path) -> tuple[int, str]:
    return gatehouse(home, "db", "upgrade", "--programs", programs_folder(VERSION))


def number_of_keys(home: Path) -> int:
    code, output = gatehouse(home, "keys", "list")
    assert code == 0, output
    return output.count("BETA-")


@pytest.mark.slow
def test_the_data_of_an_older_version_is_upgraded_and_stays_until_it_is_removed(home: Path) -> None:
    code, output = gatehouse(home, "keys", "list")
    assert (code, "run: gatehouse db upgrade" in output) == (1, True)

    code, output = upgrade(home)

    assert code == 0, output
    assert f"upgraded from PostgreSQL {MAJOR} to 18" in output
    assert number_of_keys(home) == 3
    assert (home / f"pg-{MAJOR}" / "PG_VERSION").read_text() == f"{MAJOR}\n"
    assert not (home / "upgrade").exists()
    assert gatehouse(home, "db", "verify")[0] == 0
    assert gatehouse(home, *REMOVE)[0] == 1
    assert (home / f"pg-{MAJOR}").exists()
    assert gatehouse(home, *REMOVE, "--yes")[0] == 0
    assert not (home / f"pg-{MAJOR}").exists()
    assert number_of_keys(home) == 3


def test_without_its_programs_nothing_happens(home: Path, tmp_path: Path) -> None:
    code, output = gatehouse(home, "db", "upgrade", "--programs", tmp_path)
    assert (code, f"has no program postgres; name the folder of PostgreSQL {MAJOR}" in output) == (1, True)
    embedded = subprocess.run(["which", "true"], check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / "postgres").symlink_to(embedded)
    code, output = gatehouse(home, "db", "upgrade", "--programs", tmp_path)
    assert (code, "name the folder of that version" in output) == (1, True)
    assert not (home / "upgrade").exists()


def test_a_server_of_its_own_is_not_upgraded(home: Path) -> None:
    code, output = gatehouse(home, "db", "upgrade", DATABASE_URL="postgresql://x@127.0.0.1/x")
    assert (code, "this command upgrades the embedded PostgreSQL" in output) == (1, True)


@pytest.mark.slow
def test_an_upgrade_that_fails_leaves_the_data_as_it_was(home: Path) -> None:
    """The role of the old database has lost its right to read a table."""
    server = PostgresServer(home, VERSION)
    server.start()
    _as_superuser(server, "CREATE TABLE foreign_rows (); REVOKE ALL ON foreign_rows FROM public")
    server.stop()

    code, output = upgrade(home)

    assert code == 1
    assert output.count("\n") == 1
    assert "the upgrade failed, and the data is as it was" in output
    assert "foreign_rows" in output
    assert (home / "pg" / "PG_VERSION").read_text() == f"{MAJOR}\n"
    assert not (home / "upgrade").exists()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["old/pg/postmaster.pid", "dump", "new/pg", "complete"])
def test_an_upgrade_that_was_killed_goes_on(home: Path, moment: str) -> None:
    """Until then no command starts a server, which would create an empty database."""
    process = subprocess.Popen(
        [GATEHOUSE, "db", "upgrade", "--programs", programs_folder(VERSION)],
        cwd=ROOT,
        env={**os.environ, "GATEHOUSE_HOME": str(home), "DATABASE_URL": ""},
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (home / "upgrade" / moment).exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    process.wait()
    if (home / "upgrade").exists():
        code, output = gatehouse(home, "keys", "list")
        assert (code, "if none runs, run: gatehouse db upgrade" in output) == (1, True)

        code, output = upgrade(home)
        assert code == 0, output

    assert number_of_keys(home) == 3
    assert (home / f"pg-{MAJOR}").exists()


def test_data_of_this_version_is_not_upgraded(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    server.start()
    server.stop()
    code, output = gatehouse(tmp_path, "db", "upgrade")
    assert code == 1
    assert "; there is nothing to upgrade" in output


def test_nothing_is_upgraded_while_its_server_runs(home: Path) -> None:
    server = EmbeddedServer(home, MAJOR, programs_folder(VERSION))
    server.start()
    code, output = upgrade(home)
    server.stop()

    assert (code, output.count("\n")) == (1, 1)
    assert "is in use: stop gatehouse serve and all commands" in output
    assert not (home / "upgrade").exists()


def _as_superuser(server: PostgresServer, sql: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(server.dsn(user="postgres"))
        await connection.execute(sql)
        await connection.close()

    asyncio.run(execute())
