"""docs/backups.md: every command in it is typed, in its order, and does what the text says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.database.embedded import EmbeddedServer
from tests.project.reader import Reader, commands_by_section
from tests.support import ROOT

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


def test_the_commands_do_what_the_text_says(reader: Reader) -> None:
    assert list(COMMANDS) == list(EXPECTED)
    for section, commands in COMMANDS.items():
        for command, expected in zip(commands, EXPECTED[section], strict=True):
            if "gatehouse serve" in command:
                reader.serve(command)
                continue
            code, output = reader.type(command)
            assert code == 0, f"{command}\n{output}"
            assert expected in output, f"{command}\n{output}"
