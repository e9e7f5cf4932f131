"""docs/deploy.md: every command in it is typed, in its order, and does what the text says."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.database.embedded import EmbeddedServer
from tests.project.reader import PROGRAMS, ROLES, Reader, commands_by_section
from tests.support import ROOT

LEGACY = ROOT / "tests" / "legacy"


# The state before a command is typed


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
    """Migrated up to the migration of tenants."""
    _new_database(reader)
    _done(reader, "piccolo migrations forwards gatehouse 2026-11-24T00:04:52:117630")


def _failed(reader: Reader) -> None:
    _behind(reader)
    reader.psql("-c", "DROP INDEX beta_keys_key")
    code, output = reader.type("./predeploy.sh")
    assert code == 1
    assert "the schema differs from the migrations: beta_keys lacks the unique index" in output


def _held_up(reader: Reader) -> None:
    """Open a transaction that has read users."""
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
    code, output = reader.type("gatehouse keys list --json")
    assert code == 0
    assert [bool(key["expiresAt"]) for key in json.loads(output)] == [True] * 3


def _deployed(reader: Reader) -> None:
    """A server with the settings of the first deploy, and a mail server."""
    _up_to_date(reader)
    reader.start_mail_server()
    for command in COMMANDS["The first deploy"]:
        if command.startswith("export ") and "_URL=postgresql:" not in command:
            _done(reader, command)
    # Most tests send more requests than a client may.
    _done(reader, "export RATE_LIMITS=on")
    reader.serve("gatehouse serve")


def _test_mail_arrived(reader: Reader) -> None:
    assert reader.recipients == ["you@example.com"]


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
    code, output = reader.type("gatehouse db adopt")
    assert code == 3
    assert reader.psql("-c", "SELECT id FROM users WHERE email = 'Ana@Example.com'") in output


def _once_more(reader: Reader) -> None:
    """The script may be run twice."""
    _done(reader, 'psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f migrate.sql')


def _done(reader: Reader, command: str) -> None:
    code, output = reader.type(command)
    assert code == 0, output


@dataclass(frozen=True)
class Step:
    """A command of the text, by its beginning, and its expected result."""

    begins: str
    output: str = ""
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
        Step("export PUBLIC_URL="),
        Step("export TRUSTED_PROXIES="),
        Step("export SMTP_URL="),
        Step("export MAIL_FROM="),
        Step("HOST=0.0.0.0 PORT=8000 gatehouse serve"),
        Step("gatehouse smoke", "all is well"),
        Step("DB_SYNC=true gatehouse serve", before=_new_database),
    ],
    "Two roles": [
        Step("export ADMIN_URL=", before=_up_to_date),
        Step('psql "$ADMIN_URL" -c "CREATE ROLE', "CREATE ROLE"),
        Step("export MIGRATION_DATABASE_URL="),
        Step("export DATABASE_URL="),
        Step("./predeploy.sh", "the role beta_app may read and write rows"),
        # Three: warnings, of settings that this section does not set.
        Step("gatehouse doctor", "that of the application read and write", code=3),
    ],
    "Checking a deployed server": [
        Step("gatehouse doctor --mail-to", "accepted a test mail", before=_deployed),
        Step("gatehouse doctor --json", before=_test_mail_arrived),
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


COMMANDS = commands_by_section((ROOT / "docs" / "deploy.md").read_text())


@pytest.fixture
def reader(server: EmbeddedServer, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(server, tmp_path)
    yield reader
    reader.close()


def test_every_section_with_commands_has_steps() -> None:
    assert list(COMMANDS) == list(STEPS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "section",
    [
        pytest.param(one, marks=[] if one in ("The first deploy", "A routine deploy") else pytest.mark.slow)
        for one in COMMANDS
    ],
)
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
        code, output = reader.type(command)
        assert code == step.code, f"{command}\n{output}"
        assert step.output in output, f"{command}\n{output}"
