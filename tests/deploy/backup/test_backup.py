"""`gatehouse db dump` and `gatehouse db restore`."""

import asyncio
import os
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from api.command_error import CommandError
from api.deploy.backup.archive import AFTER, BEFORE, read_archive, write_archive
from tests.commands import Command
from tests.deploy.backup.content import LEFT_OUT, MAILS, OBJECTS, ROWS, content, definitions
from tests.deploy.migrations.piccolo_command import run, until
from tests.postgres_servers import PostgresServer
from tests.support import GATEHOUSE, ROOT, run_gatehouse

pytestmark = pytest.mark.anyio

OTHER_MAJOR = "15.20"


async def gatehouse(dsn: str, *arguments: str | Path) -> tuple[int, str]:
    command = partial(run_gatehouse, dsn, *map(str, arguments))
    return await asyncio.to_thread(command)


async def succeed(dsn: str, *arguments: str | Path) -> str:
    code, output = await gatehouse(dsn, *arguments)
    assert code == 0, output
    return output


async def execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("other"), OTHER_MAJOR)
    server.start()
    yield server
    server.stop()


def as_superuser(dsn: str) -> str:
    return dsn.replace("//gatehouse@", "//postgres@")


@pytest.mark.slow
async def test_every_row_is_restored_on_another_server(
    migrated_database: str, other: PostgresServer, tmp_path: Path
) -> None:
    """Also the rows that reverted migrations retain, which the restored database can apply again."""
    await execute(migrated_database, ROWS)
    assert (await run(migrated_database, "backwards", "gatehouse", MAILS, "--auto_agree"))[0] == 0
    file = tmp_path / "dump"

    dumped = await succeed(migrated_database, "db", "dump", file)
    code, restored = await gatehouse(other.dsn(), "db", "restore", file)

    assert code == 2, restored
    assert "run: piccolo migrations forwards all" in restored
    assert "50 rows of gatehouse_undone.mails" in restored
    assert set(dumped.splitlines()) >= set(restored.splitlines()[:-1])
    before = await content(as_superuser(migrated_database))
    assert sum(map(len, before.values())) > 2200
    assert await content(other.dsn(user="postgres")) == before

    for dsn in (migrated_database, other.dsn()):
        assert (await run(dsn, "forwards", "all"))[0] == 0
        assert "-- no differences" in await succeed(dsn, "db", "verify")
    before, after = await content(as_superuser(migrated_database)), await content(other.dsn(user="postgres"))
    assert len(after["mails"]) == 50
    assert [table for table in after if table != "migration" and after[table] != before[table]] == []


async def test_every_definition_is_restored(
    migrated_database: str, empty_database: str, tmp_path: Path
) -> None:
    """Also of what the owner added to the tables of the migrations."""
    await execute(migrated_database, ROWS + OBJECTS)
    file = tmp_path / "dump"

    await succeed(migrated_database, "db", "dump", file)
    restored = await succeed(empty_database, "db", "restore", file)

    assert "10 rows of public.Own notes" in restored
    assert definitions(as_superuser(empty_database)) == definitions(as_superuser(migrated_database))
    assert await content(as_superuser(empty_database)) == await content(as_superuser(migrated_database))
    assert "-- no differences" in await succeed(empty_database, "db", "verify")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_what_the_dump_lacks_is_listed(
    migrated_database: str, empty_database: str, tmp_path: Path
) -> None:
    await execute(migrated_database, LEFT_OUT)
    file = tmp_path / "dump"

    output = await succeed(migrated_database, "db", "dump", file)

    assert sorted(line for line in output.splitlines() if line.startswith("not in the dump: ")) == [
        "not in the dump: the domain public.positive",
        "not in the dump: the function public.of_row(public.tenants)",
        "not in the dump: the materialized view public.yearly",
        "not in the dump: the partitioned table public.parts",
        "not in the dump: the privileges of PUBLIC on public.tenants",
        "not in the dump: the rows of public.hidden that its policies hide",
        "not in the dump: the table public.part, a partition or a parent",
        "not in the dump: the view public.monthly",
    ]
    await succeed(empty_database, "db", "restore", file)


@pytest.mark.slow
async def test_a_schema_of_another_name_and_an_extension(other: PostgresServer, tmp_path: Path) -> None:
    superuser = await asyncpg.connect(other.dsn(user="postgres", database="postgres"))
    for name in ("shop", "restored"):
        await superuser.execute(f"CREATE DATABASE {name} OWNER gatehouse")
    await superuser.close()
    options = "&options=-csearch_path%3D%22Mi%5C%20Tienda%22"
    source, target = other.dsn(database="shop") + options, other.dsn(database="restored") + options
    await execute(source, 'CREATE SCHEMA "Mi Tienda"')
    assert (await run(source, "forwards", "all"))[0] == 0
    await execute(
        source, ROWS + "CREATE EXTENSION citext SCHEMA public; CREATE TABLE tags (tag public.citext)"
    )
    file = tmp_path / "dump"
    await succeed(source, "db", "dump", file)

    for address in (target, other.dsn(database="restored")):
        code, output = await gatehouse(address, "db", "restore", file)
        assert (code, len(output.splitlines())) == (1, 1), output
        assert "schema" in output
    await execute(target, 'CREATE SCHEMA "Mi Tienda"')
    await succeed(target, "db", "restore", file)

    assert await content(as_superuser(target)) == await content(as_superuser(source))
    assert "-- no differences" in await succeed(target, "db", "verify")


# The moment of a dump


@asynccontextmanager
async def inserting(dsn: str) -> AsyncIterator[Callable[[], int]]:
    """Insert a tenant, a key and a user in each transaction; yields the number of transactions so far."""
    connection = await asyncpg.connect(as_superuser(dsn))
    count = 0

    async def insert() -> None:
        nonlocal count
        while True:
            async with connection.transaction():
                await connection.execute(ONE_OF_EACH.format(f"load{count}"))
            count += 1
            await asyncio.sleep(0.005)

    task = asyncio.create_task(insert())
    try:
        yield lambda: count
    finally:
        task.cancel()
        await asyncio.wait([task])
        await connection.close()


ONE_OF_EACH = """
INSERT INTO users (email, password, "firstName", "lastName") VALUES ('{0}', '', '', '');
INSERT INTO beta_keys (key) VALUES ('{0}');
INSERT INTO tenants ("businessName", nit, "businessType", address) VALUES ('', '{0}', '', '');
"""

SLOW = "CREATE POLICY slow ON tenants AS RESTRICTIVE FOR SELECT USING (pg_sleep({}) IS NOT NULL)"
"""A dump waits that many seconds at each tenant."""


async def test_a_dump_under_load_is_of_one_moment(
    migrated_database: str, empty_database: str, tmp_path: Path
) -> None:
    """The restored database has a policy that no migration makes, and the restore says so."""
    file = tmp_path / "dump"
    for number in range(20):
        await execute(as_superuser(migrated_database), ONE_OF_EACH.format(number))
    await execute(migrated_database, SLOW.format(0.02))

    async with inserting(migrated_database) as count:
        before = count()
        await succeed(migrated_database, "db", "dump", file)
        after = count()
    code, output = await gatehouse(empty_database, "db", "restore", file)

    assert code == 3, output
    assert "policy slow" in output
    restored = await content(as_superuser(empty_database))
    numbers = {len(restored[table]) - 20 for table in ("tenants", "beta_keys", "users")}
    assert len(numbers) == 1
    assert before <= numbers.pop() < after - 5


# Interrupted


async def test_an_interrupted_dump_leaves_no_file(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    await execute(as_superuser(migrated_database), ONE_OF_EACH.format(1))
    await execute(migrated_database, SLOW.format(60))
    folder = tmp_path / "dumps"
    folder.mkdir()

    for number, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)):
        with start(migrated_database, "db", "dump", str(folder / "dump")) as command:
            await until(connection, "EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'COPY %tenants%')")
            command.send_signal(number)
            assert await asyncio.to_thread(command.wait, 20) == code
        await end_others(connection)
        assert list(folder.iterdir()) == []


async def test_an_interrupted_restore_leaves_the_database_empty(
    migrated_database: str, empty_database: str, tmp_path: Path
) -> None:
    await execute(migrated_database, ROWS + SLOW_COLUMN)
    file = tmp_path / "dump"
    await succeed(migrated_database, "db", "dump", file)
    watcher = await asyncpg.connect(as_superuser(empty_database))

    slow = f"{empty_database}&options=-cgatehouse.slow%3Don"
    with start(slow, "db", "restore", str(file)) as command:
        await until(watcher, "EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'COPY %late%')")
        command.send_signal(signal.SIGKILL)
        assert await asyncio.to_thread(command.wait, 20) == -9
    await end_others(watcher)
    await watcher.close()

    assert await content(as_superuser(empty_database)) == {}
    await succeed(empty_database, "db", "restore", file)
    assert await content(as_superuser(empty_database)) == await content(as_superuser(migrated_database))


SLOW_COLUMN = """
CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF current_setting('gatehouse.slow', true) = 'on' THEN
        PERFORM pg_sleep(60);
    END IF;
    RETURN n;
END $$;
CREATE TABLE late (n int, m int GENERATED ALWAYS AS (slow(n)) STORED);
INSERT INTO late VALUES (1);
"""


@contextmanager
def start(dsn: str, *arguments: str) -> Iterator[Command]:
    with Path(os.devnull).open("r+b") as nothing:
        environment = {**os.environ, "DATABASE_URL": dsn}
        yield Command(["gatehouse", *arguments], environment, (nothing, nothing, nothing))


async def end_others(connection: asyncpg.Connection) -> None:
    """End the statements of a client that was killed, which PostgreSQL notices after them."""
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


async def test_a_full_disk_leaves_no_file(migrated_database: str, tmp_path: Path) -> None:
    """Writing fails after 10 KB."""
    await execute(migrated_database, ROWS)
    folder = tmp_path / "dumps"
    folder.mkdir()
    script = f"ulimit -f 10; trap '' XFSZ; exec {GATEHOUSE} db dump {folder}/dump"

    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", script],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": migrated_database},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "cannot be written (File too large)" in done.stderr
    assert list(folder.iterdir()) == []


# Damaged files


async def test_a_truncated_or_edited_file_is_refused(
    migrated_database: str, empty_database: str, tmp_path: Path
) -> None:
    await execute(migrated_database, ROWS)
    file, damaged = tmp_path / "dump", tmp_path / "damaged"
    await succeed(migrated_database, "db", "dump", file)
    whole = file.read_bytes()
    places = [*range(0, len(whole), len(whole) // 100), *range(len(whole) - 100, len(whole))]

    def changes() -> Iterator[bytes]:
        for place in places:
            yield whole[:place]
            yield whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        yield whole + b"\n"
        yield whole + whole

    for changed in changes():
        damaged.write_bytes(changed)
        with pytest.raises(CommandError), damaged.open("rb") as opened, read_archive(opened):
            pass
    code, output = await gatehouse(empty_database, "db", "restore", damaged)

    assert (code, len(output.splitlines())) == (1, 1), output
    assert "was changed after the dump" in output
    assert await content(as_superuser(empty_database)) == {}


async def test_rows_that_the_tables_refuse_are_rolled_back(
    migrated_database: str, empty_database: str, tmp_path: Path
) -> None:
    """The digest is right: another program wrote the file."""
    await execute(migrated_database, ROWS)
    file, other = tmp_path / "dump", tmp_path / "other"
    await succeed(migrated_database, "db", "dump", file)

    for wrong, reason in ((b"", "has other rows"), (b"secret\tsecret\n", "InvalidTextRepresentationError")):
        write_other_rows(file, other, wrong)
        code, output = await gatehouse(empty_database, "db", "restore", other)

        assert (code, len(output.splitlines())) == (1, 1), output
        assert reason in output
        assert "secret" not in output
        assert await content(as_superuser(empty_database)) == {}


def write_other_rows(file: Path, other: Path, mails: bytes) -> None:
    """Copy a dump, with other rows in the table `mails`."""
    with (
        file.open("rb") as opened,
        read_archive(opened) as dump,
        other.open("wb") as written,
        write_archive(written) as archive,
    ):
        for name in (BEFORE, AFTER):
            archive.write_sql(name, [dump.read_sql(name)])
        for table in dump.manifest.tables:
            with archive.entry(table.entry) as rows, dump.open_rows(table) as dumped:
                rows.write(mails if table.table == "mails" else dumped.read())
        archive.write_manifest(dump.manifest)


async def test_it_refuses_in_one_line(migrated_database: str, empty_database: str, tmp_path: Path) -> None:
    dump, text = tmp_path / "dump", tmp_path / "text"
    text.write_text("CREATE TABLE users ();")
    await succeed(migrated_database, "db", "dump", dump)
    unknown = tmp_path / "unknown"
    await execute(migrated_database, "INSERT INTO migration (name, app_name) VALUES ('2099', 'gatehouse')")
    await succeed(migrated_database, "db", "dump", unknown)

    for dsn, arguments, reason in (
        (migrated_database, ("restore", dump), "is not empty, it has audit_events"),
        (empty_database, ("restore", text), "is not a file that gatehouse db dump wrote"),
        (empty_database, ("restore", tmp_path / "none"), "cannot be read (No such file or directory)"),
        (empty_database, ("restore", tmp_path), "cannot be read (Is a directory)"),
        (empty_database, ("restore", unknown), "lacks (2099)"),
        (as_superuser(empty_database), ("restore", dump), "bypasses row security"),
        (empty_database, ("dump", tmp_path / "new"), "has no tables to dump"),
        (migrated_database, ("dump", dump), "already exists; choose another file"),
        (migrated_database, ("dump", tmp_path / "none" / "dump"), "cannot be written"),
    ):
        code, output = await gatehouse(dsn, "db", *arguments)
        assert (code, len(output.splitlines())) == (1, 1), output
        assert reason in output

    assert sorted(os.listdir(tmp_path)) == ["dump", "text", "unknown"]
    assert await content(as_superuser(empty_database)) == {}
