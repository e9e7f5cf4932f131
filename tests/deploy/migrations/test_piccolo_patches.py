"""`piccolo migrations forwards` and `backwards`, run by several at once, killed, and held up."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from piccolo.apps.migrations.commands import backwards, forwards

from api.command_error import CommandError
from api.database.embedded import EmbeddedServer
from api.deploy.migrations import index
from api.deploy.migrations.index import Index, create_index
from api.deploy.migrations.retained_data import BATCH
from api.deploy.paths import MIGRATIONS
from tests.support import ROOT, copy_project, run_gatehouse

pytestmark = pytest.mark.anyio

PICCOLO = [sys.executable, "-m", "piccolo.main", "migrations"]
TENANTS = "2026-11-24T00:04:52:117630"
COUNT = len(list(MIGRATIONS.glob("gatehouse_*.py")))


def start(dsn: str, *arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PICCOLO, *arguments],
        cwd=cwd,
        env={**os.environ, "DATABASE_URL": dsn, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.PIPE,
        text=True,
    )


async def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = await asyncio.to_thread(process.communicate)
    return process.returncode, output


async def run(dsn: str, *arguments: str, cwd: Path = ROOT, **environment: str) -> tuple[int, str]:
    return await ended(start(dsn, *arguments, cwd=cwd, **environment))


async def until(connection: asyncpg.Connection, condition: str) -> None:
    async with asyncio.timeout(20):
        while not await connection.fetchval(f"SELECT {condition}"):
            await asyncio.sleep(0.01)


WAITS_FOR_USERS = """EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass)"""


async def every_row(connection: asyncpg.Connection) -> dict[str, list[Any]]:
    tables = ["users", "tenants", "beta_keys", "sessions", "audit_events", "mails", "one_time_codes"]
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        return {
            table: [
                row[0] for row in await connection.fetch(f"SELECT to_jsonb(t) FROM {table} t ORDER BY id")
            ]
            for table in tables
        }


async def test_of_four_at_once_one_applies_and_all_succeed(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    processes = [start(empty_database, "forwards", "all") for _ in range(4)]
    results = await asyncio.gather(*map(ended, processes))

    assert [code for code, _ in results] == [0] * 4, results
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT
    assert sum("no migrations to apply" in output for _, output in results) == 3


async def test_one_that_waits_too_long_gives_up_and_names_the_holder(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    from api.deploy.migrations.lock import KEY

    await connection.execute("SELECT pg_advisory_lock($1)", KEY)
    holder = await connection.fetchval("SELECT pg_backend_pid()")

    code, output = await run(empty_database, "forwards", "all", MIGRATION_LOCK_TIMEOUT="0.3")

    assert code == 1
    assert f"waiting for another migration (PostgreSQL process {holder})" in output
    assert f"PostgreSQL process {holder}); wait for it" in output
    assert "Traceback" not in output
    assert await connection.fetchval("SELECT to_regclass('users') IS NULL")


async def test_a_killed_run_leaves_no_lock_and_the_next_one_goes_on(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """SIGKILL while the tenants migration waits for a lock on users."""
    await run(empty_database, "forwards", "gatehouse", "1")
    async with connection.transaction():
        await connection.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        process = start(empty_database, "forwards", "all")
        async with asyncio.timeout(20):
            watcher = await asyncpg.connect(empty_database)
            await until(watcher, WAITS_FOR_USERS)
            await watcher.close()
        process.send_signal(signal.SIGKILL)
        await ended(process)

    code, output = await run(empty_database, "forwards", "all")

    assert code == 0, output
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT


async def test_killed_between_its_statements_and_its_row_a_migration_has_done_nothing(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """SIGKILL while the row waits to be written, all else being done."""
    await run(empty_database, "forwards", "gatehouse", "--migration_id", "2026-11-24T00:18:40:663925")
    async with connection.transaction():
        await connection.execute("LOCK TABLE migration IN EXCLUSIVE MODE")
        process = start(empty_database, "forwards", "all")
        watcher = await asyncpg.connect(empty_database)
        waits = "FROM pg_locks WHERE NOT granted AND relation = 'migration'::regclass"
        await until(watcher, f"EXISTS (SELECT {waits})")
        # The table is made, for that transaction alone.
        locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND pid IN"
        assert await watcher.fetchval(f"{locked} (SELECT pid {waits})")
        process.send_signal(signal.SIGKILL)
        await ended(process)
        await watcher.close()

    assert await connection.fetchval("SELECT to_regclass('audit_events') IS NULL")
    code, output = await run(empty_database, "forwards", "all")
    assert code == 0, output
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT


async def test_a_lock_that_is_busy_is_tried_for_again(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """A statement soon steps back, so that nobody queues behind it, and tries once more."""
    await run(empty_database, "forwards", "gatehouse", "1")
    async with connection.transaction():
        await connection.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        process = start(empty_database, "forwards", "all")
        watcher = await asyncpg.connect(empty_database)
        await until(watcher, WAITS_FOR_USERS)
        await until(watcher, f"NOT {WAITS_FOR_USERS}")
        await watcher.close()

    code, output = await ended(process)

    assert code == 0, output


async def test_an_index_that_was_broken_off_is_made_again(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """SIGKILL in the middle of CREATE INDEX CONCURRENTLY leaves an index that is written and never read."""
    await run(empty_database, "forwards", "gatehouse", "1")
    older = await asyncpg.connect(empty_database)
    transaction = older.transaction(isolation="repeatable_read")
    await transaction.start()
    await older.execute("SELECT 1 FROM pg_class LIMIT 1")
    process = start(empty_database, "forwards", "all")
    invalid = "EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)"
    await until(connection, invalid)
    process.send_signal(signal.SIGKILL)
    await ended(process)
    # By itself PostgreSQL would go on building it for a client that is gone.
    await until(connection, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%')")
    await transaction.rollback()
    await older.close()
    assert await connection.fetchval(f"SELECT {invalid}")

    code, output = await run(empty_database, "forwards", "all")

    assert code == 0, output
    assert not await connection.fetchval(f"SELECT {invalid}")
    assert await connection.fetchval("SELECT to_regclass('users_tenant_id') IS NOT NULL")


async def test_a_migration_whose_row_cannot_be_written_is_not_applied(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """Its statements and its row are one transaction, so no run ever meets the one without the other."""
    last = "2026-11-24T00:22:18:034716"
    await run(empty_database, "forwards", "gatehouse", "1")
    await connection.execute(f"ALTER TABLE migration ADD CONSTRAINT no CHECK (name <> '{last}')")

    code, _ = await run(empty_database, "forwards", "all")

    assert code != 0
    assert await connection.fetchval("SELECT to_regclass('audit_events') IS NULL")
    await connection.execute("ALTER TABLE migration DROP CONSTRAINT no")
    assert (await run(empty_database, "forwards", "all"))[0] == 0


async def test_a_migration_that_fails_half_way_goes_on_once_its_cause_is_mended(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """Its tables are made, and then a user turns out to be of a tenant that there is not."""
    await run(empty_database, "forwards", "gatehouse", "1")
    await connection.execute("""ALTER TABLE users ADD COLUMN "tenantId" uuid""")
    await connection.execute(
        """INSERT INTO users (email, password, "firstName", "lastName", "tenantId")
           VALUES ('a@example.com', 'p', 'f', 'l', gen_random_uuid())"""
    )

    code, output = await run(empty_database, "forwards", "all")
    made = await connection.fetchval("SELECT to_regclass('tenants') IS NOT NULL")
    recorded = await connection.fetchval("SELECT count(*) FROM migration")
    await connection.execute('UPDATE users SET "tenantId" = NULL')
    again, _ = await run(empty_database, "forwards", "all")

    assert (code, made, recorded, again) == (1, True, 1, 0)
    assert 'violates foreign key constraint "users_tenant"; fix the cause' in output.splitlines()[-1]


async def test_an_index_that_waits_for_an_old_transaction_says_so_and_gives_up(
    migrated_database: str, monkeypatch: pytest.MonkeyPatch, use_database: Callable[[str], None]
) -> None:
    """By itself, PostgreSQL would let it wait for ever."""
    monkeypatch.setattr(index, "BLOCKED_TIMEOUT", 0.6)
    use_database(migrated_database)
    older = await asyncpg.connect(migrated_database)
    async with older.transaction(isolation="repeatable_read"):
        await older.execute("SELECT 1 FROM pg_class LIMIT 1")
        holder = await older.fetchval("SELECT pg_backend_pid()")
        with pytest.raises(CommandError, match=f"PostgreSQL process {holder}"):
            await create_index(Index("late", "users (role)"))
    building = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND state = 'active'"
    assert await older.fetchval(building) == 0
    await older.close()


async def test_whoever_migrates_as_a_superuser_is_warned(empty_database: str, server: EmbeddedServer) -> None:
    """It will own the tables, and the application's role will not."""
    name = empty_database.split("?")[0].rsplit("/", 1)[1]

    code, output = await run(server.dsn(user="postgres", database=name), "forwards", "all")

    assert code == 0
    assert "gatehouse: warning: the role postgres of DATABASE_URL bypasses row security" in output


async def test_an_interrupt_is_told_in_one_line(empty_database: str, connection: asyncpg.Connection) -> None:
    await run(empty_database, "forwards", "gatehouse", "1")
    async with connection.transaction():
        await connection.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        process = start(empty_database, "forwards", "all")
        watcher = await asyncpg.connect(empty_database)
        await until(watcher, WAITS_FOR_USERS)
        await watcher.close()
        process.send_signal(signal.SIGINT)
        code, output = await ended(process)

    assert code == 1
    assert output.splitlines()[-1] == "gatehouse: interrupted; run it again to continue"
    assert "Traceback" not in output


async def test_what_is_put_back_is_put_back_in_batches(migrated_database: str) -> None:
    """More rows than one batch has, and all of them come back."""
    owner = await asyncpg.connect(migrated_database)
    await fill(owner, tenants=BATCH + 20)
    before = await every_row(owner)

    await run(migrated_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")
    code, output = await run(migrated_database, "forwards", "all")

    assert code == 0, output
    assert await every_row(owner) == before
    await owner.close()


async def test_going_backwards_loses_nothing(empty_database: str, connection: asyncpg.Connection) -> None:
    """Every tenant, key, user, session and event is as before, links and all, once forwards again."""
    await run(empty_database, "forwards", "all")
    await fill(connection)
    before = await every_row(connection)

    code, output = await run(
        empty_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree"
    )
    gone = await connection.fetchval("SELECT to_regclass('tenants') IS NULL")
    again, _ = await run(empty_database, "forwards", "all")

    assert (code, gone, again) == (0, True, 0), output
    assert "keeps 20 rows of tenants" in output
    assert "keeps 20 rows of users (tenantId, isOwner, documentId, phoneNumber)" in output
    assert await every_row(connection) == before
    assert all(before.values())


async def fill(connection: asyncpg.Connection, tenants: int = 20) -> None:
    async with connection.transaction():
        await connection.execute(f"""
            SET LOCAL gatehouse.scope = 'platform';
            INSERT INTO tenants ("businessName", nit, "businessType", address, "suspendedReason")
                SELECT 'b', 'n' || n, 'OTRO', 'x', CASE WHEN n % 2 = 0 THEN 'unpaid' END
                  FROM generate_series(1, {tenants}) n;
            INSERT INTO users (email, password, "firstName", "lastName", "tenantId", "isOwner", "documentId")
                SELECT nit || '@example.com', 'p', 'f', 'l', id, true, nit FROM tenants;
            INSERT INTO users (email, password, "firstName", "lastName", role)
                VALUES ('root@example.com', 'p', 'f', 'l', 'SUPER_ADMIN');
            INSERT INTO beta_keys (key, "isUsed", "usedByTenantId", "expiresAt")
                SELECT 'k' || nit, true, id, now() FROM tenants;
            INSERT INTO beta_keys (key) VALUES ('free');
            INSERT INTO sessions ("userId", "tokenDigest", "expiresAt")
                SELECT id, sha256(email::bytea), now() FROM users;
            INSERT INTO audit_events (action, "tenantId") SELECT 'x', id FROM tenants;
            INSERT INTO mails (template, recipient, language) SELECT 'x', email, 'en' FROM users;
            INSERT INTO one_time_codes (purpose, email, "userId", "tenantId", "codeDigest", "expiresAt")
                SELECT 'x', email, id, "tenantId", 'x', now() FROM users;
        """)


async def test_rows_of_another_app_are_left_alone(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """Piccolo deletes by name alone, whosever migration it is."""
    await run(empty_database, "forwards", "all")
    await connection.execute(
        "INSERT INTO migration (name, app_name, ran_on) SELECT name, 'other', ran_on FROM migration"
    )

    await run(empty_database, "backwards", "gatehouse", "--auto_agree")

    rows = "SELECT count(*) FROM migration WHERE app_name = $1"
    assert await connection.fetchval(rows, "gatehouse") == COUNT - 1
    assert await connection.fetchval(rows, "other") == COUNT


async def test_without_a_terminal_backwards_says_what_to_add(empty_database: str) -> None:
    await run(empty_database, "forwards", "all")

    code, output = await run(empty_database, "backwards", "gatehouse")

    assert code == 1
    assert "--auto_agree" in output
    assert "Traceback" not in output


async def asked(process: subprocess.Popen[str]) -> str:
    """The question that the process waits with."""

    def read() -> str:
        assert process.stdout is not None
        question = ""
        while not question.endswith("[y/N] "):
            character = process.stdout.read(1)
            assert character, question
            question += character
        return question

    return await asyncio.to_thread(read)


async def test_whoever_is_asked_keeps_nobody_waiting(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """A person may be at lunch, and a deploy must go on; what it applied meanwhile nobody agreed to undo."""
    await run(empty_database, "forwards", "gatehouse", TENANTS)
    process = start(empty_database, "backwards", "gatehouse")
    question = await asked(process)

    deploy, _ = await run(empty_database, "forwards", "all", MIGRATION_LOCK_TIMEOUT="0")
    output, _ = await asyncio.to_thread(process.communicate, "y\n")

    assert question.endswith(f"Revert 1 migration: {TENANTS}? [y/N] ")
    assert (deploy, process.returncode) == (0, 1)
    assert "the applied migrations have changed, and nothing was reverted" in output
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 1)])
async def test_what_a_person_answers_is_done(
    empty_database: str, connection: asyncpg.Connection, answer: str, left: int
) -> None:
    await run(empty_database, "forwards", "gatehouse", "1")
    process = start(empty_database, "backwards", "all")
    await asked(process)

    await asyncio.to_thread(process.communicate, f"{answer}\n")

    assert process.returncode == left
    assert await connection.fetchval("SELECT count(*) FROM migration") == left


def test_the_guard_is_in_place() -> None:
    """These names are private to Piccolo: a release that has others must not slip in unguarded."""
    import piccolo_conf

    assert piccolo_conf.DB is not None
    guarded = [
        forwards.run_forwards,
        backwards.run_backwards,
        forwards.ForwardsMigrationManager.run_migrations,
        backwards.BackwardsMigrationManager.run_migrations_backwards,
    ]
    assert {function.__module__ for function in guarded} == {"api.deploy.migrations.piccolo_patches"}


async def test_the_status_is_told_by_exit_code_and_by_name(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    pending, output = run_gatehouse(empty_database, "db", "status")
    assert (pending, TENANTS in output) == (2, True)

    await run(empty_database, "forwards", "all")
    clean, output = run_gatehouse(empty_database, "db", "status", "--json")
    assert (clean, json.loads(output)["pending"]) == (0, [])

    await connection.execute("UPDATE migration SET checksum = 'x' WHERE name = $1", TENANTS)
    await connection.execute(
        "INSERT INTO migration (name, app_name, ran_on) VALUES ('2099-01-01T00:00:00:0', 'gatehouse', now())"
    )
    await connection.execute("DELETE FROM migration WHERE name LIKE '2026-11-24T00:22%'")
    broken, output = run_gatehouse(empty_database, "db", "status", "--json")
    told = json.loads(output)
    assert broken == 3
    assert told["edited"] == [TENANTS]
    assert told["missing"] == ["2099-01-01T00:00:00:0"]
    assert told["outOfOrder"] == told["pending"] == ["2026-11-24T00:22:18:034716"]


async def test_what_is_kept_is_erased_only_when_asked_for(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    await run(empty_database, "forwards", "all")
    await fill(connection)
    await run(empty_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")

    asked, question = run_gatehouse(empty_database, "db", "forget")
    kept = await connection.fetchval("SELECT to_regclass('gatehouse_undone.tenants') IS NOT NULL")
    erased, output = run_gatehouse(empty_database, "db", "forget", "--yes")

    assert (asked, kept, erased) == (1, True, 0)
    assert "--yes" in question
    assert "erased 20 rows of tenants" in output
    assert await connection.fetchval("SELECT to_regnamespace('gatehouse_undone') IS NULL")
    assert (await run(empty_database, "forwards", "all"))[0] == 0


@pytest.mark.parametrize(
    ("depending", "named"),
    [
        ("CREATE VIEW report AS SELECT nit FROM gatehouse_undone.tenants", "view report"),
        (
            "CREATE TABLE orders (tenant uuid CONSTRAINT for_whom REFERENCES gatehouse_undone.tenants (id))",
            "constraint for_whom on table orders",
        ),
        ("CREATE FUNCTION gatehouse_undone.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "mine()"),
    ],
    ids=["a view", "a foreign key", "a function in the schema"],
)
async def test_what_is_kept_stays_while_something_else_depends_on_it(
    empty_database: str, connection: asyncpg.Connection, depending: str, named: str
) -> None:
    """Erasing must not take anything along that nobody named."""
    await run(empty_database, "forwards", "all")
    await fill(connection)
    await run(empty_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")
    await connection.execute(depending)

    code, output = run_gatehouse(empty_database, "db", "forget", "--yes")

    assert code == 1
    assert output.startswith("gatehouse: nothing was erased")
    assert named in output
    assert len(output.splitlines()) == 1
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        assert await connection.fetchval("SELECT count(*) FROM gatehouse_undone.tenants") == 20


async def test_what_is_written_while_a_migration_is_undone_is_kept(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """Copied before and dropped after it, it would be in neither place."""
    await run(empty_database, "forwards", "all")
    await fill(connection)
    writer = await asyncpg.connect(empty_database)
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("SET LOCAL gatehouse.scope = 'platform'")
    await writer.execute("""UPDATE users SET "documentId" = 'late' WHERE "documentId" = 'n7'""")

    process = start(empty_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")
    await until(connection, WAITS_FOR_USERS)
    await transaction.commit()
    await writer.close()
    code, output = await ended(process)
    await run(empty_database, "forwards", "all")

    assert code == 0, output
    users = str((await every_row(connection))["users"])
    assert '"documentId": "late"' in users
    assert '"documentId": "n7"' not in users


async def test_a_run_that_loses_its_lock_does_not_go_on(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """Whoever came next has the lock by then, and two would be at work."""
    await run(empty_database, "forwards", "gatehouse", "1")
    async with connection.transaction():
        await connection.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        process = start(empty_database, "forwards", "all")
        watcher = await asyncpg.connect(empty_database)
        await until(watcher, WAITS_FOR_USERS)
        await watcher.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        )
        await watcher.close()
        code, output = await ended(process)

    assert code == 1
    assert "run the migrations again" in output
    assert (await run(empty_database, "forwards", "all"))[0] == 0
    assert await connection.fetchval("SELECT count(*) FROM migration") == COUNT


async def test_a_second_undoing_does_not_overwrite_what_the_first_one_keeps(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    await run(empty_database, "forwards", "all")
    await fill(connection)
    back = ("backwards", "gatehouse", "--migration_id", "2026-11-24T00:18:40:663925", "--auto_agree")
    await run(empty_database, *back)
    await run(empty_database, "forwards", "gatehouse", "--migration_id", "1", "--fake")
    await connection.execute('ALTER TABLE beta_keys ADD COLUMN "expiresAt" timestamptz')

    code, output = await run(empty_database, *back)

    assert code == 1
    assert "still holds the data of an earlier revert" in output
    rows = "SELECT count(*) FROM gatehouse_undone.beta_keys_20261124001840663925"
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        assert await connection.fetchval(rows) == 20


async def test_rows_that_are_kept_are_not_passed_over_for_a_table_made_since(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    await run(empty_database, "forwards", "all")
    await fill(connection)
    await run(empty_database, "backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")
    await connection.execute("CREATE TABLE tenants (id uuid PRIMARY KEY)")

    code, output = await run(empty_database, "forwards", "all")
    await connection.execute("DROP TABLE tenants")
    again, _ = await run(empty_database, "forwards", "all")

    assert (code, again) == (1, 0)
    assert "tenants exists, and gatehouse_undone.tenants holds the rows" in output
    assert len((await every_row(connection))["tenants"]) == 20


@pytest.mark.parametrize(
    "arguments",
    [
        ("forwards", "gatehouse", "nope"),
        ("backwards", "gatehouse", "nope", "--auto_agree"),
        ("backwards", "gatehouse", "--clean", "--auto_agree"),
        ("backwards", "all"),
    ],
    ids=" ".join,
)
async def test_what_cannot_be_done_is_one_line_and_exit_code_1(
    empty_database: str, arguments: tuple[str, ...]
) -> None:
    await run(empty_database, "forwards", "all")

    code, output = await run(empty_database, *arguments)

    assert code == 1
    assert output.splitlines()[-1].startswith("gatehouse: ")
    assert "Usage" not in output


@pytest.mark.parametrize("direction", ["forwards", "backwards"])
async def test_a_preview_changes_nothing_and_asks_nothing(
    empty_database: str, connection: asyncpg.Connection, direction: str
) -> None:
    if direction == "backwards":
        await run(empty_database, "forwards", "all")
    tables = "SELECT array_agg(oid ORDER BY oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    before = await connection.fetchval(f"{tables} AND relname NOT LIKE 'migration%'")

    first = "1" if direction == "forwards" else TENANTS
    code, output = await run(empty_database, direction, "gatehouse", "--migration_id", first, "--preview")

    assert code == 0, output
    assert (
        "CREATE TABLE IF NOT EXISTS users" if direction == "forwards" else "DROP INDEX IF EXISTS"
    ) in output
    assert await connection.fetchval(f"{tables} AND relname NOT LIKE 'migration%'") == before
    recorded = await connection.fetchval("SELECT count(*) FROM migration")
    assert recorded == (0 if direction == "forwards" else COUNT)


async def test_a_table_that_the_sql_cannot_work_with_is_told_as_what_it_is(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """To be told to run the migrations, by the migrations, leads nowhere."""
    await connection.execute("CREATE TABLE users (id int)")

    code, output = await run(empty_database, "forwards", "all")

    assert code == 1
    assert "users.id is integer; it should be uuid NOT NULL" in output
    assert "users.email is missing" in output
    assert "run: piccolo migrations" not in output


DATA_ONLY = """
from piccolo.apps.migrations.tables import Migration

ID = "2099-01-01T00:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Write a row."


async def forwards():
    await Migration.raw("INSERT INTO tallies VALUES ('once')")
"""


async def test_a_migration_of_data_alone_is_applied_once_and_by_nobody_who_only_looks(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    copy_project(tmp_path)
    (tmp_path / "migrations" / "gatehouse_2099_01_01t00_00_00_000000.py").write_text(DATA_ONLY)
    await connection.execute("CREATE TABLE tallies (tally text)")
    elsewhere = {"PYTHONPATH": str(tmp_path)}

    together = [start(empty_database, "forwards", "all", cwd=tmp_path, **elsewhere) for _ in range(2)]
    results = await asyncio.gather(*map(ended, together))
    preview = await run(empty_database, "forwards", "all", "--preview", cwd=tmp_path, **elsewhere)
    status = run_gatehouse(empty_database, "db", "status", cwd=tmp_path, **elsewhere)
    back = await run(empty_database, "backwards", "gatehouse", "--auto_agree", cwd=tmp_path, **elsewhere)

    assert [code for code, _ in results] == [0, 0], results
    assert (preview[0], status[0]) == (0, 0), (preview, status)
    assert back[0] == 1
    assert "cannot be reverted" in back[1]
    assert await connection.fetchval("SELECT count(*) FROM tallies") == 1
