"""`gatehouse db squash`: one file in the place of all migrations; old databases stay valid."""

import json
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from api.database.embedded import EmbeddedServer
from tests.deploy.migrations.piccolo_command import COUNT, run
from tests.deploy.migrations.psql import psql
from tests.deploy.migrations.walking import catalog_of
from tests.support import ROOT, copy_project, run_gatehouse

pytestmark = pytest.mark.anyio

THIRD = "2026-11-24T00:11:37:850244"

TENANT = """
INSERT INTO tenants ("businessName", nit, "businessType", address)
    VALUES ('La Tienda', '1', 'OTRO', 'Calle 1');
"""


@pytest.fixture(scope="module")
def squashed(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project after `gatehouse db squash`."""
    folder = tmp_path_factory.mktemp("squashed")
    copy_project(folder)
    code, output = gatehouse(server.dsn(), folder, "squash")
    assert code == 0, output
    assert "which replaces" in output
    return folder


def gatehouse(dsn: str, project: Path, *words: str) -> tuple[int, str]:
    return run_gatehouse(dsn, "db", *words, cwd=project, PYTHONPATH=str(project))


async def piccolo(dsn: str, project: Path, *words: str) -> tuple[int, str]:
    return await run(dsn, *words, cwd=project, PYTHONPATH=str(project))


@pytest.mark.slow
async def test_a_new_database_gets_the_same_tables(
    empty_database: str, migrated_database: str, squashed: Path
) -> None:
    """Forwards, backwards and forwards again."""
    catalogs = []
    for words in (["forwards"], ["backwards", "--auto_agree"], ["forwards"]):
        code, output = await piccolo(empty_database, squashed, *words)
        assert code == 0, output
        connection = await asyncpg.connect(empty_database)
        catalogs.append(await catalog_of(connection))
        await connection.close()
    connection = await asyncpg.connect(migrated_database)
    expected = await catalog_of(connection)
    await connection.close()

    assert [dict(one) for one in catalogs] == [expected, {}, expected]
    assert gatehouse(empty_database, squashed, "verify")[0] == 0


def test_the_file_passes_the_lint(squashed: Path) -> None:
    (file,) = (squashed / "migrations").glob("gatehouse_*.py")
    options = ["--config", str(ROOT / "pyproject.toml")]

    for command in (["check", *options], ["format", "--check", *options]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, file], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
async def test_a_migrated_database_stays_valid(
    migrated_database: str, connection: asyncpg.Connection, squashed: Path
) -> None:
    """It has nothing to apply; a revert moves all tables, and applying again brings back the rows."""
    await connection.execute(f"BEGIN; SET LOCAL gatehouse.scope = 'platform'; {TENANT} COMMIT")

    status = gatehouse(migrated_database, squashed, "status")
    verify = gatehouse(migrated_database, squashed, "verify")
    nothing = await piccolo(migrated_database, squashed, "forwards")
    back = await piccolo(migrated_database, squashed, "backwards", "gatehouse", "all", "--auto_agree")
    left = await connection.fetchval("SELECT count(*) FROM migration")
    again = await piccolo(migrated_database, squashed, "forwards")

    assert (status[0], verify[0]) == (0, 0), (status, verify)
    assert "no migrations to apply" in nothing[1]
    assert (back[0], left, again[0]) == (0, 0, 0), (back, again)
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        assert await connection.fetchval('SELECT "businessName" FROM tenants') == "La Tienda"


@pytest.mark.slow
async def test_a_database_with_some_of_the_migrations_is_refused(
    empty_database: str, squashed: Path, tmp_path: Path
) -> None:
    some = await piccolo(empty_database, ROOT, "forwards", "gatehouse", THIRD)

    code, error = await piccolo(empty_database, squashed, "forwards")
    script = gatehouse(empty_database, squashed, "sql")[1]
    by_psql = await psql(empty_database, script, tmp_path)

    assert (some[0], code) == (0, 1)
    message = f"replaces {COUNT} migrations, and {THIRD} is the newest .*first apply"
    assert re.search(message, error)
    assert "Traceback" not in error
    assert by_psql[0] == 3
    assert re.search(message, by_psql[1])
    assert json.loads(gatehouse(empty_database, squashed, "status", "--json")[1])["missing"] != []


async def test_what_the_tables_do_not_show_is_a_question(empty_database: str, tmp_path: Path) -> None:
    copy_project(tmp_path)
    file = max((tmp_path / "migrations").glob("gatehouse_*.py"))
    comment = "COMMENT ON TABLE mails IS $$x$$;"
    file.write_text(file.read_text().replace('"""\n', f'"""\n{comment}\n', 1))

    code, output = gatehouse(empty_database, tmp_path, "squash")
    _, error = await piccolo(empty_database, tmp_path, "forwards")
    again = gatehouse(empty_database, tmp_path, "squash")

    assert code == 0, output
    assert "-- QUESTION: " in file.read_text()
    assert "answer the question" in error
    assert again[0] == 1
    assert "only one migration" in again[1]
