"""`piccolo migrations new gatehouse --auto`: seven changes of `tables/`, one after the other, in a copy."""

import os
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from api.deploy.migrations.migration import SqlMigration
from tests.commands import Ended, run_command
from tests.deploy.migrations.test_migration_safety import EVERYWHERE, broken_rules
from tests.support import ROOT, copy_project

pytestmark = pytest.mark.anyio

NOTES = """
from piccolo.columns import UUID, ForeignKey, Text, Timestamptz
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from tables.tenant import Tenant


class Note(Table, tablename="notes"):
    id = UUID(primary_key=True)
    tenant_id = ForeignKey(
        Tenant, null=False, default=None, on_delete=OnDelete.cascade, index=True, db_column_name="tenantId"
    )
    text = Text(default=None)
    created_at = Timestamptz(db_column_name="createdAt")
"""

APPROVED_BY = """
    approved_by_id = ForeignKey(
        User, null=True, default=None, on_delete=OnDelete.set_null, index=True, db_column_name="approvedById"
    )
    expired_at"""

# A change: the file, the text that is replaced, its replacement.
CHANGES = {
    "a nullable column": [
        (
            "tenant.py",
            "    deleted_at",
            "    website = Text(null=True, default=None)\n    deleted_at",
        )
    ],
    "a column with a default": [
        ("user.py", "    is_owner", '    locale = Varchar(length=5, default="es")\n    is_owner')
    ],
    "a table with a foreign key": [
        ("note.py", "", NOTES),
        ("__init__.py", "from tables.one", "from tables.note import Note\nfrom tables.one"),
        ("piccolo_app.py", "    OneTimeCode,\n    Pass", "    Note,\n    OneTimeCode,\n    Pass"),
        ("piccolo_app.py", "[\n        Tenant,", "[\n        Note,\n        Tenant,"),
    ],
    "a foreign key on a new column": [
        ("beta_key.py", "import Tenant\n", "import Tenant\nfrom tables.user import User\n"),
        ("beta_key.py", "    expired_at", APPROVED_BY),
    ],
    "an index": [("tenant.py", "phone = Text(", "phone = Text(index=True, ")],
    "a unique column": [("user.py", "document_id = Text(", "document_id = Text(unique=True, ")],
    "a wider column": [("one_time_code.py", "purpose = Varchar(length=40", "purpose = Varchar(length=80")],
    "a default": [("tenant.py", "max_cashiers = Integer(default=2", "max_cashiers = Integer(default=3")],
}

ROWS = """
INSERT INTO tenants ("businessName", nit, "businessType", address, website, phone)
    VALUES ('b', 'n', 'OTRO', 'x', 'https://example.com', '1');
INSERT INTO users (email, password, "firstName", "lastName", "tenantId", locale, "documentId")
    SELECT 'a@example.com', 'p', repeat('f', 60), 'l', id, 'en', 'd' FROM tenants;
INSERT INTO beta_keys (key, "approvedById") SELECT 'BETA-1', id FROM users;
INSERT INTO notes ("tenantId", text) SELECT id, 'a note' FROM tenants;
"""

# One process for each change, because Python has imported the tables of the one before.
STEP = """
import asyncio, contextlib, dataclasses, io, sys
import asyncpg, orjson
import piccolo_conf
from piccolo.apps.migrations.commands.backwards import run_backwards
from piccolo.apps.migrations.commands.forwards import run_forwards
from piccolo.apps.migrations.commands.new import new
from api.deploy.verify import verify
from api.settings import get_settings
from tests.deploy.migrations.walking import catalog_of

async def rows(connection):
    return {
        table: await connection.fetchval(f"SELECT jsonb_agg(t ORDER BY t.id) FROM {table} AS t")
        for table in await catalog_of(connection)
    }

async def main():
    connection = await asyncpg.connect(get_settings().database_url.get_secret_value())
    await connection.execute("SET gatehouse.scope = 'platform'")
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        await new("gatehouse", auto=True, desc=sys.argv[1])
        before = await catalog_of(connection)
        oks = [(await run_forwards("gatehouse", "all")).success]
        up = await catalog_of(connection)
        data = await rows(connection)
        oks.append((await run_backwards("gatehouse", "1", auto_agree=True)).success)
        down = await catalog_of(connection)
        oks.append((await run_forwards("gatehouse", "all")).success)
        found = [one.description for one in (await verify()).differences]
    result = {
        "log": log.getvalue(), "successes": oks, "changed": up != before, "reverted": down == before,
        "again": await catalog_of(connection) == up, "kept": await rows(connection) == data,
        "differences": found,
    }
    print(orjson.dumps(result).decode())

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    return folder


def edit(project: Path, changes: list[tuple[str, str, str]]) -> None:
    for name, old, new in changes:
        path = project / "tables" / name
        text = path.read_text() if path.exists() else ""
        assert old in text, (name, old)
        path.write_text(text.replace(old, new, 1) if old else new)


def in_project(project: Path, dsn: str, program: str, *words: str) -> Ended:
    return run_command(program, *words, cwd=project, DATABASE_URL=dsn, PYTHONPATH=str(ROOT))


def piccolo(project: Path, dsn: str, *words: str) -> Ended:
    return in_project(project, dsn, "piccolo", "migrations", *words)


def newest(project: Path) -> Path:
    return max((project / "migrations").glob("gatehouse_*.py"))


def migration_of(path: Path) -> SqlMigration:
    module: dict[str, Any] = {}
    exec(path.read_text(), module)
    return module["MIGRATION"]


@pytest.mark.slow
async def test_each_change_is_written_applied_reverted_and_applied_again(
    migrated_database: str, connection: asyncpg.Connection, project: Path
) -> None:
    """With rows in it from the change on that makes the last table; `gatehouse db verify` finds nothing."""
    copied = len(list((project / "migrations").glob("gatehouse_*.py")))
    for number, (what, changes) in enumerate(CHANGES.items(), 1):
        edit(project, changes)

        done = in_project(project, migrated_database, "python", "-c", STEP, what)

        assert done.returncode == 0, (what, done.stdout, done.stderr)
        result = orjson.loads(done.stdout)
        assert result["successes"] == [True, True, True], (what, result, done.stderr)
        assert (result["changed"], result["reverted"], result["again"]) == (True, True, True), (what, result)
        assert result["kept"], what
        assert result["differences"] == [], what
        path = newest(project)
        broken = broken_rules(migration_of(path)) - set(EVERYWHERE)
        # PostgreSQL widens a varchar without reading the table.
        assert broken == ({"changing-column-type"} if what == "a wider column" else set()), what
        assert f'DESCRIPTION = "{what}"' in path.read_text()
        assert len(list((project / "migrations").glob("gatehouse_*.py"))) == copied + number
        if what == "a foreign key on a new column":
            await connection.execute(f"BEGIN; SET LOCAL gatehouse.scope = 'platform'; {ROWS} COMMIT")

    nothing = piccolo(project, migrated_database, "new", "gatehouse", "--auto", "--desc", "nothing")
    assert nothing.returncode == 0, nothing.stdout
    assert "No changes detected" in nothing.stdout
    assert len(list((project / "migrations").glob("gatehouse_*.py"))) == copied + len(CHANGES)
    lint = in_project(project, migrated_database, "python", "-m", "ruff", "check", "--quiet", "migrations")
    assert lint.stdout == ""


QUESTIONS = {
    "a renamed column": ([("beta_key.py", "    notes = ", "    memo = ")], 'beta_keys has no "notes"'),
    "a narrower column": (
        [("one_time_code.py", "purpose = Varchar(length=40", "purpose = Varchar(length=30")],
        'one_time_codes."purpose" becomes varchar(30)',
    ),
    "another type": (
        [("tenant.py", "max_admins = Integer(default=1, ", "max_admins = Text(")],
        'tenants."maxAdmins" becomes text',
    ),
    "a dropped column": (
        [("user.py", "    phone_number =", "    # phone_number =")],
        'users has no "phoneNumber"',
    ),
    "a wider column that another is computed from": (
        [("user.py", "email = Varchar(length=120", "email = Varchar(length=200")],
        'users."email" becomes varchar(200)',
    ),
    "a column without a default": (
        [("user.py", "    is_owner", "    locale = Varchar(length=5, default=None)\n    is_owner")],
        'users."locale" is NOT NULL',
    ),
    "a column whose default differs from row to row": (
        [("user.py", "    is_owner", "    code = UUID()\n    is_owner")],
        'users."code" is NOT NULL',
    ),
    "a column that becomes required": (
        [("tenant.py", "phone = Text(null=True", "phone = Text(null=False")],
        'tenants."phone" becomes NOT NULL',
    ),
    "a column that may be null": (
        [("user.py", "last_name = Text(", "last_name = Text(null=True, ")],
        'users."lastName" may be null',
    ),
    "a table that is gone": (
        [("piccolo_app.py", "        Mail,\n        MailDelay,", "        MailDelay,")],
        "tables/ has no table mails",
    ),
}


async def test_what_is_not_safe_is_a_question_and_cannot_be_applied(
    migrated_database: str, tmp_path: Path
) -> None:
    copy_project(tmp_path)
    for changes, _ in QUESTIONS.values():
        edit(tmp_path, changes)

    written = piccolo(tmp_path, migrated_database, "new", "gatehouse", "--auto")
    forwards = piccolo(tmp_path, migrated_database, "forwards")

    assert written.returncode == 0, written.stdout + written.stderr
    steps = [step for step in migration_of(newest(tmp_path)).steps if isinstance(step, str)]
    asked = [" ".join(step.replace("\n-- ", " ").split()) for step in steps if "-- QUESTION: " in step]
    for what, (_, question) in QUESTIONS.items():
        assert any(question in one for one in asked), (what, asked)
    assert "unanswered-question" in broken_rules(migration_of(newest(tmp_path)))
    assert forwards.returncode == 1
    assert "answer the question" in forwards.stderr
    assert "Traceback" not in forwards.stderr


NATIVE = """
from piccolo.apps.migrations.auto.migration_manager import MigrationManager

ID = "2099-01-01T00:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = ""


async def forwards():
    return MigrationManager(migration_id=ID, app_name="gatehouse", description=DESCRIPTION)
"""


async def test_a_file_in_the_form_of_piccolo_is_refused(migrated_database: str, tmp_path: Path) -> None:
    copy_project(tmp_path)
    (tmp_path / "migrations" / "gatehouse_2099_01_01t00_00_00_000000.py").write_text(NATIVE)

    done = piccolo(tmp_path, migrated_database, "forwards", "all")

    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert re.fullmatch("gatehouse: migrations/gatehouse_2099.* has no MIGRATION: .*--auto", line)


async def test_without_auto_the_file_has_a_question(migrated_database: str, tmp_path: Path) -> None:
    copy_project(tmp_path)

    done = piccolo(tmp_path, migrated_database, "new", "gatehouse", "--desc", "add approver")

    assert done.returncode == 0, done.stdout
    text = newest(tmp_path).read_text()
    assert 'DESCRIPTION = "add approver"' in text
    assert "-- QUESTION: " in text


async def test_a_new_migration_comes_after_one_whose_author_had_a_fast_clock(
    migrated_database: str, tmp_path: Path
) -> None:
    copy_project(tmp_path)
    source = newest(tmp_path).read_text().replace("\nID = ", "\nEARLIER_ID = ")
    ahead = tmp_path / "migrations" / "gatehouse_2099_01_01t00_00_00_000000.py"
    ahead.write_text(source.replace("EARLIER_ID = ", 'ID = "2099-01-01T00:00:00:000000"\nEARLIER_ID = '))

    done = piccolo(tmp_path, migrated_database, "new", "gatehouse", "--desc", "add approver")

    assert done.returncode == 0, done.stdout
    assert newest(tmp_path).stem == "gatehouse_2099_01_01t00_00_01_000000"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("fixtures", "dump"), "gatehouse db dump"),
        (("user", "create"), "gatehouse operators add"),
        (("migrations", "clean", "gatehouse"), "restore the files"),
    ],
    ids=" ".join,
)
async def test_a_command_that_does_not_fit_names_another(
    migrated_database: str, words: tuple[str, ...], named: str
) -> None:
    done = in_project(ROOT, migrated_database, "piccolo", *words)

    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(autouse=True)
def _no_bytecode() -> Iterator[None]:
    """Python compares the times of files in seconds, and a test may write one twice in a second."""
    before = os.environ.get("PYTHONDONTWRITEBYTECODE")
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    yield
    if before is None:
        del os.environ["PYTHONDONTWRITEBYTECODE"]


# docs/migrations.md

DOCUMENT = (ROOT / "docs" / "migrations.md").read_text()
SECTION = "## Remove or rename a column"
BEFORE, _, AFTER = DOCUMENT.partition(SECTION)
RENAMING = AFTER.partition("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def commands(text: str) -> list[str]:
    return [line for block in blocks(text, "sh") for line in block.splitlines()]


COLUMN, FILE, BACKFILL = blocks(BEFORE, "python")


def type_command(command: str, project: Path, dsn: str) -> str:
    program, *words = shlex.split(command)
    done = in_project(project, dsn, program, *words)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.slow
async def test_the_document_leads_from_the_table_to_the_applied_migration(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """Every command of it is typed, in its order."""
    copy_project(tmp_path)
    edit(
        tmp_path,
        [
            ("beta_key.py", "import Tenant\n", "import Tenant\nfrom tables.user import User\n"),
            ("beta_key.py", "    expired_at", f"{COLUMN}    expired_at"),
        ],
    )
    outputs = [type_command(command, tmp_path, migrated_database) for command in commands(BEFORE)]

    written = newest(tmp_path).read_text()
    assert re.sub('ID = ".*"', "", written) == re.sub('ID = ".*"', "", FILE)
    assert "no differences" in outputs[-1]
    columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'beta_keys'::regclass AND attname = $1"
    assert await connection.fetchval(columns, "approvedById") == 1


async def test_the_document_renames_a_column_in_two_deploys(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    copy_project(tmp_path)
    new_column, *steps = blocks(RENAMING, "python")
    rename, contract = (textwrap.indent(step, "        ").rstrip() + ",\n" for step in steps)
    table = (tmp_path / "tables" / "beta_key.py").read_text()
    (old,) = [line for line in table.splitlines() if "revokedReason" in line]
    edit(tmp_path, [("beta_key.py", f"{old}\n", new_column)])
    written = []
    for command in commands(RENAMING):
        type_command(command, tmp_path, migrated_database)
        written.append(newest(tmp_path).read_text())

    unused_since = migration_of(sorted((tmp_path / "migrations").glob("gatehouse_*.py"))[-2]).migration_id
    assert rename in written[0]
    assert re.sub('unused_since=".*"', f'unused_since="{unused_since}"', contract) in written[2]
    names = "SELECT attname FROM pg_attribute WHERE attrelid = 'beta_keys'::regclass AND NOT attisdropped"
    found = {row[0] for row in await connection.fetch(names)}
    assert found & {"revocation", "revokedReason"} == {"revocation"}


def test_the_backfill_of_the_documentation_breaks_no_rule(tmp_path: Path) -> None:
    file = tmp_path / "backfill.py"
    file.write_text(BACKFILL)

    migration = migration_of(file)

    assert migration.backfills
    assert broken_rules(migration) <= set(EVERYWHERE)
