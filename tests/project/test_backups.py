"""docs/backups.md: every command in it is typed, in its order, and does what the text says."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from api.database.embedded import EmbeddedServer
from api.database.postgres_programs import system_user
from tests.postgres_servers import programs_folder
from tests.project.reader import Reader, commands_by_section
from tests.support import ROOT, free_port, migrate, run_gatehouse

COMMANDS = commands_by_section((ROOT / "docs" / "backups.md").read_text())

EXPECTED = {
    "Dumping": ["", "3 rows of public.beta_keys", ""],
    "Restoring": [
        "",
        "CREATE DATABASE",
        "",
        "3 rows of public.beta_keys",
        "-- no differences",
        "",
        "all is well",
        "",
        "",
        "3 rows of public.beta_keys",
    ],
    "Rehearsing": [
        "",
        "CREATE DATABASE",
        "3 rows of public.beta_keys",
        "-- no differences",
        "available",
        "DROP DATABASE",
    ],
}
"""What each command prints."""

RECOVERY = "Point-in-time recovery"


@pytest.fixture
def reader(server: EmbeddedServer, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(server, tmp_path)
    reader.psql("-c", "CREATE ROLE beta LOGIN", database="postgres")
    reader.psql("-c", "CREATE DATABASE beta OWNER beta", database="postgres")
    (tmp_path / ".gatehouse").mkdir()
    address = "export DATABASE_URL=postgresql://beta:…@db.example.com/beta"
    for command in (address, "piccolo migrations forwards all", "gatehouse keys issue --count 3"):
        code, output = reader.type(command)
        assert code == 0, output
    yield reader
    reader.stop()
    for database in ("restored", "rehearsal"):
        reader.psql("-c", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)", database="postgres")
    reader.close()


@pytest.mark.slow
def test_the_commands_do_what_the_text_says(reader: Reader) -> None:
    assert COMMANDS.keys() == {*EXPECTED, RECOVERY}
    for section in EXPECTED:
        for command, expected in zip(COMMANDS[section], EXPECTED[section], strict=True):
            if "gatehouse serve" in command:
                reader.serve(command)
                continue
            code, output = reader.type(command)
            assert code == 0, f"{command}\n{output}"
            assert expected in output, f"{command}\n{output}"


# Point-in-time recovery


class DatabaseServer:
    """The machine of a server of one's own: a shell of the system user of PostgreSQL."""

    def __init__(self, folder: Path) -> None:
        self.user = system_user()
        self.folder = folder
        self.ports = {5432: free_port(), 5433: free_port()}
        if self.user is not None:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)
            for parent in {*folder.parents, *programs_folder("15.20").parents}:
                parent.chmod(parent.stat().st_mode | 1)
        self.type("mkdir -p /srv/postgresql && initdb -N -E UTF8 -A trust -U postgres /srv/postgresql/data")
        settings = {"port": self.ports[5432], "unix_socket_directories": f"'{folder}'", "fsync": "off"}
        lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
        self.type(f'echo "{lines}" >> /srv/postgresql/data/postgresql.conf')
        self.type("pg_ctl start -D /srv/postgresql/data -l /srv/postgresql/log")

    def type(self, command: str) -> str:
        """Returns the output of a command that succeeds."""
        for path in ("/srv", "/backup"):
            command = command.replace(path, f"{self.folder}{path}")
        done = subprocess.run(
            ["bash", "-c", command.replace("5433", str(self.ports[5433]))],
            cwd=self.folder,
            env={
                "PATH": f"{programs_folder('15.20')}:{os.environ['PATH']}",
                "PGHOST": str(self.folder),
                "PGPORT": str(self.ports[5432]),
                "PGUSER": "postgres",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            timeout=60,
            user=self.user.pw_uid if self.user else None,
            group=self.user.pw_gid if self.user else None,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def dsn(self, port: int) -> str:
        return f"postgresql://gatehouse@127.0.0.1:{self.ports[port]}/gatehouse"

    def close(self) -> None:
        for data in ("data", "recovered"):
            with suppress(AssertionError):
                self.type(f"pg_ctl stop -m immediate -D /srv/postgresql/{data}")


@pytest.mark.slow
def test_the_commands_recover_to_a_moment(tmp_path: Path) -> None:
    """A key that is issued after the base backup is recovered, and what happened after the moment is not."""
    commands = COMMANDS[RECOVERY]
    switch = commands.index('psql -c "SELECT pg_switch_wal()"')
    machine = DatabaseServer(tmp_path)
    try:
        machine.type("psql -c 'CREATE ROLE gatehouse LOGIN' -c 'CREATE DATABASE gatehouse OWNER gatehouse'")
        migrate(machine.dsn(5432))
        printed = [machine.type(command) for command in commands[:switch]]
        assert "failed_count" in printed[-1]
        assert run_gatehouse(machine.dsn(5432), "keys", "issue", "--notes", "before")[0] == 0
        moment = machine.type("psql -Atc 'SELECT clock_timestamp()'").strip()
        assert run_gatehouse(machine.dsn(5432), "keys", "issue", "--notes", "after")[0] == 0
        machine.type("psql gatehouse -c 'DROP TABLE mails'")
        for command in commands[switch:-1]:
            machine.type(command.replace("2026-11-24 10:15:00+00", moment))
        deadline = time.monotonic() + 30
        while " f\n" not in machine.type(commands[-1]):
            assert time.monotonic() < deadline
        keys = run_gatehouse(machine.dsn(5433), "keys", "list")[1]
        code, verified = run_gatehouse(machine.dsn(5433), "db", "verify")
    finally:
        machine.close()

    assert "before" in keys
    assert "after" not in keys
    assert (code, "-- no differences" in verified) == (0, True), verified
