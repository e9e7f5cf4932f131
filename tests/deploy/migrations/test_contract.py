"""Removing and renaming columns in two deploys: `Retire` and `Rename` first, then `Contract`."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from api.database.embedded import EmbeddedServer
from api.deploy.migrations.contract import Contract
from api.deploy.migrations.expand import Rename, Retire
from api.deploy.migrations.migration import QUESTION
from api.deploy.migrations.pending import migration_ids
from api.deploy.migrations.retained_data import CREATE_SCHEMA, REFUSED
from api.deploy.migrations.table_changes import steps_for
from api.deploy.schema.catalog import Column, Table
from tests.deploy.migrations.psql import AWAY, psql
from tests.deploy.migrations.test_migration_safety import broken_rules
from tests.deploy.migrations.test_new_migration import (
    edit,
    in_project,
    migration_of,
    piccolo,
)
from tests.deploy.migrations.walking import catalog_of
from tests.support import ROOT, Api, GatehouseProcess, Person, copy_project, hire

pytestmark = pytest.mark.anyio

RENAMES = [
    ("beta_key.py", 'db_column_name="revokedReason"', 'db_column_name="reasonRevoked"'),
    ("user.py", 'db_column_name="firstName"', 'db_column_name="givenName"'),
    ("tenant.py", 'db_column_name="maxCashiers"', 'db_column_name="maxTills"'),
]

REMOVALS = [
    ("tenant.py", "    phone = ", "    # phone = "),
    ("tenant.py", "    address = ", "    # address = "),
    ("user.py", "    document_id = ", "    # document_id = "),
]

TABLES = ("users", "tenants", "beta_keys")

ROWS = """
INSERT INTO tenants ("businessName", nit, "businessType", address, phone, "maxCashiers")
    SELECT 'b', 'n' || n, 'OTRO', 'Calle ' || n, CASE WHEN n % 2 = 0 THEN '+57' || n END, n
      FROM generate_series(1, 40) n;
INSERT INTO users (email, password, "firstName", "lastName", "tenantId", "documentId")
    SELECT nit || '@example.com', 'p', 'Ana ' || nit, 'l', id, 'd' || nit FROM tenants;
INSERT INTO beta_keys (key, "revokedReason")
    SELECT 'BETA-' || n, CASE WHEN n % 3 = 0 THEN 'reason ' || n END FROM generate_series(1, 40) n;
"""


WALK = """
import asyncio, contextlib, importlib, io
import asyncpg, orjson
import piccolo_conf
from piccolo.apps.migrations.commands.backwards import run_backwards
from piccolo.apps.migrations.commands.forwards import run_forwards
from piccolo.apps.migrations.commands.new import new
from api.deploy.migrations.new_contract import create_contract
from api.deploy.verify import verify
from api.settings import get_settings
from tests.deploy.migrations.walking import catalog_of

async def state(connection):
    rows = {
        table: await connection.fetchval(f"SELECT jsonb_agg(to_jsonb(t) ORDER BY id) FROM {table} t")
        for table in ("tenants", "users", "beta_keys")
    }
    found = [one.description for one in (await verify()).differences]
    return {"catalog": await catalog_of(connection), "rows": rows, "differences": found}

async def main():
    connection = await asyncpg.connect(get_settings().database_url.get_secret_value())
    await connection.execute("SET gatehouse.scope = 'platform'")
    log, states, oks = io.StringIO(), [], []
    with contextlib.redirect_stdout(log):
        before = (await state(connection))
        await new("gatehouse", auto=True, auto_input="n", desc="remove")
        importlib.invalidate_caches()
        await new("gatehouse", auto=True)
        oks.append((await run_forwards("gatehouse", "all")).success)
        expanded = await state(connection)
        await create_contract()
        importlib.invalidate_caches()
        oks.append((await run_forwards("gatehouse", "all")).success)
        contracted = await state(connection)
        await connection.execute("DELETE FROM migration")
        hint = (await run_forwards("gatehouse", "all")).message
        oks.append((await run_forwards("gatehouse", "all", fake=True)).success)
        recorded = await state(connection)
        oks.append((await run_backwards("gatehouse", "1", auto_agree=True)).success)
        back = await state(connection)
        for _ in range(2):
            oks.append((await run_backwards("gatehouse", "1", auto_agree=True)).success)
        start = await state(connection)
        oks.append((await run_forwards("gatehouse", "all")).success)
        again = await state(connection)
    print(orjson.dumps({
        "oks": oks, "log": log.getvalue(), "before": before, "expanded": expanded,
        "contracted": contracted, "recorded": recorded, "hint": hint, "back": back, "start": start,
        "again": again,
    }, default=str).decode())

asyncio.run(main())
"""


async def rows(connection: asyncpg.Connection) -> dict[str, Any]:
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        return {
            table: await connection.fetchval(f"SELECT jsonb_agg(to_jsonb(t) ORDER BY id) FROM {table} t")
            for table in TABLES
        }


@pytest.mark.slow
async def test_forwards_backwards_and_forwards_again(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """Of six columns; no row loses a value, also when the history lost its rows in between."""
    await connection.execute(f"BEGIN; SET LOCAL gatehouse.scope = 'platform'; {ROWS} COMMIT")
    copy_project(tmp_path)
    edit(tmp_path, RENAMES)
    renamed = piccolo(tmp_path, migrated_database, "new", "gatehouse", "--auto", "--auto_input=y")
    assert renamed.returncode == 0, renamed.stdout
    edit(tmp_path, REMOVALS)

    done = in_project(tmp_path, migrated_database, "python", "-c", WALK)

    assert done.returncode == 0, (done.stdout, done.stderr)
    result = orjson.loads(done.stdout)
    assert all(result["oks"]), (result["log"], done.stderr)
    assert "No changes" in result["log"]
    assert "forwards all --fake" in result["hint"]
    files = sorted((tmp_path / "migrations").glob("gatehouse_*.py"))[-3:]
    rename, retire, contract = map(migration_of, files)
    assert [type(step) for step in rename.steps] == [Rename] * 3
    assert [type(step) for step in retire.steps] == [Retire] * 3
    assert [type(step) for step in contract.steps] == [Contract] * 6
    assert {rule for one in (rename, retire, contract) for rule in broken_rules(one)} == set()
    for stage in ("expanded", "contracted", "again"):
        assert result[stage]["differences"] == [], stage
    same_as = {"recorded": "contracted", "back": "expanded", "start": "before", "again": "contracted"}
    for stage, same in same_as.items():
        for part in ("catalog", "rows"):
            assert result[stage][part] == result[same][part], (stage, part)
    (user, *_), (tenant, *_), (key, *_) = (orjson.loads(result["again"]["rows"][one]) for one in TABLES)
    assert user["givenName"].startswith("Ana ")
    assert not {"firstName", "documentId"} & user.keys()
    assert not {"maxCashiers", "phone", "address"} & tenant.keys()
    assert "revokedReason" not in key
    first, last = rename.migration_id, contract.migration_id
    for options, stage in ((["--backwards"], "before"), ([], "contracted")):
        words = ["db", "sql", "--from", first, "--to", last, *options]
        sql = in_project(tmp_path, AWAY, "gatehouse", *words).stdout
        code, output = await psql(migrated_database, sql, tmp_path)
        assert code == 0, output
        catalog = orjson.loads(orjson.dumps(await catalog_of(connection), default=str))
        assert catalog == result[stage]["catalog"]
        assert await rows(connection) == result[stage]["rows"]
    for command in (["check", "--quiet"], ["format", "--check"]):
        done = in_project(ROOT, migrated_database, "python", "-m", "ruff", *command, *map(str, files))
        assert done.returncode == 0, done.stdout


SQUASH = """
import asyncio, importlib
import piccolo_conf
from piccolo.apps.migrations.commands.forwards import run_forwards
from piccolo.apps.migrations.commands.new import new
from api.deploy.migrations.squash import squash

async def main():
    await new("gatehouse", auto=True, auto_input="y")
    importlib.invalidate_caches()
    assert (await run_forwards("gatehouse", "all")).success
    await squash()

asyncio.run(main())
"""

CONTRACT = """
import asyncio, importlib
import piccolo_conf
from piccolo.apps.migrations.commands.backwards import run_backwards
from piccolo.apps.migrations.commands.forwards import run_forwards
from api.deploy.migrations.new_contract import create_contract
from api.deploy.paths import MIGRATIONS
from api.deploy.verify import verify

async def main():
    await create_contract()
    importlib.invalidate_caches()
    assert (await run_forwards("gatehouse", "all")).success
    assert (await run_backwards("gatehouse", "1", auto_agree=True)).success
    assert (await run_forwards("gatehouse", "all")).success
    assert (await verify()).clean
    # Back to the code of the first release.
    (path,) = [path for path in MIGRATIONS.glob("gatehouse_*.py") if "Contract(" in path.read_text()]
    path.rename(path.with_suffix(".later"))
    assert (await verify()).clean
    path.with_suffix(".later").rename(path)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_a_squashed_migration_knows_which_columns_wait(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """The release that it is part of can run after they are dropped: `gatehouse db verify` is clean."""
    copy_project(tmp_path)
    edit(tmp_path, RENAMES[:1])

    for script in (SQUASH, CONTRACT):
        done = in_project(tmp_path, migrated_database, "python", "-c", script)
        assert done.returncode == 0, done.stdout + done.stderr

    squashed, contract = (
        migration_of(path) for path in sorted((tmp_path / "migrations").glob("gatehouse_*.py"))
    )
    assert Retire("beta_keys", "revokedReason", renamed_to="reasonRevoked") in squashed.steps
    (step,) = contract.steps
    assert isinstance(step, Contract)
    assert (step.column, step.renamed_to) == ("revokedReason", "reasonRevoked")
    assert step.unused_since == squashed.migration_id
    columns = (await catalog_of(connection))["beta_keys"].columns
    assert "reasonRevoked" in columns
    assert "revokedReason" not in columns


MAX_ADMINS = Rename("tenants", "maxAdmins", "maxOwners", type="integer", default="1", not_null=True)

PHONE = Rename("tenants", "phone", "mobile", type="varchar(20)")

INSERT = """
INSERT INTO tenants ("businessName", nit, "businessType", address{}) VALUES ('b', 'n', 'OTRO', 'x'{})
"""

WRITES = {
    "the old server writes its default": (INSERT.format(', "maxAdmins", phone', ", 1, NULL"), (1, None)),
    "the new server writes its default": (INSERT.format(', "maxOwners", mobile', ", 1, NULL"), (1, None)),
    "the old server inserts": (INSERT.format(', "maxAdmins", phone', ", 5, '1'"), (5, "1")),
    "the new server inserts": (INSERT.format(', "maxOwners", mobile', ", 5, '1'"), (5, "1")),
    "neither column is named": (INSERT.format("", ""), (1, None)),
    "the old server updates": ("""UPDATE tenants SET "maxAdmins" = 7, phone = '2'""", (7, "2")),
    "the new server updates": ("""UPDATE tenants SET "maxOwners" = 8, mobile = '3'""", (8, "3")),
    "the old server clears": ("UPDATE tenants SET phone = NULL", (9, None)),
    "the new server clears": ("UPDATE tenants SET mobile = NULL", (9, None)),
    "another column is written": ("UPDATE tenants SET address = 'y'", (9, "4")),
}


@pytest.mark.parametrize("what", WRITES)
async def test_a_trigger_keeps_both_columns_equal(
    migrated_database: str, connection: asyncpg.Connection, what: str
) -> None:
    statement, (count, phone) = WRITES[what]
    await connection.execute("SET gatehouse.scope = 'platform'")
    await connection.execute(f"{MAX_ADMINS.sql} {PHONE.sql}")
    if statement.startswith("UPDATE"):
        await connection.execute(INSERT.format(', "maxAdmins", phone', ", 9, '4'"))

    await connection.execute(statement)

    row = await connection.fetchrow('SELECT "maxAdmins", "maxOwners", phone, mobile FROM tenants')
    assert tuple(row or ()) == (count, count, phone, phone)


DROP_PHONE = Contract("tenants", "phone", unused_since="2026-01-01T00:00:00:000000", type="varchar(20)")


async def test_what_depends_on_the_column_is_named_before_it_is_dropped(
    migrated_database: str, connection: asyncpg.Connection
) -> None:
    """Its own checks go with it. A server of the release that stopped using it may run."""
    refuse = DROP_PHONE.refuse_if_used("2026-02-01T00:00:00:000000", lock=True)
    await connection.execute("ALTER TABLE tenants ADD CHECK (phone <> address), ADD CHECK (phone <> '')")
    process = """
        INSERT INTO server_processes (kind, host, "processId", version, release, "seenAt")
        VALUES ('server', 'h', 1, '1', $1, now() - $2 * interval '1 second')
    """
    await connection.execute("SET gatehouse.scope = 'platform'")
    await connection.execute(process, DROP_PHONE.unused_since, 0)
    await connection.execute(process, "2025-01-01T00:00:00:000000", 61)
    await connection.execute(refuse)
    await connection.execute("CREATE VIEW phones AS SELECT phone FROM tenants")

    with pytest.raises(
        asyncpg.PostgresError, match=r"drops tenants\.phone, .* on view phones; drop"
    ) as raised:
        await connection.execute(refuse)

    assert getattr(raised.value, "sqlstate", None) == REFUSED


async def test_a_run_that_was_killed_goes_on(migrated_database: str, connection: asyncpg.Connection) -> None:
    """After the values were copied; and, backwards, after the column was added and some values restored."""
    await connection.execute("SET gatehouse.scope = 'platform'")
    await connection.execute(CREATE_SCHEMA)
    await connection.execute(ROWS)
    before = await connection.fetch("SELECT id, phone FROM tenants ORDER BY id")
    keep, drop = [str(getattr(part, "sql", part)) for part in DROP_PHONE.parts("m1", 0)]
    add, restore = [str(getattr(part, "sql", part)) for part in DROP_PHONE.revert_parts("m1", 0)]

    for statement in (keep, keep, drop, keep, drop, add):
        await connection.execute(statement)
    some = """UPDATE tenants SET phone = copy.phone FROM gatehouse_undone.tenants_1_0 copy
               WHERE copy.id = tenants.id AND nit < 'n2'"""
    await connection.execute(some)
    await connection.execute("UPDATE tenants SET phone = 'typed' WHERE nit = 'n4'")
    for statement in (add, restore, restore):
        await connection.execute(statement)

    after = await connection.fetch(
        "SELECT id, CASE WHEN nit = 'n4' THEN '+574' ELSE phone END FROM tenants ORDER BY id"
    )
    assert [tuple(row) for row in after] == [tuple(row) for row in before]
    assert await connection.fetchval("SELECT phone FROM tenants WHERE nit = 'n4'") == "typed"


TEXT = Column("text")

ASKED = {
    "two new names": (
        Table(columns={"a": TEXT, "b": TEXT}),
        Table(columns={"old": TEXT}),
        "Which new column has its values: a, b",
    ),
    "two old names": (
        Table(columns={"a": TEXT}),
        Table(columns={"old": TEXT, "older": TEXT}),
        "Which new column has its values: a?",
    ),
    "a policy": (
        Table(columns={"a": TEXT}),
        Table(columns={"old": TEXT}, policies={"scope": "FOR ALL TO PUBLIC USING (old = 'x')"}),
        "which the policy scope uses",
    ),
}


@pytest.mark.parametrize("what", ASKED)
def test_a_rename_that_is_not_certain_is_a_question(what: str) -> None:
    """Also where `--auto_input=y` says that columns were renamed."""
    new, old, question = ASKED[what]

    steps = steps_for({"t": new}, {"t": old}, answer="y")

    asked = [" ".join(step.replace("\n-- ", " ").split()) for step in steps.forwards if isinstance(step, str)]
    assert any(QUESTION in one and question in one for one in asked), asked
    assert not [step for step in steps.forwards if isinstance(step, Rename)]


# Two releases at once

REVOKE = """
mutation($id: ID!, $reason: String) { revokeBetaKey(id: $id, reason: $reason) { __typename } }
"""


@pytest.fixture
async def superuser(server: EmbeddedServer, migrated_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the database of the test, which sees every row."""
    name = migrated_database.split("@/")[1].split("?")[0]
    connection = await asyncpg.connect(server.dsn(user="postgres", database=name))
    yield connection
    await connection.close()


@pytest.fixture
def servers(migrated_database: str, tmp_path: Path) -> Iterator[Callable[[Path], GatehouseProcess]]:
    """`servers(project)` starts the server of a project on the database of the test."""
    started: list[GatehouseProcess] = []

    def start(project: Path) -> GatehouseProcess:
        process = GatehouseProcess(tmp_path / f"server-{len(started)}.log", DATABASE_URL=migrated_database)
        process.folder = project
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()


async def revoke(process: GatehouseProcess, operator: Person, ids: list[str], reason: str) -> None:
    async with httpx.AsyncClient(base_url=process.url, timeout=20) as http:
        for number, key_id in enumerate(ids):
            data = await Api(http).data(REVOKE, operator.token, id=key_id, reason=f"{reason} {number}")
            assert data["revokeBetaKey"]["__typename"] == "BetaKey", data


@pytest.mark.slow
async def test_the_column_is_dropped_when_the_last_old_server_is_gone(
    migrated_database: str,
    superuser: asyncpg.Connection,
    servers: Callable[[Path], GatehouseProcess],
    tmp_path: Path,
) -> None:
    """Both releases write meanwhile. The guard names the old server, also in the script for psql."""
    project = tmp_path / "project"
    copy_project(project)
    operator = await hire(superuser, None, "SUPER_ADMIN")
    keys = [
        await superuser.fetchval("INSERT INTO beta_keys (key) VALUES ($1) RETURNING id", f"K{n}")
        for n in range(60)
    ]
    ids = [str(key) for key in keys]
    old = servers(ROOT)
    await revoke(old, operator, ids[:10], "before")
    edit(project, RENAMES[:1])
    export = project / "api" / "domain" / "beta_keys" / "file_export.py"
    export.write_text(export.read_text().replace('"revokedReason"', '"reasonRevoked"'))
    for words in (("new", "gatehouse", "--auto", "--auto_input=y"), ("forwards",)):
        done = piccolo(project, migrated_database, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    new = servers(project)
    await asyncio.gather(
        revoke(old, operator, ids[10:35], "old"),
        revoke(new, operator, ids[35:], "new"),
    )
    both = await superuser.fetch(
        'SELECT "revokedReason", "reasonRevoked" FROM beta_keys ORDER BY "revokedAt"'
    )

    done = in_project(project, migrated_database, "gatehouse", "db", "contract")
    assert done.returncode == 0, done.stderr
    script = in_project(project, migrated_database, "gatehouse", "db", "sql").stdout
    refused = piccolo(project, migrated_database, "forwards")
    by_psql = await psql(migrated_database, script, tmp_path)
    old.kill()
    after_kill = piccolo(project, migrated_database, "forwards")
    age = """UPDATE server_processes SET "seenAt" = now() - interval '61 s' WHERE "processId" = $1"""
    await superuser.execute(age, old.process.pid)
    passes = await psql(migrated_database, script, tmp_path)
    await revoke(
        new,
        operator,
        [str(await superuser.fetchval("INSERT INTO beta_keys (key) VALUES ('L') RETURNING id"))],
        "after",
    )

    assert all(row[0] == row[1] for row in both)
    assert len({row[0] for row in both}) == 60
    for code, output in (
        (refused.returncode, refused.stderr),
        by_psql,
        (after_kill.returncode, after_kill.stderr),
    ):
        assert code in (1, 3)
        assert f"(process {old.process.pid}, release {max(migration_ids())}, seen " in output, output
        assert socket.gethostname() in output
        assert f"process {new.process.pid}" not in output
        assert "Traceback" not in output
    assert passes[0] == 0, passes
    assert await superuser.fetchval('SELECT "reasonRevoked" FROM beta_keys WHERE key = $1', "L") == "after 0"
    column = "SELECT FROM pg_attribute WHERE attrelid = 'beta_keys'::regclass AND attname = 'revokedReason'"
    assert await superuser.fetch(column) == []
