"""Migrations with a `Backfill` in a copy of the project, and the users that it changes."""

from pathlib import Path

import asyncpg

from tests.support import copy_project

ID = "2099-01-01T00:00:00:000000"

FILE = "migrations/gatehouse_2099_01_01t00_00_00_000000.py"

UPPER = """Backfill("users", {"lastName": 'upper("lastName")'}, '"lastName" <> upper("lastName")')"""
"""Changes a column that exists already."""

KEEPS = UPPER[:-1] + ", keep=True)"

ADDS = """Backfill("users", {"fullName": 'upper("lastName")'}, where='"fullName" IS NULL')"""
"""Fills a column that the migration adds."""

APPENDS = """Backfill("users", {"lastName": '"lastName" || $$!$$'}, where='"lastName" !~ $$!$$', pause=0.3)"""
"""Shows a second change of a row; its pauses leave the time for a kill."""

MIGRATION = """
from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.migration import SqlMigration

ID = "{id}"
DESCRIPTION = "Change the rows of users."
ADD = 'ALTER TABLE users ADD COLUMN IF NOT EXISTS "fullName" text'
MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=[ADD, {steps}])
"""


def project_with(folder: Path, *steps: str) -> dict[str, str]:
    """Fill `folder` with the project and a migration with these steps; returns the environment to run it."""
    folder.mkdir(exist_ok=True)
    copy_project(folder)
    (folder / FILE).write_text(MIGRATION.format(id=ID, steps=", ".join(steps)))
    return {"PYTHONPATH": str(folder)}


async def add_users(connection: asyncpg.Connection, count: int) -> None:
    await in_platform(
        connection,
        f"""INSERT INTO users (email, password, "firstName", "lastName")
            SELECT 'u' || n || '@example.com', 'x', 'Ana', 'Rios' || n FROM generate_series(1, {count}) n""",
    )


async def in_platform(connection: asyncpg.Connection, *statements: str) -> None:
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        for statement in statements:
            await connection.execute(statement)


async def value(connection: asyncpg.Connection, expression: str) -> object:
    """The value of an expression over `users`."""
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        return await connection.fetchval(f"SELECT {expression} FROM users")


async def names(connection: asyncpg.Connection) -> dict[str, str]:
    """The last names of the users, by email."""
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        rows = await connection.fetch('SELECT email, "lastName" FROM users')
    return {row["email"]: row["lastName"] for row in rows}
