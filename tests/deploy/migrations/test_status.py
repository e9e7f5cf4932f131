"""`gatehouse db status`."""

import json

import asyncpg
import pytest

from tests.deploy.migrations.piccolo_command import TENANTS, run
from tests.support import run_gatehouse

pytestmark = pytest.mark.anyio


@pytest.mark.slow
async def test_the_status_is_told_by_exit_code_and_by_name(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    pending, output = run_gatehouse(empty_database, "db", "status")
    assert (pending, TENANTS in output) == (2, True)

    await run(empty_database, "forwards", "all")
    clean, output = run_gatehouse(empty_database, "db", "status", "--json")
    assert (clean, json.loads(output)["pending"]) == (0, [])

    await connection.execute("UPDATE migration SET checksum = 'x' WHERE name = $1", TENANTS)
    await connection.execute(
        "INSERT INTO migration (name, app_name, ran_on) VALUES ('2099-01-01T00:00:00:0', 'gatehouse', now())"
    )
    await connection.execute("DELETE FROM migration WHERE name LIKE '2026-11-24T00:22%'")
    broken, output = run_gatehouse(empty_database, "db", "status", "--json")
    told = json.loads(output)
    assert broken == 3
    assert told["edited"] == [TENANTS]
    assert told["missing"] == ["2099-01-01T00:00:00:0"]
    assert told["outOfOrder"] == told["pending"] == ["2026-11-24T00:22:18:034716"]
