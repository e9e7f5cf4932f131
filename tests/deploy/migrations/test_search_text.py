"""The migrations that store what keys and tenants are searched by, and the digits of tax ids."""

import asyncpg
import pytest

from tests.support import migrate

pytestmark = pytest.mark.anyio


async def test_rows_of_before_get_their_search_text_and_digits(migrated_database: str) -> None:
    migrate(migrated_database, "backwards", "gatehouse", "2026-11-29T07:32:41:618230", "--auto_agree")
    connection = await asyncpg.connect(migrated_database)
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        await connection.execute(
            """INSERT INTO tenants (nit, "businessName", "businessType", address, email)
            VALUES ('NIT 9٠٠-1234568', 'Panadería Peña', 'PANADERIA', 'x', 'Ana@example.com');
            INSERT INTO beta_keys (key, notes) VALUES ('BETA-22222-33333', 'Pen\u0303a')"""
        )

    migrate(migrated_database)

    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        rows = await connection.fetch(
            'SELECT "searchText" FROM tenants UNION ALL SELECT "searchText" FROM beta_keys'
        )
        digits = await connection.fetchval('SELECT "taxIdDigits" FROM tenants')
    await connection.close()
    assert digits == "9001234568"
    assert [row["searchText"] for row in rows] == [
        "nit 9٠٠-1234568\npanaderia pena\nana@example.com",
        "beta2222233333\npena",
    ]
