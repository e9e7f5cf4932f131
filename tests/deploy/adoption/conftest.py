"""The database that a test adopts."""

from collections.abc import AsyncIterator

import asyncpg
import pytest


@pytest.fixture
async def connection(empty_database: str) -> AsyncIterator[asyncpg.Connection]:
    """SQL in the database that is adopted; it sees every row."""
    connection = await asyncpg.connect(empty_database)
    await connection.execute("SET gatehouse.scope = 'platform'")
    try:
        yield connection
    finally:
        await connection.close()
