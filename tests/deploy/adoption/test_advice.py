"""What the commands advise leads out of every state of a database, and never in a circle."""

import json
import re
from collections.abc import Sequence

import asyncpg
import pytest

from tests.commands import run_command
from tests.deploy.adoption.old_databases import old

pytestmark = pytest.mark.anyio

FORWARDS, ADOPT, VERIFY = "piccolo migrations forwards all", "gatehouse db adopt", "gatehouse db verify"
FIRST = "piccolo migrations forwards gatehouse 1"

TWO_EMAILS = """
INSERT INTO users (email, password, "firstName", "lastName") SELECT upper(email), 'x', 'x', 'x' FROM users;
"""
TWO_TAX_IDS = """
ALTER TABLE users DROP CONSTRAINT "UQ_97672ac88f789774dd47f7c8be3";
ALTER TABLE tenants DROP CONSTRAINT "UQ_tenant_nit";
INSERT INTO tenants ("businessName", nit, "businessType", address) VALUES ('x', '900123456-8', 'Otro', 'x');
"""
NOT_UNIQUE = 'ALTER TABLE users DROP CONSTRAINT "UQ_97672ac88f789774dd47f7c8be3";'

STATES: dict[str, Sequence[str]] = {
    "an empty database": [],
    "users only": [old("users_only")],
    "users only, with equal emails": [old("users_only") + NOT_UNIQUE + TWO_EMAILS],
    "that, half way, with equal tax ids": [old("migrated") + TWO_TAX_IDS, FIRST],
    "the old system's schema sync": [old("synced")],
    "another system's users": ["CREATE TABLE users (id int PRIMARY KEY, name text)"],
    "tenants without users": ["CREATE TABLE tenants (id uuid PRIMARY KEY)"],
    "another system's sessions": [old("synced") + "CREATE TABLE sessions (id int PRIMARY KEY);"],
    "another system's bookkeeping": [old("migrated") + "CREATE TABLE migration (id int PRIMARY KEY);"],
    "no bookkeeping, and changed": [
        FORWARDS,
        "DROP TABLE migration",
        "ALTER TABLE tenants DROP COLUMN phone",
    ],
    "behind": [FORWARDS, "piccolo migrations backwards gatehouse 1 --auto_agree"],
    "changed by hand": [FORWARDS, "ALTER TABLE tenants DROP COLUMN phone"],
}
"""The statements and commands that make each state."""


async def test_advice_ends(empty_database: str) -> None:
    """From the comparison, the dry run of the adoption and migrations; each failure says what to do."""
    connection = await asyncpg.connect(empty_database)
    for state, steps in STATES.items():
        await connection.execute("DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS gatehouse_undone CASCADE")
        await connection.execute("CREATE SCHEMA public")
        for step in steps:
            if step.startswith("piccolo"):
                run(empty_database, step)
            else:
                await connection.execute(step)

        code, output = run(empty_database, VERIFY)
        if code == 3:
            # SQL would give the rows of other tables another meaning.
            assert bool(sql_in(empty_database, VERIFY, code, output)) == (steps[:1] == [FORWARDS]), output
        code, output = run(empty_database, f"{ADOPT} --dry-run")
        taken = await follow(connection, empty_database, FORWARDS)

        advised = advice(output)
        if code == 1 and advised:
            if advised not in taken:
                await follow(connection, empty_database, advised)
        else:
            assert code in (0, 3) or sql_in(empty_database, ADOPT, code, output), (state, output)
    await connection.close()


def run(dsn: str, command: str) -> tuple[int, str]:
    program, *words = command.split()
    ended = run_command(program, *words, DATABASE_URL=dsn)
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stdout + ended.stderr


async def follow(connection: asyncpg.Connection, dsn: str, command: str) -> list[str]:
    """Do what each command advises, until one succeeds; returns the commands."""
    taken: list[str] = []
    changed = True
    while True:
        assert changed or command not in taken, f"a circle: {taken}"
        code, output = run(dsn, command)
        taken.append(command)
        if code == 0:
            return taken
        statements = sql_in(dsn, command, code, output)
        for statement in statements:
            await connection.execute(statement)
        changed = bool(statements)
        assert changed or advice(output), output
        command = advice(output) or (FORWARDS if command == VERIFY else command)


def advice(output: str) -> str | None:
    advised = re.search(rf"run: ({FORWARDS}|{ADOPT}|{VERIFY})$", output.strip())
    return advised and advised[1]


def sql_in(dsn: str, command: str, code: int, output: str) -> list[str]:
    """The statements that the output asks for."""
    if command == ADOPT and code == 3:
        questions = json.loads(run(dsn, f"{ADOPT} --json")[1])["undecided"]
        return [statement for one in questions for statement in one["choices"][0]["sql"]]
    if command == VERIFY:
        lines = [line for line in output.splitlines() if not line.startswith("--")]
        return [one for one in "\n".join(lines).split(";\n") if one.strip()]
    return [one.replace("…", "renamed") for one in re.findall(r"ALTER TABLE \w+ RENAME TO …", output)]
