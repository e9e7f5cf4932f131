"""`piccolo migrations forwards` and `backwards`, killed and held up."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
from piccolo.apps.migrations.commands import backwards, check, forwards

from api.command_error import CommandError
from api.database.embedded import EmbeddedServer
from api.deploy.migrations import index
from api.deploy.migrations.index import Index, create_index
from api.deploy.migrations.lock import KEY
from tests.commands import PipedCommand
from tests.deploy.migrations.piccolo_command import (
    COUNT,
    TENANTS,
    WAITS_FOR_USERS,
    ended,
    run,
    start,
    until,
    waiting_for_users,
)

pytestmark = pytest.mark.anyio


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
    """A statement gives up its place in the queue soon and retries, so traffic does not wait behind it."""
    await run(empty_database, "forwards", "gatehouse", "1")
    async with waiting_for_users(empty_database, connection, "forwards", "all") as (process, watcher):
        await until(watcher, f"NOT {WAITS_FOR_USERS}")

    code, output = await ended(process)

    assert code == 0, output


@pytest.mark.slow
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
    assert (
        'violates foreign key constraint "users_tenant"; if the old system wrote' in output.splitlines()[-1]
    )


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


async def test_an_interrupt_is_reported_in_one_line(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    await run(empty_database, "forwards", "gatehouse", "1")
    async with waiting_for_users(empty_database, connection, "forwards", "all") as (process, _):
        process.send_signal(signal.SIGINT)
        code, output = await ended(process)

    assert code == 1
    assert output.splitlines()[-1] == "gatehouse: interrupted; run it again to continue"
    assert "Traceback" not in output


async def test_rows_of_another_app_are_left_alone(
    migrated_database: str, connection: asyncpg.Connection
) -> None:
    """Piccolo deletes by name alone, whosever migration it is."""
    await connection.execute(
        "INSERT INTO migration (name, app_name, ran_on) SELECT name, 'other', ran_on FROM migration"
    )

    await run(migrated_database, "backwards", "gatehouse", "--auto_agree")

    rows = "SELECT count(*) FROM migration WHERE app_name = $1"
    assert await connection.fetchval(rows, "gatehouse") == COUNT - 1
    assert await connection.fetchval(rows, "other") == COUNT


async def test_without_a_terminal_backwards_says_what_to_add(migrated_database: str) -> None:
    code, output = await run(migrated_database, "backwards", "gatehouse")

    assert code == 1
    assert "--auto_agree" in output
    assert "Traceback" not in output


async def asked(process: PipedCommand) -> str:
    """The question that the process waits with."""

    def read() -> str:
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
    """A deploy continues while a person thinks, and the person did not agree to revert what it applied."""
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
        forwards.ForwardsMigrationManager.create_migration_table,
        backwards.BackwardsMigrationManager.create_migration_table,
        check.CheckMigrationManager.get_migration_statuses,
    ]
    assert {function.__module__ for function in guarded} == {"api.deploy.migrations.piccolo_patches"}


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
    migrated_database: str, arguments: tuple[str, ...]
) -> None:
    code, output = await run(migrated_database, *arguments)

    assert code == 1
    assert output.splitlines()[-1].startswith("gatehouse: ")
    assert "Usage" not in output


CATALOG = """
SELECT array_agg(found ORDER BY found) FROM (
    SELECT format('relation %s %s %s', oid, relnamespace, relname) FROM pg_class
    UNION ALL SELECT format('schema %s %s', oid, nspname) FROM pg_namespace
        -- PostgreSQL makes these, empty, for the rehearsal of a revert, and uses them again.
        WHERE nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT format('column %s %s', attrelid, attname) FROM pg_attribute
    UNION ALL SELECT format('constraint %s %s', oid, conname) FROM pg_constraint
    UNION ALL SELECT format('function %s %s', oid, proname) FROM pg_proc
) AS every (found)
"""


@pytest.fixture
async def reader(server: EmbeddedServer, empty_database: str) -> AsyncIterator[str]:
    """The address of `empty_database` for a role that may read the table `migration`, and write nothing."""
    name = empty_database.split("?")[0].rsplit("/", 1)[1]
    connection = await asyncpg.connect(server.dsn(user="postgres", database=name))
    await connection.execute(
        f"CREATE ROLE reader LOGIN; REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC;"
        " ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse GRANT SELECT ON TABLES TO reader;"
        " ALTER ROLE reader SET default_transaction_read_only = on"
    )
    yield server.dsn(user="reader", database=name)
    await connection.execute("DROP OWNED BY reader; DROP ROLE reader")
    await connection.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("forwards", "all", "--preview"), "CREATE TABLE IF NOT EXISTS users"),
        (("backwards", "all", "--preview"), "DROP INDEX IF EXISTS"),
        (("check",), "True"),
    ],
    ids=["forwards", "backwards", "check"],
)
async def test_commands_that_read_write_nothing_and_need_no_more_than_the_right_to_read(
    empty_database: str, reader: str, connection: asyncpg.Connection, arguments: tuple[str, ...], shown: str
) -> None:
    """On an empty database and on a migrated one; they ask nothing, and wait for no migration."""
    pending = {"forwards": shown, "backwards": "no migrations to revert", "check": "False"}[arguments[0]]
    applied = shown if arguments[0] != "forwards" else "no migrations to apply"

    for expected in (pending, applied):
        before = await connection.fetchval(CATALOG)
        for dsn in (empty_database, reader):
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", KEY)
                code, output = await run(dsn, *arguments)
            assert code == 0, output
            assert expected in output
        assert await connection.fetchval(CATALOG) == before
        await run(empty_database, "forwards", "all")


async def test_a_table_that_the_sql_cannot_work_with_is_told_as_what_it_is(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """The advice to run the migrations would be a circle here."""
    await connection.execute("CREATE TABLE users (id int)")

    code, output = await run(empty_database, "forwards", "all")

    assert code == 1
    assert "users.id is integer; it should be uuid NOT NULL" in output
    assert "users.email is missing" in output
    assert "run: piccolo migrations" not in output
