"""`gatehouse db sql`: what a person does who has only psql, from an empty database to the undoing of it."""

import json
import signal
from pathlib import Path

import asyncpg
import pytest

from api.database.embedded import EmbeddedServer
from api.deploy.migrations.lock import KEY
from tests.deploy.migrations.piccolo_command import (
    COUNT,
    TENANTS,
    WAITS_FOR_USERS,
    ended,
    every_row,
    fill,
    run,
    until,
)
from tests.deploy.migrations.psql import (
    AWAY,
    ROW_SECURITY,
    SESSIONS,
    USERS,
    psql,
    records,
    script,
    start_psql,
    take,
    whole_catalog,
)
from tests.support import ROOT, copy_project, run_gatehouse

pytestmark = pytest.mark.anyio


async def test_an_empty_database_becomes_what_piccolo_makes_of_it(
    empty_database: str, connection: asyncpg.Connection, server: EmbeddedServer, tmp_path: Path
) -> None:
    code, output = await psql(empty_database, script(), tmp_path)

    assert code == 0, output
    code, output = run_gatehouse(empty_database, "db", "status")
    assert code == 0, output
    by_piccolo = await asyncpg.connect(server.dsn())
    try:
        assert await whole_catalog(connection) == await whole_catalog(by_piccolo)
        assert await records(connection) == await records(by_piccolo)
    finally:
        await by_piccolo.close()
    assert "no migrations to apply" in (await run(empty_database, "forwards", "all"))[1]


async def test_row_security_holds_in_a_database_made_by_the_script(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    await take(empty_database, script(), tmp_path)
    await fill(connection)
    tenant = (await every_row(connection))["tenants"][0]

    assert await connection.fetchval("SELECT count(*) FROM users") == 0
    async with connection.transaction():
        await connection.execute(f"SET LOCAL gatehouse.tenant_id = '{json.loads(tenant)['id']}'")
        assert await connection.fetchval("SELECT count(*) FROM users") == 1


async def test_a_second_run_changes_nothing(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    await take(empty_database, script(), tmp_path)
    everything = "SELECT array_agg((oid, xmin::text) ORDER BY oid) FROM pg_class"
    before = await connection.fetchval(everything)
    recorded = await connection.fetch("SELECT * FROM migration")

    code, output = await psql(empty_database, script(), tmp_path)

    assert code == 0, output
    assert output.count("is applied already") == COUNT
    assert await connection.fetchval(everything) == before
    assert await connection.fetch("SELECT * FROM migration") == recorded


async def test_a_script_that_was_killed_is_run_again(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """SIGKILL while the tenants migration waits for a lock on users."""
    await take(empty_database, script("--to", USERS), tmp_path)
    async with connection.transaction():
        await connection.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        process = start_psql(empty_database, script(), tmp_path)
        watcher = await asyncpg.connect(empty_database)
        await until(watcher, WAITS_FOR_USERS)
        process.send_signal(signal.SIGKILL)
        await ended(process)
        # PostgreSQL sees that its client is gone when the wait is over.
        await until(watcher, "NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')")
        await watcher.close()
    assert [row["name"] for row in await records(connection)] == [USERS]
    assert await connection.fetchval("SELECT to_regclass('tenants') IS NULL")

    code, output = await psql(empty_database, script(), tmp_path)

    assert code == 0, output
    assert run_gatehouse(empty_database, "db", "status")[0] == 0
    assert run_gatehouse(empty_database, "db", "verify")[0] == 0


async def test_a_migration_and_its_row_are_one_transaction(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """Without its row it is not applied, and while its row stays it is not undone."""
    await take(empty_database, script("--to", USERS), tmp_path)
    await connection.execute(f"ALTER TABLE migration ADD CONSTRAINT no CHECK (name <> '{SESSIONS}')")
    not_recorded, _ = await psql(empty_database, script(), tmp_path)
    assert not_recorded == 3
    assert await connection.fetchval("SELECT to_regclass('sessions') IS NULL")

    await connection.execute("ALTER TABLE migration DROP CONSTRAINT no")
    await take(empty_database, script(), tmp_path)
    await connection.execute(
        "CREATE TABLE pins (id int REFERENCES migration (id)); INSERT INTO pins SELECT id FROM migration"
    )
    not_erased, _ = await psql(empty_database, script("--backwards"), tmp_path)
    assert not_erased == 3
    assert await connection.fetchval("SELECT to_regclass('audit_events') IS NOT NULL")


async def test_a_lock_that_is_busy_stops_the_script(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """All traffic would queue behind it."""
    await take(empty_database, script("--to", USERS), tmp_path)
    async with connection.transaction():
        await connection.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        code, output = await psql(empty_database, script(), tmp_path)

    assert code == 3
    assert "canceling statement due to lock timeout" in output
    assert [row["name"] for row in await records(connection)] == [USERS]


async def test_an_index_that_was_broken_off_is_made_again(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """SIGKILL in the middle of CREATE INDEX CONCURRENTLY leaves an index that is written and never read."""
    await take(empty_database, script("--to", USERS), tmp_path)
    older = await asyncpg.connect(empty_database)
    transaction = older.transaction(isolation="repeatable_read")
    await transaction.start()
    await older.execute("SELECT 1 FROM pg_class LIMIT 1")
    process = start_psql(empty_database, script(), tmp_path)
    invalid = "EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)"
    await until(connection, invalid)
    process.send_signal(signal.SIGKILL)
    await ended(process)
    # PostgreSQL would finish the statement for the client that is gone; here it is broken off as well.
    building = "FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%'"
    await connection.execute(f"SELECT pg_terminate_backend(pid) {building}")
    await until(connection, f"NOT EXISTS (SELECT {building})")
    await transaction.rollback()
    await older.close()
    assert await connection.fetchval(f"SELECT {invalid}")

    code, output = await psql(empty_database, script(), tmp_path)

    assert code == 0, output
    assert not await connection.fetchval(f"SELECT {invalid}")
    assert await connection.fetchval("SELECT to_regclass('users_tenant_id') IS NOT NULL")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("undone_by", "put_back_by"), [("psql", "psql"), ("psql", "piccolo"), ("piccolo", "psql")]
)
async def test_going_backwards_loses_nothing(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path, undone_by: str, put_back_by: str
) -> None:
    """Whichever of the two undoes and puts back; both tell what is kept."""
    await take(empty_database, script(), tmp_path)
    catalog = await whole_catalog(connection)
    await fill(connection)
    before = await every_row(connection)

    if undone_by == "psql":
        back = await psql(empty_database, script("--backwards", "--from", TENANTS), tmp_path)
    else:
        arguments = ("backwards", "gatehouse", "--migration_id", TENANTS, "--auto_agree")
        back = await run(empty_database, *arguments)
    recorded = [row["name"] for row in await records(connection)]
    gone = await connection.fetchval("SELECT to_regclass('tenants') IS NULL")
    if put_back_by == "psql":
        again = await psql(empty_database, script(), tmp_path)
    else:
        again = await run(empty_database, "forwards", "all")

    assert (back[0], again[0]) == (0, 0), (back, again)
    assert (recorded, gone) == ([USERS], True)
    assert "keeps 20 rows of tenants" in back[1]
    assert "keeps 20 rows of users (tenantId, isOwner, documentId, phoneNumber)" in back[1]
    assert await every_row(connection) == before
    assert all(before.values())
    assert await whole_catalog(connection) == catalog
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname LIKE '%undone'") == 0


@pytest.mark.slow
async def test_undoing_twice_undoes_once(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """All the way back, and to where there never was anything."""
    backwards = script("--backwards")
    never = await psql(empty_database, backwards, tmp_path)
    await take(empty_database, script(), tmp_path)

    once = await psql(empty_database, backwards, tmp_path)
    again = await psql(empty_database, backwards, tmp_path)

    assert (never[0], once[0], again[0]) == (0, 0, 0), (never, once, again)
    assert set(await whole_catalog(connection)) == {"migration"}
    assert await records(connection) == []
    assert "keeps" not in again[1]


async def test_rows_of_another_app_are_left_alone(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    await take(empty_database, script(), tmp_path)
    await connection.execute(
        "INSERT INTO migration (name, app_name, ran_on) SELECT name, 'other', ran_on FROM migration"
    )

    await take(empty_database, script("--backwards", "--from", TENANTS), tmp_path)

    assert [row["app_name"] for row in await records(connection)].count("other") == COUNT


async def test_a_part_is_applied_and_undone_by_its_first_and_last_id(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    await take(empty_database, script("--to", TENANTS), tmp_path)
    assert [row["name"] for row in await records(connection)] == [USERS, TENANTS]

    await take(empty_database, script("--from", ROW_SECURITY, "--to", SESSIONS), tmp_path)
    assert [row["name"] for row in await records(connection)] == [USERS, TENANTS, ROW_SECURITY, SESSIONS]

    await take(empty_database, script("--backwards", "--from", ROW_SECURITY), tmp_path)
    assert [row["name"] for row in await records(connection)] == [USERS, TENANTS]


async def test_a_script_that_would_leave_a_gap_is_refused(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """It says which script would not."""
    await take(empty_database, script("--to", USERS), tmp_path)

    ahead = await psql(empty_database, script("--from", SESSIONS), tmp_path)
    assert ahead[0] == 3
    assert f"migrations before these are pending: {TENANTS}, {ROW_SECURITY};" in ahead[1]
    assert f"gatehouse db sql --from {TENANTS}" in ahead[1]
    assert [row["name"] for row in await records(connection)] == [USERS]

    await take(empty_database, script("--to", SESSIONS), tmp_path)
    amid = await psql(empty_database, script("--backwards", "--from", TENANTS, "--to", TENANTS), tmp_path)
    assert amid[0] == 3
    assert f"migrations after these are applied: {ROW_SECURITY}, {SESSIONS};" in amid[1]
    assert f"gatehouse db sql --backwards --from {TENANTS}" in amid[1]
    assert len(await records(connection)) == 4


@pytest.mark.parametrize("direction", [(), ("--backwards",)], ids=["forwards", "backwards"])
async def test_the_script_does_not_run_beside_another_migration(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path, direction: tuple[str, ...]
) -> None:
    await connection.execute("SELECT pg_advisory_lock($1)", KEY)
    holder = await connection.fetchval("SELECT pg_backend_pid()")

    code, output = await psql(empty_database, script(*direction), tmp_path)

    assert code == 3
    assert f"another migration holds the lock (PostgreSQL process {holder}); wait for it" in output
    assert await whole_catalog(connection) == {}


async def test_piccolo_does_not_run_beside_the_script(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    at_work = "-- Create the users.\nSELECT pg_sleep(60);"
    process = start_psql(empty_database, script().replace("-- Create the users.", at_work), tmp_path)
    await until(connection, "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')")
    code, output = await run(empty_database, "forwards", "all", MIGRATION_LOCK_TIMEOUT="0")
    process.kill()
    await ended(process)

    assert code == 1
    assert "another migration holds the lock" in output


@pytest.mark.parametrize("shape", ["users_only", "synced"])
async def test_a_database_of_the_old_system_is_refused(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path, shape: str
) -> None:
    """It would be passed over as it is, and recorded as what it is not."""
    await connection.execute((ROOT / "tests" / "legacy" / f"{shape}.sql").read_text())

    code, output = await psql(empty_database, script(), tmp_path)

    assert code == 3
    assert "to convert it, run: gatehouse db adopt" in output
    assert await connection.fetchval("SELECT count(*) FROM migration") == 0


async def test_a_table_of_another_system_is_not_changed(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    await connection.execute("CREATE TABLE migration (id int PRIMARY KEY, name text)")

    code, output = await psql(empty_database, script(), tmp_path)

    assert code == 3
    assert "rename it: ALTER TABLE migration RENAME TO …" in output
    columns = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'migration'::regclass AND attnum > 0"
    )
    assert [name for (name,) in columns] == ["id", "name"]
    assert await connection.fetchval("SELECT to_regclass('users')") is None


async def test_the_lock_is_given_back_in_a_session_that_goes_on(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """`\\i script.sql` leaves psql open."""
    unlocked = f"SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory' AND objid = {KEY} \\gset\n"

    code, output = await psql(empty_database, f"{script()}\n{unlocked}\\echo held :held", tmp_path)

    assert code == 0
    assert "held 0" in output


async def test_what_an_earlier_undoing_keeps_is_not_overwritten(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """A refusal takes its whole migration back."""
    await take(empty_database, script("--to", TENANTS), tmp_path)
    await connection.execute(
        "CREATE SCHEMA gatehouse_undone; CREATE TABLE gatehouse_undone.beta_keys (id uuid)"
    )
    before = await whole_catalog(connection)

    refused = await psql(empty_database, script("--backwards", "--from", TENANTS), tmp_path)

    assert refused[0] == 3
    assert "gatehouse_undone.beta_keys still holds the data of an earlier revert" in refused[1]
    assert [row["name"] for row in await records(connection)] == [USERS, TENANTS]
    assert await whole_catalog(connection) == before


def copy_of_the_project(folder: Path, **migrations: str) -> dict[str, str]:
    """Fill `folder` with the project and more migrations; returns the environment that runs it."""
    folder.mkdir(exist_ok=True)
    copy_project(folder)
    for name, text in migrations.items():
        (folder / "migrations" / f"{name}.py").write_text(text)
    return {"PYTHONPATH": str(folder)}


TWO_STEPS = """
from api.deploy.migrations.migration import SqlMigration

ID = "2099-01-02T00:00:00:000000"
DESCRIPTION = "Add two columns, one after the other."

MIGRATION = SqlMigration(
    migration_id=ID,
    description=DESCRIPTION,
    forwards=[
        "ALTER TABLE beta_keys ADD COLUMN IF NOT EXISTS first text",
        "ALTER TABLE beta_keys ADD COLUMN IF NOT EXISTS second text",
    ],
)
"""


@pytest.mark.slow
@pytest.mark.parametrize("by", ["psql", "piccolo"])
async def test_columns_that_come_back_one_by_one_all_get_their_values(
    empty_database: str, connection: asyncpg.Connection, tmp_path: Path, by: str
) -> None:
    """What is kept must not be forgotten as soon as the first of them is there."""
    folder = tmp_path / "copy"
    environment = copy_of_the_project(folder, gatehouse_2099_01_02t00_00_00_000000=TWO_STEPS)
    last = "2099-01-02T00:00:00:000000"
    forwards = script(cwd=folder, **environment)
    await take(empty_database, forwards, tmp_path)
    await connection.execute("INSERT INTO beta_keys (key, first, second) VALUES ('k', 'a', 'b')")

    if by == "psql":
        back = script("--backwards", "--from", last, cwd=folder, **environment)
        await take(empty_database, back, tmp_path)
        await take(empty_database, forwards, tmp_path)
    else:
        arguments = ("backwards", "gatehouse", "--auto_agree")
        assert (await run(empty_database, *arguments, cwd=folder, **environment))[0] == 0
        assert (await run(empty_database, "forwards", "all", cwd=folder, **environment))[0] == 0

    assert tuple(await connection.fetchrow("SELECT first, second FROM beta_keys") or ()) == ("a", "b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "nope"), f"there is no migration nope; there are: {USERS}, {TENANTS}"),
        (("--backwards", "--to", "nope"), "there is no migration nope; there are: "),
        (("--from", SESSIONS, "--to", USERS), f"{SESSIONS} comes after {USERS}; "),
    ],
    ids=["from", "to", "from after to"],
)
async def test_ids_without_a_script_are_reported_in_one_line(
    arguments: tuple[str, ...], message: str
) -> None:
    code, output = run_gatehouse(AWAY, "db", "sql", *arguments)

    assert code == 1
    assert output.startswith(f"gatehouse: {message}")
    assert len(output.splitlines()) == 1


async def test_the_parts_can_be_had_as_json() -> None:
    """Each is what the script runs for that migration, unless it is done already."""
    forwards, whole = json.loads(script("--json")), script()
    backwards = json.loads(script("--backwards", "--from", SESSIONS, "--json"))

    assert [part["id"] for part in forwards][:4] == [USERS, TENANTS, ROW_SECURITY, SESSIONS]
    assert {part["description"] for part in forwards} >= {"Create the users.", "Create the sessions."}
    assert [part["id"] for part in backwards] == [part["id"] for part in forwards[:2:-1]]
    assert all(part["sql"] in whole for part in forwards)


async def test_a_superuser_is_warned(empty_database: str, server: EmbeddedServer, tmp_path: Path) -> None:
    """It would own tables that the application cannot migrate then."""
    database = empty_database.rpartition("/")[2].partition("?")[0]

    _, by_owner = await psql(empty_database, script("--to", USERS), tmp_path)
    _, by_superuser = await psql(
        server.dsn(user="postgres", database=database), script("--to", USERS), tmp_path
    )

    assert "superuser" not in by_owner
    assert "WARNING:  postgres is a superuser" in by_superuser
