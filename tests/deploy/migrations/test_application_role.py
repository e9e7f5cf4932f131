"""Two roles: one owns the tables and migrates, and the application's only reads and writes rows."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.deploy.migrations.piccolo_command import run
from tests.support import ROOT, Api, GatehouseProcess, registration, run_gatehouse

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Addresses:
    """Of one database: for its owner, and for the application."""

    owner: str
    application: str
    role: str

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.application, "MIGRATION_DATABASE_URL": self.owner}


@pytest.fixture
async def addresses(server: EmbeddedServer, empty_database: str) -> AsyncIterator[Addresses]:
    name = empty_database.split("?")[0].rsplit("/", 1)[1]
    # A name that needs quoting, as those of some hosts do.
    role = f"app-{os.urandom(3).hex()}"
    connection = await asyncpg.connect(server.dsn(user="postgres", database=name))
    await connection.execute(f'CREATE ROLE "{role}" LOGIN; REVOKE ALL ON SCHEMA public FROM PUBLIC')
    await connection.execute("GRANT ALL ON SCHEMA public TO gatehouse")
    try:
        yield Addresses(empty_database, server.dsn(user=role, database=name), role)
    finally:
        await connection.execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"')
        await connection.close()


@pytest.fixture
async def migrated(addresses: Addresses) -> Addresses:
    code, output = await run(addresses.application, "forwards", "all", MIGRATION_DATABASE_URL=addresses.owner)
    assert code == 0, output
    assert f"the role {addresses.role} may read and write rows" in output
    return addresses


ATTACKS = [
    "ALTER TABLE audit_events DISABLE TRIGGER keep_rows",
    "DROP TABLE audit_events",
    "DROP TRIGGER keep_all ON audit_events",
    "TRUNCATE audit_events",
    "UPDATE audit_events SET action = 'x'",
    "DELETE FROM audit_events",
    "CREATE OR REPLACE FUNCTION keep_audit_events() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'",
    "ALTER FUNCTION keep_audit_events() RENAME TO other",
    "ALTER TABLE users NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
    "DROP POLICY scope ON users",
    "CREATE POLICY every ON users USING (true)",
    "CREATE TRIGGER other BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION keep_audit_events()",
    "CREATE TABLE other ()",
    "CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "DELETE FROM migration",
    "UPDATE migration SET name = 'x'",
    "SET ROLE gatehouse",
    "SET session_replication_role = replica",
]


async def test_sql_of_the_application_cannot_change_what_protects_rows(migrated: Addresses) -> None:
    connection = await asyncpg.connect(migrated.application)
    allowed = []
    try:
        await connection.execute("SET gatehouse.scope = 'platform'")
        await connection.execute("INSERT INTO audit_events (action) VALUES ('one')")
        for statement in ATTACKS:
            try:
                await connection.execute(statement)
                allowed.append(statement)
            except asyncpg.InsufficientPrivilegeError:
                pass
    finally:
        await connection.close()

    assert allowed == []


async def test_server_and_commands_work_with_rows_alone(
    migrated: Addresses, gatehouse: GatehouseProcess
) -> None:
    """The tests of the application run so, too: see `_prepare` in conftest."""
    gatehouse.environment |= {**migrated.environment, "WORKER": "on"}
    gatehouse.start()

    issued, output = run_gatehouse(
        migrated.application, "keys", "issue", MIGRATION_DATABASE_URL=migrated.owner
    )
    (key,) = re.findall(r"BETA-\S+", output)
    async with httpx.AsyncClient(base_url=gatehouse.url) as client:
        answer = await Api(client).register(registration(key))
        ready = await client.get("/readyz")
    _, report = run_gatehouse(migrated.application, "doctor", "--json", MIGRATION_DATABASE_URL=migrated.owner)
    checked = {one["check"]: one["status"] for one in json.loads(report)["checks"]}

    assert (issued, answer["__typename"], ready.status_code) == (0, "Registration", 200), output
    assert (checked["role"], checked["rights"], checked["writes"], checked["schema"]) == ("ok",) * 4


@pytest.mark.slow
async def test_each_command_that_changes_tables_uses_the_owner(migrated: Addresses) -> None:
    again = await run(migrated.application, "forwards", "all", MIGRATION_DATABASE_URL=migrated.owner)
    verified = run_gatehouse(migrated.application, "db", "verify", MIGRATION_DATABASE_URL=migrated.owner)
    reverted = await run(
        migrated.application, "backwards", "all", "--auto_agree", MIGRATION_DATABASE_URL=migrated.owner
    )
    applied = await run(migrated.application, "forwards", "all", MIGRATION_DATABASE_URL=migrated.owner)

    assert again[0] == verified[0] == reverted[0] == applied[0] == 0, (again, verified, reverted, applied)
    assert "may read and write" not in again[1]
    # A revert drops the tables, and their grants with them.
    connection = await asyncpg.connect(migrated.application)
    assert await connection.fetch("SELECT FROM users") == []
    await connection.close()


async def test_the_start_of_a_server_with_db_sync_migrates_as_the_owner(
    addresses: Addresses, gatehouse: GatehouseProcess
) -> None:
    gatehouse.environment |= {**addresses.environment, "DB_SYNC": "true"}
    gatehouse.start()

    async with httpx.AsyncClient(base_url=gatehouse.url) as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_addresses_of_two_databases_are_refused(addresses: Addresses, migrated_database: str) -> None:
    code, output = await run(migrated_database, "forwards", "all", MIGRATION_DATABASE_URL=addresses.owner)

    assert code == 1
    assert "lead to different databases" in output.splitlines()[-1]


async def test_a_role_that_may_change_tables_all_the_same_is_named(
    migrated: Addresses, server: EmbeddedServer
) -> None:
    connection = await asyncpg.connect(server.dsn(user="postgres"))
    await connection.execute(f'GRANT gatehouse TO "{migrated.role}"')
    await connection.close()

    _, output = run_gatehouse(migrated.application, "doctor", MIGRATION_DATABASE_URL=migrated.owner)

    assert f"the role {migrated.role} of DATABASE_URL may change tables too" in " ".join(output.split())


WRONG = {
    "without the first": (
        "",
        "postgresql://x@127.0.0.1/x",
        "MIGRATION_DATABASE_URL: must be set with DATABASE_URL",
    ),
    "not an address": ("postgresql://x@127.0.0.1:1/x", "x", "MIGRATION_DATABASE_URL: must be like"),
    "away": ("postgresql://x@127.0.0.1:1/x", "postgresql://x@127.0.0.1:1/x", "check MIGRATION_DATABASE_URL"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("command", ["gatehouse db status", "piccolo migrations forwards all"])
async def test_a_wrong_second_address_is_named_in_one_line(wrong: str, command: str) -> None:
    """In a new process: Python warns at its end of what was never awaited."""
    dsn, owner, message = WRONG[wrong]
    program, *words = command.split()
    done = await asyncio.to_thread(
        subprocess.run,
        [Path(sys.executable).with_name(program), *words],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": dsn, "MIGRATION_DATABASE_URL": owner},
        capture_output=True,
        text=True,
        check=False,
    )

    (line,) = done.stderr.splitlines() if program == "gatehouse" else done.stderr.split("\n")[-2:-1]
    assert done.returncode == 1
    assert line.startswith("gatehouse: ")
    assert message in line
