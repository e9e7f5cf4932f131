"""What the policies admit is estimated well enough to read a page in the order of its index."""

import asyncpg
import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("table", "rows", "page"),
    [
        (
            "audit_events",
            """INSERT INTO audit_events (action, at)
               SELECT CASE WHEN n % 50 = 0 THEN 'key.revoked' ELSE 'user.signed_in' END,
                      now() - n * interval '1 s'
                 FROM generate_series(1, 20000) n""",
            "SELECT * FROM audit_events WHERE action = 'key.revoked' ORDER BY at DESC, id DESC LIMIT 21",
        ),
        (
            "tenants",
            """INSERT INTO tenants (nit, "businessName", "businessType", address, "createdAt")
               SELECT 'N' || n, 'b', 'OTRO', 'x', now() - n * interval '1 s'
                 FROM generate_series(1, 2000) n""",
            """SELECT * FROM tenants WHERE "deletedAt" IS NULL ORDER BY "createdAt" DESC, id DESC LIMIT 21""",
        ),
    ],
    ids=["events with an action", "tenants"],
)
async def test_a_page_is_read_in_the_order_of_its_index(
    database: asyncpg.Connection, table: str, rows: str, page: str
) -> None:
    """In the plan of the role of the application. It is rolled back, because events cannot be erased."""
    transaction = database.transaction()
    await transaction.start()
    await database.execute(rows)
    await database.execute(f"ANALYZE {table}")
    await database.execute("SET LOCAL ROLE gatehouse; SET LOCAL gatehouse.scope = 'platform'")
    plan = "\n".join(row[0] for row in await database.fetch(f"EXPLAIN {page}"))
    await transaction.rollback()

    assert "Index Scan Backward" in plan, plan
    assert "Sort" not in plan, plan
