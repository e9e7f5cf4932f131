"""PostgreSQL's own limits for the sessions of a server."""

import asyncpg
import pytest

from api.database.connection_pool import LIMITS, limit_session

pytestmark = pytest.mark.anyio


async def limits_of(connection: asyncpg.Connection) -> dict[str, int]:
    rows = await connection.fetch(
        "SELECT name, setting::int FROM pg_settings WHERE name = ANY($1)", [*LIMITS]
    )
    return {row["name"]: row["setting"] for row in rows}


async def test_a_session_has_limits(migrated_database: str) -> None:
    connection = await asyncpg.connect(migrated_database)
    await limit_session(connection)

    assert await limits_of(connection) == LIMITS
    await connection.close()


async def test_lower_limits_of_a_deployment_hold_and_higher_ones_do_not(migrated_database: str) -> None:
    settings = {"lock_timeout": "500", "statement_timeout": "60000"}
    connection = await asyncpg.connect(migrated_database, server_settings=settings)
    await limit_session(connection)

    limits = await limits_of(connection)
    assert (limits["lock_timeout"], limits["statement_timeout"]) == (500, LIMITS["statement_timeout"])
    await connection.close()
