"""docs/deploy.md: every command in it is typed, in its order, and does what the text says."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.database.embedded import EmbeddedServer
from api.database.postgres_programs import programs_folder
from tests.support import ROOT, copy_project, free_port

LEGACY = ROOT / "tests" / "legacy"

PROGRAMS = programs_folder()
"""psql and pg_dump."""

ROLES = ("beta", "old_system")


class Reader:
    """Somebody who types the commands into one shell, in a copy of the project."""

    def __init__(self, server: EmbeddedServer, home: Path) -> None:
        copy_project(home)
        self.server = server
        self.home = home
        self.port = free_port()
        self.blocker: subprocess.Popen[str] | None = None
        self.serving: subprocess.Popen[str] | None = None
        self.pid = ""
        self.shell = home / "shell"
        self.shell.touch()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "PATH": f"{Path(sys.executable).parent}:{PROGRAMS}:{os.environ['PATH']}",
            "PORT": str(self.port),
            "PYTHONPATH": str(home),
        }

    def type(self, command: str) -> tuple[int, str]:
        """The exit code and all that is printed; what a command exports is there for the next one."""
        script = f'. "{self.shell}"\n{self.mine(command)}\ncode=$?; export -p > "{self.shell}"; exit $code'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout, done.stdout
        return done.returncode, done.stdout

    def mine(self, command: str) -> str:
        """The command with the addresses of this test in the places that the text leaves to the reader."""
        for database in ("beta", "postgres"):
            for user in ("beta", "postgres"):
                dsn = self.server.dsn(user=user, database=database)
                command = command.replace(
                    f"postgresql://{user}:…@db.example.com/{database}", shlex.quote(dsn)
                )
        command = command.replace("https://beta.example.com", f"http://127.0.0.1:{self.port}")
        assert "example.com/" not in command, command
        return command.replace("PORT=8000", f"PORT={self.port}").replace("4711", self.pid)

    def serve(self, command: str) -> None:
        """Start a server in place of the one that runs, and wait until it is ready."""
        self.stop()
        with (self.home / "serve.log").open("w") as log:
            self.serving = subprocess.Popen(
                ["bash", "-c", f'. "{self.shell}"\n{self.mine(command)}'],
                cwd=self.home,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                text=True,
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.serving.poll() is None:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError((self.home / "serve.log").read_text())

    def stop(self) -> None:
        if self.serving is not None:
            os.killpg(self.serving.pid, signal.SIGTERM)
            self.serving.wait(20)
            self.serving = None

    def psql(self, *arguments: str, user: str = "postgres", database: str = "beta") -> str:
        """What the administrator, or another role, does in passing."""
        dsn = self.server.dsn(user=user, database=database)
        done = subprocess.run(
            [PROGRAMS / "psql", dsn, "-XAtq", "-v", "ON_ERROR_STOP=1", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def leave(self) -> None:
        self.stop()
        if self.blocker is not None:
            self.blocker.kill()
            self.blocker.communicate()
        self.psql("-c", "DROP DATABASE IF EXISTS beta WITH (FORCE)", database="postgres")
        for role in ROLES:
            self.psql("-c", f"DROP ROLE IF EXISTS {role}", database="postgres")


# What has happened before a command is typed


def _new_database(reader: Reader) -> None:
    reader.stop()
    reader.psql("-c", "DROP DATABASE IF EXISTS beta WITH (FORCE)", database="postgres")
    for role in ROLES:
        reader.psql("-c", f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN", database="postgres")
    reader.psql("-c", "CREATE DATABASE beta OWNER beta", database="postgres")
    assert reader.type("export DATABASE_URL=postgresql://beta:…@db.example.com/beta") == (0, "")


def _up_to_date(reader: Reader) -> None:
    _new_database(reader)
    _done(reader, "piccolo migrations forwards all")
    _done(reader, "gatehouse keys issue --count 3 --expires 30d")


def _behind(reader: Reader) -> None:
    """As far as the tenants migration."""
    _new_database(reader)
    _done(reader, "piccolo migrations forwards gatehouse 2026-11-24T00:04:52:117630")


def _failed(reader: Reader) -> None:
    _behind(reader)
    reader.psql("-c", "DROP INDEX beta_keys_key")
    code, told = reader.type("./predeploy.sh")
    assert code == 1
    assert "the schema differs from the migrations: beta_keys lacks the unique index" in told


def _held_up(reader: Reader) -> None:
    """A transaction that read users and was left open."""
    reader.blocker = subprocess.Popen(
        [PROGRAMS / "psql", reader.server.dsn(user="beta", database="beta"), "-Xqt"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert reader.blocker.stdin is not None
    assert reader.blocker.stdout is not None
    reader.blocker.stdin.write("BEGIN; SELECT pg_backend_pid(), count(*) FROM users;\n")
    reader.blocker.stdin.flush()
    reader.pid = reader.blocker.stdout.readline().split("|")[0].strip()
    assert reader.pid.isdigit()


def _nothing_is_lost(reader: Reader) -> None:
    code, told = reader.type("gatehouse keys list --json")
    assert code == 0
    assert [bool(key["expiresAt"]) for key in json.loads(told)] == [True] * 3


def _old_system(reader: Reader) -> None:
    _new_database(reader)
    reader.psql("-c", "GRANT CREATE ON SCHEMA public TO old_system")
    reader.psql("-f", str(LEGACY / "migrated.sql"), user="old_system")


def _two_emails(reader: Reader) -> None:
    _old_system(reader)
    columns = 'password, "firstName", "lastName"'
    reader.psql(
        "-c", "REASSIGN OWNED BY old_system TO beta",
        "-c", f"INSERT INTO users (email, {columns}) SELECT 'Ana@Example.com', {columns} FROM users LIMIT 1",
    )  # fmt: skip
    code, told = reader.type("gatehouse db adopt")
    assert code == 3
    assert reader.psql("-c", "SELECT id FROM users WHERE email = 'Ana@Example.com'") in told


def _once_more(reader: Reader) -> None:
    """The script may be run twice."""
    _done(reader, 'psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f migrate.sql')


def _done(reader: Reader, command: str) -> None:
    code, told = reader.type(command)
    assert code == 0, told


@dataclass(frozen=True)
class Step:
    """A command of the text, by its beginning, and what is to come of it."""

    begins: str
    told: str = ""
    code: int = 0
    before: Callable[[Reader], None] | None = None


STEPS = {
    "The first deploy": [
        Step("export ADMIN_URL="),
        Step('psql "$ADMIN_URL" -c "CREATE ROLE', "CREATE ROLE"),
        Step('psql "$ADMIN_URL" -c "CREATE DATABASE', "CREATE DATABASE"),
        Step("export DATABASE_URL="),
        Step("./predeploy.sh", "2026-11-24T00:04:52:117630 forwards … ok"),
        Step("gatehouse operators add", "operator you@example.com added"),
        Step("gatehouse keys issue --count 20", "BETA-"),
        Step("HOST=0.0.0.0 PORT=8000 gatehouse serve"),
        Step("gatehouse smoke", "all is well"),
        Step("DB_SYNC=true gatehouse serve", before=_new_database),
    ],
    "A routine deploy": [
        Step("gatehouse db status", "is pending", code=2, before=_behind),
        Step("piccolo migrations forwards all --preview", "CREATE TABLE IF NOT EXISTS sessions"),
        Step("./predeploy.sh", "forwards … ok"),
        Step("gatehouse serve"),
        Step("gatehouse smoke", "all is well"),
    ],
    "A deploy that failed": [
        Step("gatehouse db status", "is pending", code=2, before=_failed),
        Step("gatehouse db verify", "beta_keys", code=3),
        Step('psql "$DATABASE_URL" -c "CREATE UNIQUE INDEX', "CREATE INDEX"),
        Step('psql "$DATABASE_URL" -c "SELECT pid', "idle in transaction", before=_held_up),
        Step('psql "$DATABASE_URL" -c "SELECT pg_terminate_backend', " t\n"),
        Step("./predeploy.sh", "forwards … ok"),
    ],
    "Rolling back": [
        Step("piccolo migrations backwards gatehouse 1", "backwards … ok", before=_up_to_date),
        Step("piccolo migrations backwards gatehouse 2026", "keeps 3 rows of beta_keys"),
        Step("gatehouse db status", "is pending", code=2),
        Step("./predeploy.sh", "forwards … ok"),
        Step("piccolo migrations backwards gatehouse 2026", "keeps", before=_nothing_is_lost),
        Step("gatehouse db forget", "erased"),
    ],
    "Adopting an old database": [
        Step("export ADMIN_URL=", before=_old_system),
        Step('pg_dump "$ADMIN_URL"'),
        Step('psql "$ADMIN_URL" -c "REASSIGN', "REASSIGN OWNED"),
        Step("export DATABASE_URL="),
        Step("gatehouse db adopt --dry-run"),
        Step("gatehouse db adopt"),
        Step("./predeploy.sh", "no migrations to apply"),
        Step("gatehouse db status", "0 pending"),
        Step('psql "$DATABASE_URL" -c "UPDATE users', "UPDATE 1", before=_two_emails),
        Step("gatehouse db adopt"),
    ],
    "Migrating with SQL alone": [
        Step("gatehouse db sql > migrate.sql", before=_new_database),
        Step('psql "$DATABASE_URL" -f migrate.sql'),
        Step("gatehouse db sql --from", before=_once_more),
        Step("gatehouse db sql --from"),
        Step('psql "$DATABASE_URL" -f undo.sql'),
        Step('psql "$DATABASE_URL" -f part.sql'),
        Step("gatehouse db verify"),
    ],
    "Verification": [
        Step("gatehouse db status", "0 pending", before=_up_to_date),
        Step("gatehouse db verify"),
        Step("gatehouse smoke", "all is well", before=lambda reader: reader.serve("gatehouse serve")),
        Step('psql "$DATABASE_URL" -c "SELECT table_name', "(2 rows)"),
        Step('psql "$DATABASE_URL" -c "SELECT column_name', "(4 rows)"),
    ],
}


def _commands(text: str) -> dict[str, list[str]]:
    """Every line of every block of shell, by the section it is in."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", text, flags=re.M):
        title, _, body = section.partition("\n")
        blocks = re.findall(r"^```sh\n(.*?)^```$", body, re.M | re.S)
        if lines := [line for block in blocks for line in block.splitlines() if line]:
            found[title] = lines
    return found


COMMANDS = _commands((ROOT / "docs" / "deploy.md").read_text())


@pytest.fixture
def reader(server: EmbeddedServer, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(server, tmp_path)
    yield reader
    reader.leave()


def test_every_section_with_commands_is_tried() -> None:
    assert list(COMMANDS) == list(STEPS)


@pytest.mark.parametrize("section", COMMANDS)
def test_the_commands_of_a_section_do_what_it_says(reader: Reader, section: str) -> None:
    """A command that is new in the text, or changed, needs a step here."""
    commands, steps = COMMANDS[section], STEPS[section]
    known = [command.startswith(step.begins) for command, step in zip(commands, steps, strict=False)]
    assert (known, len(commands)) == ([True] * len(steps), len(steps)), commands

    for command, step in zip(commands, steps, strict=True):
        if step.before is not None:
            step.before(reader)
        if "gatehouse serve" in command:
            reader.serve(command)
            continue
        code, told = reader.type(command)
        assert code == step.code, f"{command}\n{told}"
        assert step.told in told, f"{command}\n{told}"
