"""Reverting a `Backfill`: the old values come back, or the revert is refused before its first step."""

import json
import signal
from pathlib import Path

import asyncpg
import pytest

from tests.deploy.migrations.backfills import (
    ADDS,
    APPENDS,
    FILE,
    ID,
    KEEPS,
    UPPER,
    add_users,
    in_platform,
    names,
    project_with,
    value,
)
from tests.deploy.migrations.piccolo_command import COUNT, ended, run, start, until
from tests.deploy.migrations.psql import psql, script
from tests.deploy.migrations.test_new_migration import BACKFILL
from tests.support import run_gatehouse

pytestmark = pytest.mark.anyio

BACK = ("backwards", "gatehouse", "--auto_agree")

COPY = "gatehouse_undone.users_20990101000000000000_1"


@pytest.mark.slow
async def test_forwards_backwards_and_forwards_lose_nothing(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """What was edited after the backfill stays as it was edited."""
    environment = project_with(tmp_path, KEEPS, ADDS)
    await add_users(connection, 1000)
    old = await names(connection)

    forwards = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)
    new = await names(connection)
    await in_platform(connection, """UPDATE users SET "lastName" = 'EDITED' WHERE email = 'u7@example.com'""")
    back = await run(migrated_database, *BACK, cwd=tmp_path, **environment)
    restored = await names(connection)
    dropped = await connection.fetchval(f"SELECT to_regclass('{COPY}') IS NULL")
    again = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)

    assert (forwards[0], back[0], again[0]) == (0, 0, 0), (forwards, back, again)
    assert new == {email: name.upper() for email, name in old.items()}
    assert "users: the old values of 999 rows are back" in back[1]
    assert "users: 1 rows were edited or deleted since, and stay so" in back[1]
    assert restored == old | {"u7@example.com": "EDITED"}
    assert dropped
    assert await names(connection) == new | {"u7@example.com": "EDITED"}
    assert await value(connection, """count(*) FILTER (WHERE "fullName" IS NULL)""") == 0


async def test_the_old_values_are_hidden_from_tenants(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    environment = project_with(tmp_path, KEEPS)
    await add_users(connection, 10)
    await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)

    assert await connection.fetchval(f"SELECT count(*) FROM {COPY}") == 0
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        assert await connection.fetchval(f"SELECT count(*) FROM {COPY}") == 10


@pytest.mark.slow
async def test_a_killed_revert_goes_on_where_it_was(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    environment = project_with(tmp_path, APPENDS.replace("pause", "keep=True, pause"))
    await add_users(connection, 3000)
    old = await names(connection)
    forwards = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)

    process = start(migrated_database, *BACK, cwd=tmp_path, **environment)
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        await until(connection, f"count(*) < 3000 FROM {COPY}")
    process.send_signal(signal.SIGKILL)
    await ended(process)
    amid = await names(connection)
    code, output = await run(migrated_database, *BACK, cwd=tmp_path, **environment)

    assert forwards[0] == 0, forwards
    assert amid != old
    assert code == 0, output
    assert await names(connection) == old


async def test_a_column_of_the_same_migration_needs_no_old_values(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    environment = project_with(tmp_path, ADDS)
    await add_users(connection, 10)
    await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)
    await in_platform(connection, """UPDATE users SET "fullName" = 'typed' WHERE email = 'u1@example.com'""")

    back = await run(migrated_database, *BACK, cwd=tmp_path, **environment)
    await add_users_named(connection, "later")
    again = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)

    assert (back[0], again[0]) == (0, 0), (back, again)
    assert "keeps 10 rows of users (fullName)" in back[1]
    assert "users: 1 rows changed" in again[1]
    assert await value(connection, """count(*) FILTER (WHERE "fullName" = 'typed')""") == 1
    assert await value(connection, """count(*) FILTER (WHERE "fullName" IS NULL)""") == 0


async def add_users_named(connection: asyncpg.Connection, name: str) -> None:
    await in_platform(
        connection,
        f"""INSERT INTO users (email, password, "firstName", "lastName")
            VALUES ('{name}@example.com', 'x', 'Ana', '{name}')""",
    )


@pytest.mark.parametrize("option", [(), ("--preview",)], ids=["backwards", "--preview"])
async def test_without_old_values_the_revert_is_refused_before_its_first_step(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path, option: tuple[str, ...]
) -> None:
    """Also of all migrations: the newest first would leave half of them."""
    environment = project_with(tmp_path, UPPER)
    await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)

    code, output = await run(
        migrated_database, "backwards", "all", "--auto_agree", *option, cwd=tmp_path, **environment
    )
    psql_code, told = run_gatehouse(
        migrated_database, "db", "sql", "--backwards", cwd=tmp_path, **environment
    )

    assert (code, psql_code) == (1, 1)
    assert f"{ID} cannot be reverted: it changed rows of users and kept no old values" in output
    assert told.startswith(f"gatehouse: {ID} cannot be reverted")
    assert len(told.splitlines()) == 1
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT + 1


async def test_without_old_values_a_person_is_not_asked(migrated_database: str, tmp_path: Path) -> None:
    environment = project_with(tmp_path, UPPER)
    await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)

    code, output = await run(migrated_database, "backwards", "gatehouse", cwd=tmp_path, **environment)

    assert code == 1
    assert "cannot be reverted" in output
    assert "[y/N]" not in output


@pytest.mark.slow
async def test_old_values_that_were_erased_are_missed_before_the_first_step(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    environment = project_with(tmp_path / "copy", KEEPS)
    await add_users(connection, 10)
    await run(migrated_database, "forwards", "all", cwd=tmp_path / "copy", **environment)
    erased = run_gatehouse(migrated_database, "db", "forget", "--yes", "--json")

    code, output = await run(migrated_database, *BACK, cwd=tmp_path / "copy", **environment)
    backwards = script("--backwards", cwd=tmp_path / "copy", **environment)
    by_psql = await psql(migrated_database, backwards, tmp_path)

    table = {"table": "users_20990101000000000000_1", "rows": 10}
    assert json.loads(erased[1]) == {"erased": [table]}
    assert (code, by_psql[0]) == (1, 3)
    for told in (output, by_psql[1]):
        assert f"{ID} cannot be reverted: the old values in {COPY} are erased" in told
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT + 1


@pytest.mark.slow
async def test_the_script_for_psql_does_and_undoes_it(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    environment = project_with(tmp_path / "copy", KEEPS, ADDS, KEEPS.replace("lastName", "firstName"))
    await add_users(connection, 2000)
    old = await names(connection)

    forwards = await psql(migrated_database, script(cwd=tmp_path / "copy", **environment), tmp_path)
    new = await names(connection)
    recorded = run_gatehouse(migrated_database, "db", "status", cwd=tmp_path / "copy", **environment)
    backwards = script("--backwards", "--from", ID, cwd=tmp_path / "copy", **environment)
    back = await psql(migrated_database, backwards, tmp_path)

    assert (forwards[0], back[0], recorded[0]) == (0, 0, 0), (forwards, back, recorded)
    assert "users: 2,000 rows changed" in forwards[1]
    assert new == {email: name.upper() for email, name in old.items()}
    assert await names(connection) == old
    assert await value(connection, """count(*) FILTER (WHERE "firstName" = 'Ana')""") == 2000
    assert await connection.fetchval("SELECT to_regclass('migration_progress') IS NULL")
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT


async def test_the_example_of_the_documentation_is_applied_and_reverted(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    environment = project_with(tmp_path)
    (tmp_path / FILE).write_text(BACKFILL.replace("2026-12-02T09:30:00", ID[:19]))
    await add_users(connection, 20)
    await in_platform(connection, """UPDATE users SET "firstName" = ' Ana ' WHERE email LIKE 'u1%'""")
    blank = """count(*) FILTER (WHERE "firstName" = ' Ana ')"""

    forwards = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)
    trimmed = await value(connection, blank)
    back = await run(migrated_database, *BACK, cwd=tmp_path, **environment)

    assert (forwards[0], back[0]) == (0, 0), (forwards, back)
    assert "users: 11 rows changed" in forwards[1]
    assert trimmed == 0
    assert await value(connection, blank) == 11
