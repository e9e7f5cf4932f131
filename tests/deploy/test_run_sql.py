"""`gatehouse db sql --run`: SQL without psql."""

import json
from pathlib import Path

import pytest

from tests.commands import run_command

pytestmark = pytest.mark.anyio

TENANT = (
    """INSERT INTO tenants ("businessName", nit, "businessType", address) VALUES ('El Sol', '{}', '', '')"""
)


def run_sql(dsn: str, sql: str, *arguments: str) -> tuple[int, str]:
    ended = run_command("gatehouse", "db", "sql", "--run", "-", *arguments, typed=sql, DATABASE_URL=dsn)
    return ended.returncode, ended.stdout + ended.stderr


async def test_sql_runs_in_one_transaction_over_all_tenants(migrated_database: str, tmp_path: Path) -> None:
    file = tmp_path / "file.sql"
    file.write_text("SELECT nit FROM tenants ORDER BY nit")

    assert run_sql(migrated_database, TENANT.format(1)) == (0, "INSERT 0 1\n")
    assert run_sql(migrated_database, f"{TENANT.format(2)}; {TENANT.format(3)};") == (0, "INSERT 0 1\n")
    code, output = run_sql(migrated_database, f"{TENANT.format(4)}; SELECT 1 / 0")
    assert (code, "division by zero" in output, len(output.splitlines())) == (1, True, 1)
    code, output = run_sql(migrated_database, "SELEC 1")
    assert (code, "syntax error" in output, len(output.splitlines())) == (1, True, 1)
    assert run_sql(migrated_database, "CREATE INDEX CONCURRENTLY i ON tenants (nit)") == (0, "CREATE INDEX\n")
    ended = run_command(
        "gatehouse", "db", "sql", "--run", str(file), "--json", DATABASE_URL=migrated_database
    )
    assert json.loads(ended.stdout) == {"status": "SELECT 3", "rows": [{"nit": n} for n in ("1", "2", "3")]}
    assert "nit\n1\n2\n3\n" in run_sql(migrated_database, file.read_text())[1]
    assert "cannot be read" in run_command("gatehouse", "db", "sql", "--run", str(tmp_path / "none")).stderr
