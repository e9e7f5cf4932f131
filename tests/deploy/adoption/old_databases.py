"""The old databases of `tests/legacy`, and what a database holds."""

from datetime import UTC, datetime
from typing import Any

import asyncpg

from tests.support import ROOT

LEGACY = ROOT / "tests" / "legacy"
SHAPES = ["users_only", "migrated", "synced"]
TENANT = "00000000-0000-4000-8000-000000000001"


def old(shape: str) -> str:
    """The script of an old database; psql's \\ir names the script that goes before it."""
    script = (LEGACY / f"{shape}.sql").read_text()
    return script.replace("\\ir users_only.sql", (LEGACY / "users_only.sql").read_text())


async def rows_of(connection: asyncpg.Connection) -> dict[str, list[dict[str, Any]]]:
    """All that every table holds, its times in UTC."""
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {
        table: [
            {name: _in_utc(value) for name, value in row.items()}
            for row in await connection.fetch(f'SELECT * FROM "{table}" ORDER BY id')
        ]
        for (table,) in tables
    }


def _in_utc(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value
