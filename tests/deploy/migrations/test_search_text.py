"""The migrations that store what keys and tenants are searched by, their words, and the digits of tax ids."""

import asyncpg
import pytest

from tests.support import migrate

pytestmark = pytest.mark.anyio


@pytest.mark.slow
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


@pytest.mark.slow
async def test_words_are_listed_for_rows_of_before_and_for_those_that_a_revert_missed(
    migrated_database: str,
) -> None:
    """A key that is edited or issued while the migration is reverted has its new words afterwards."""
    migration = "2026-11-30T08:31:18:640512"
    connection = await asyncpg.connect(migrated_database)
    await connection.execute("SET gatehouse.scope = 'platform'")

    async def words() -> dict[str, str]:
        rows = await connection.fetch('SELECT key, "searchWords" FROM beta_keys ORDER BY key')
        for row in rows:
            listed = await connection.fetch(
                "SELECT word FROM beta_key_words w JOIN beta_keys k USING (id) WHERE k.key = $1", row["key"]
            )
            assert set(row["searchWords"].split()) <= {one["word"] for one in listed}
        return {row["key"]: row["searchWords"].strip() for row in rows}

    migrate(migrated_database, "backwards", "gatehouse", migration, "--auto_agree")
    await connection.execute("INSERT INTO beta_keys (key, notes) VALUES ('A', 'Pen\u0303a'), ('B', 'Sol')")
    await connection.execute(
        """INSERT INTO tenants (nit, "businessName", "businessType", address) VALUES ('N', 'Sol', 'x', 'x');
        INSERT INTO users (email, password, "firstName", "lastName", "tenantId", "isOwner")
        SELECT 'luz@example.com', '', 'x', 'x', id, true FROM tenants"""
    )
    migrate(migrated_database)
    assert await words() == {"A": "a pena", "B": "b sol"}
    of_tenant = 'SELECT "searchWords" FROM tenants'
    assert (await connection.fetchval(of_tenant)).split() == ["n", "sol", "luz@example.com", "example.com"]

    migrate(migrated_database, "backwards", "gatehouse", migration, "--auto_agree")
    await connection.execute("UPDATE beta_keys SET notes = 'Luna' WHERE key = 'B'")
    await connection.execute("INSERT INTO beta_keys (key, notes) VALUES ('C', 'Mar')")
    migrate(migrated_database)
    assert await words() == {"A": "a pena", "B": "b luna", "C": "c mar"}
    await connection.close()
