"""`Backfill`: a step of a migration that changes rows in batches, while the application uses them."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from api.command_error import CommandError
from api.deploy.migrations import backfill_run, backfill_sql
from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.backfill_run import Lines, run_backfill
from tests.deploy.migrations.backfills import (
    ADDS,
    APPENDS,
    ID,
    UPPER,
    add_users,
    in_platform,
    names,
    project_with,
    value,
)
from tests.deploy.migrations.piccolo_command import ended, run, start, until
from tests.support import run_gatehouse, until_waiting

pytestmark = pytest.mark.anyio

WORKS = """EXISTS (
    SELECT FROM pg_stat_activity
     WHERE datname = current_database() AND query LIKE 'DO $backfill$%' AND state = 'active'
)"""

TO_UPPER = Backfill("users", {"lastName": 'upper("lastName")'}, '"lastName" <> upper("lastName")', pause=0.01)


async def apply(backfill: Backfill) -> str:
    """Run the step in this process, on the database of `use_database`; returns what it reports."""
    reported: list[str] = []
    await run_backfill(backfill.statement(ID, 0), Lines(reported.append))
    return "".join(reported)


@pytest.mark.slow
async def test_all_rows_are_changed_and_the_progress_is_forgotten(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    environment = project_with(tmp_path, ADDS, UPPER)
    await add_users(connection, 3000)

    code, output = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)
    verified = run_gatehouse(migrated_database, "db", "verify", cwd=tmp_path, **environment)

    assert code == 0, output
    assert output.count("    users: 3,000 rows changed\n") == 2
    assert output.endswith("rows changed\n    users: 3,000 rows changed\n  ok\n")
    assert "\x1b" not in output
    assert await value(connection, """count(*) FILTER (WHERE "fullName" LIKE 'RIOS%')""") == 3000
    assert await value(connection, """count(*) FILTER (WHERE "lastName" LIKE 'RIOS%')""") == 3000
    assert await connection.fetchval("SELECT to_regclass('migration_progress') IS NULL")
    assert verified[0] == 0, verified[1]


@pytest.mark.slow
async def test_a_killed_run_goes_on_where_it_was(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """No row is changed twice, and none is left out."""
    environment = project_with(tmp_path, APPENDS)
    await add_users(connection, 5000)
    await connection.execute(
        """CREATE TABLE changes (id uuid); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN INSERT INTO changes VALUES (new.id); RETURN NULL; END $$;
           CREATE TRIGGER note AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION note()"""
    )

    process = start(migrated_database, "forwards", "all", cwd=tmp_path, **environment)
    await until(connection, "EXISTS (SELECT FROM changes)")
    process.send_signal(signal.SIGKILL)
    await ended(process)
    await until(connection, f"NOT {WORKS}")
    amid = await connection.fetchval("SELECT count(*) FROM changes")
    kept = await connection.fetchval("SELECT rows_done FROM migration_progress WHERE last_id IS NOT NULL")
    code, output = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)

    assert 0 < (amid or 0) < 5000
    assert kept == amid
    assert code == 0, output
    assert "users: 5,000 rows changed" in output
    assert await connection.fetchval("SELECT count(*) = 5000 AND count(DISTINCT id) = 5000 FROM changes")
    assert await value(connection, """count(*) FILTER (WHERE "lastName" ~ '^Rios[0-9]+!$')""") == 5000


async def test_killed_before_the_migration_is_recorded_it_changes_nothing_again(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    environment = project_with(tmp_path, UPPER)
    await add_users(connection, 100)
    await connection.execute(f"ALTER TABLE migration ADD CONSTRAINT no CHECK (name <> '{ID}')")
    failed, _ = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)
    await connection.execute("ALTER TABLE migration DROP CONSTRAINT no")

    code, output = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)

    assert (failed, code) == (1, 0)
    assert "users: 0 rows changed" in output


@pytest.mark.slow
async def test_what_clients_write_meanwhile_is_neither_lost_nor_left_out(
    migrated_database: str, connection: asyncpg.Connection, use_database: Callable[[str], None]
) -> None:
    """Half of the new rows have ids that the first pass has been at already."""
    use_database(migrated_database)
    await add_users(connection, 20_000)
    writer = await asyncpg.connect(migrated_database)

    async def write(step: asyncio.Task[str]) -> int:
        number = 0
        assert not step.done()
        # A slow machine writes few rows in that time; those after it are the next run's.
        while number < 20 or not step.done():
            number += 1
            user = f"email = 'u{number}@example.com'"
            await in_platform(
                writer,
                f"""UPDATE users SET "firstName" = 'Eva' WHERE {user}""",
                f"""UPDATE users SET "lastName" = 'new' || "lastName" WHERE {user}""",
                f"""INSERT INTO users (email, password, "firstName", "lastName")
                    VALUES ('new{number}@example.com', 'x', 'Eva', 'mora')""",
            )
        return number

    step = asyncio.create_task(apply(TO_UPPER))
    await until(connection, WORKS)
    written = await write(step)
    # What came after the last pass, if anything did, is the next run's.
    again = await apply(TO_UPPER)
    await writer.close()

    assert "rows changed" in again
    found = await names(connection)
    assert len(found) == 20_000 + written
    assert all(name == name.upper() for name in found.values())
    assert all(found[f"u{number}@example.com"] == f"NEWRIOS{number}" for number in range(1, written + 1))
    assert await value(connection, """count(*) FILTER (WHERE "firstName" = 'Eva')""") == 2 * written


@pytest.mark.slow
async def test_a_row_that_is_locked_is_waited_for_without_holding_others_up(
    migrated_database: str, connection: asyncpg.Connection, use_database: Callable[[str], None]
) -> None:
    """Batches before it are committed, and the rows beside it are free again after each try.

    `make bench-migrations` measures for how long a client waits.
    """
    use_database(migrated_database)
    await add_users(connection, 2000)
    ids = await value(connection, "array_agg(id ORDER BY id)")
    assert isinstance(ids, list)
    client = await asyncpg.connect(migrated_database)
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        await connection.execute("""UPDATE users SET "lastName" = 'late' WHERE id = $1""", ids[-1])
        step = asyncio.create_task(apply(TO_UPPER))
        for number in range(3):
            await until_waiting(connection)
            for other in (ids[0], ids[-2]):
                # It would never end if the step held the row until it has the locked one.
                async with asyncio.timeout(60):
                    await in_platform(
                        client, f"""UPDATE users SET "firstName" = 'Eva{number}' WHERE id = '{other}'"""
                    )
        amid = await value(client, """count(*) FILTER (WHERE "lastName" ~ '^RIOS')""")
        assert not step.done()
    output = await step
    await client.close()

    assert isinstance(amid, int)
    assert 0 < amid < 1999
    assert await value(connection, """count(*) FILTER (WHERE "firstName" = 'Eva2')""") == 2
    assert "users: 2,000 rows changed" in output
    assert await value(connection, """count(*) FILTER (WHERE "lastName" = 'LATE')""") == 1


async def test_a_row_that_stays_locked_ends_the_run_with_one_line(
    migrated_database: str,
    connection: asyncpg.Connection,
    use_database: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backfill_sql, "MAX_FAILURES", 1)
    use_database(migrated_database)
    await add_users(connection, 10)
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        await connection.execute("SELECT FROM users FOR UPDATE")
        with pytest.raises(CommandError, match="a transaction has locked rows of users") as refused:
            await apply(TO_UPPER)

    assert "\n" not in str(refused.value)
    assert "users: 10 rows changed" in await apply(TO_UPPER)


async def test_a_condition_that_stays_true_is_refused(
    migrated_database: str, connection: asyncpg.Connection, use_database: Callable[[str], None]
) -> None:
    """The run after one that was killed would change its rows again."""
    use_database(migrated_database)
    await add_users(connection, 10)
    before = await names(connection)

    with pytest.raises(CommandError, match="would change rows twice"):
        await apply(Backfill("users", {"lastName": '"lastName" || $$!$$'}, '"lastName" IS NOT NULL'))

    assert await names(connection) == before


async def test_a_wrong_column_is_found_before_the_first_step(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    environment = project_with(tmp_path, UPPER.replace('upper("lastName")', 'upper("surname")'))

    code, output = await run(migrated_database, "forwards", "all", cwd=tmp_path, **environment)

    assert code == 1
    assert 'column "surname" does not exist' in output
    assert "Traceback" not in output
    assert await connection.fetchval(
        "SELECT NOT EXISTS (SELECT FROM pg_attribute WHERE attname = 'fullName')"
    )


async def test_a_preview_prints_the_sql_and_how_many_rows_are_left_and_writes_nothing(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    environment = project_with(tmp_path, ADDS, UPPER)
    await add_users(connection, 30)
    await in_platform(connection, """UPDATE users SET "lastName" = 'X' WHERE email = 'u1@example.com'""")
    before = await names(connection)
    relations = "SELECT array_agg(oid ORDER BY oid) FROM pg_class"
    existing = await connection.fetchval(relations)

    code, output = await run(migrated_database, "forwards", "all", "--preview", cwd=tmp_path, **environment)

    assert code == 0, output
    assert 'UPDATE users SET "lastName" = upper("lastName") WHERE ("lastName" <> upper("lastName"))' in output
    assert "-- users: 29 of 30 rows are left, in batches" in output
    assert "-- users: at most 30 rows, in batches" in output
    assert await names(connection) == before
    assert await connection.fetchval(relations) == existing


async def test_at_a_terminal_there_is_a_bar(
    migrated_database: str,
    connection: asyncpg.Connection,
    use_database: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backfill_run.sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(backfill_sql, "REPORT_INTERVAL", 0)
    use_database(migrated_database)
    await add_users(connection, 2000)

    output = await apply(TO_UPPER)

    assert "    users [########......................] 500 of 2,000 rows" in output
    assert output.endswith("\r\x1b[K    users: 2,000 rows changed\n")


@pytest.mark.slow
async def test_no_batch_reads_another_index_that_has_the_ids(
    migrated_database: str, connection: asyncpg.Connection, use_database: Callable[[str], None]
) -> None:
    """Row security lets PostgreSQL expect that few rows are visible, so it would read and sort all of it."""
    use_database(migrated_database)
    await add_users(connection, 30_000)
    await connection.execute("VACUUM ANALYZE users")
    read = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'users_tenant_joined'"
    before = await connection.fetchval(read)

    await apply(Backfill("users", {"lastName": "'A'"}, """ "lastName" = 'B' """))
    # A session reports its statistics when it ends.
    await until(connection, f"NOT {WORKS}")
    await asyncio.sleep(1)
    assert await connection.fetchval(read) == before
