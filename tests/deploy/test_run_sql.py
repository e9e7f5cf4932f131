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
    assert run_sql(migrated_database, f"{TENANT.format(2)}; {TENANT.format(3)};") == (0, "done\n")
    code, output = run_sql(migrated_database, f"{TENANT.format(4)}; SELECT 1 / 0")
    assert (code, "division by zero" in output, len(output.splitlines())) == (1, True, 1)
    code, output = run_sql(migrated_database, "SELEC 1")
    assert (code, "syntax error" in output, len(output.splitlines())) == (1, True, 1)
    assert run_sql(migrated_database, "CREATE INDEX CONCURRENTLY i ON tenants (nit)") == (0, "CREATE INDEX\n")
    ended = run_command(
        "gatehouse", "db", "sql", "--run", str(file), "--json", DATABASE_URL=migrated_database
    )
    assert json.loads(ended.stdout) == {"status": "SELECT 3", "rows": [{"nit": n} for n in ("1", "2", "3")]}
    file.write_bytes(b"SELECT '\xf1'")
    assert "UTF-8" in run_command("gatehouse", "db", "sql", "--run", str(file)).stderr
    assert "run it with psql" in run_sql(migrated_database, "\\set x 1\nSELECT 1")[1]
    file.write_text("SELECT nit FROM tenants ORDER BY nit")
    assert "nit\n1\n2\n3\n" in run_sql(migrated_database, file.read_text())[1]
    assert "cannot be read" in run_command("gatehouse", "db", "sql", "--run", str(tmp_path / "none")).stderr


TRANSACTION_CONTROL = (
    "COMMIT",
    "-- at the end\nrollback;",
    "{tenant}; COMMIT; {other}",
    "{tenant}; /* keep it */ END; {other}",
    "{tenant}; ROLLBACK; {other}",
    "{tenant}; ABORT AND CHAIN; {other}",
    "BEGIN; {tenant}; COMMIT",
    "{tenant}; SAVEPOINT here; {other}; ROLLBACK TO here",
    "SELECT 1 \\; COMMIT; {tenant}",
)


async def test_a_file_does_not_control_the_transaction(migrated_database: str) -> None:
    """What follows a COMMIT would see no rows, and would stay when the rest fails."""
    for sql in TRANSACTION_CONTROL:
        sql = sql.format(tenant=TENANT.format(1), other=TENANT.format(2))
        code, output = run_sql(migrated_database, sql)
        assert (code, len(output.splitlines())) == (1, 1), (sql, output)
        assert "take out BEGIN, COMMIT, SAVEPOINT" in output or "commands of psql" in output, (sql, output)
    # In a text, a comment or the body of a function the words mean something else.
    harmless = """CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
        DO $$ BEGIN PERFORM 'COMMIT;'; END $$; -- ROLLBACK;
        SELECT 'it''s; COMMIT; \\'"""
    assert run_sql(migrated_database, harmless) == (0, "done\n")
    assert run_sql(migrated_database, "SELECT count(*) FROM tenants") == (0, "count\n0\nSELECT 1\n")


async def test_columns_of_the_same_name_are_all_printed(migrated_database: str) -> None:
    sql = "SELECT 1 AS n, 2 AS n, 3 AS n_2, 4 AS n"

    code, output = run_sql(migrated_database, sql, "--json")

    assert (code, json.loads(output)["rows"]) == (0, [{"n": 1, "n_2": 2, "n_2_2": 3, "n_3": 4}])


async def test_a_file_and_a_range_of_migrations_exclude_one_another(migrated_database: str) -> None:
    for option in (["--backwards"], ["--from", "x"], ["--to", "x"]):
        code, output = run_sql(migrated_database, "SELECT 1", *option)
        assert (code, "--run runs the SQL of a file" in output) == (1, True)
