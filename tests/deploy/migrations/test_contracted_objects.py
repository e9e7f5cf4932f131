"""What an owner has added to a column that a `Contract` drops."""

from pathlib import Path

import asyncpg
import pytest

from tests.deploy.migrations.psql import AWAY, psql
from tests.deploy.migrations.test_contract import REMOVALS, ROWS
from tests.deploy.migrations.test_new_migration import edit, in_project, migration_of, piccolo
from tests.support import copy_project

pytestmark = pytest.mark.anyio

OWNERS = """
ALTER TABLE tenants ADD CONSTRAINT no_blanks CHECK (phone NOT LIKE '% %'),
    ADD CONSTRAINT one_phone UNIQUE (phone, nit), ALTER COLUMN phone SET STATISTICS 500;
CREATE INDEX tenants_by_phone ON tenants (lower(phone)) WHERE phone IS NOT NULL;
CREATE STATISTICS tenants_phones ON phone, address FROM tenants;
COMMENT ON COLUMN tenants.phone IS 'with the country code';
COMMENT ON CONSTRAINT no_blanks ON tenants IS 'old phones';
GRANT SELECT (phone), UPDATE (phone) ON tenants TO PUBLIC;
"""


@pytest.mark.slow
async def test_what_an_owner_added_to_the_column_comes_back_with_it(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """Applied and reverted by Piccolo's commands, then by the scripts for psql."""
    await connection.execute(f"BEGIN; SET LOCAL gatehouse.scope = 'platform'; {ROWS} COMMIT")
    copy_project(tmp_path)
    edit(tmp_path, REMOVALS[:1])
    created = piccolo(tmp_path, migrated_database, "new", "gatehouse", "--auto", "--auto_input=n")
    assert created.returncode == 0, created.stdout
    assert piccolo(tmp_path, migrated_database, "forwards", "all").returncode == 0
    await connection.execute(OWNERS)
    owned = await owned_by_phone(connection)

    contract = in_project(tmp_path, migrated_database, "gatehouse", "db", "contract")
    assert contract.returncode == 0, contract.stderr
    dropped = piccolo(tmp_path, migrated_database, "forwards", "all")
    assert await owned_by_phone(connection) == []
    reverted = piccolo(tmp_path, migrated_database, "backwards", "gatehouse", "1", "--auto_agree")

    assert (dropped.returncode, reverted.returncode) == (0, 0), dropped.stdout + reverted.stdout
    assert "drops, and creates again when the migration is reverted: constraint no_blanks" in dropped.stdout
    assert "created again: index tenants_by_phone on tenants" in reverted.stdout
    assert "not created again" not in reverted.stdout
    assert await owned_by_phone(connection) == owned
    newest = max(path.stem for path in (tmp_path / "migrations").glob("gatehouse_*.py"))
    newest = migration_of(tmp_path / "migrations" / f"{newest}.py").migration_id
    for options, left in (([], []), (["--backwards"], owned)):
        words = ["gatehouse", "db", "sql", "--from", newest, *options]
        code, output = await psql(migrated_database, in_project(tmp_path, AWAY, *words).stdout, tmp_path)
        assert code == 0, output
        assert await owned_by_phone(connection) == left
    assert not await connection.fetchval("SELECT count(*) FROM gatehouse_undone.retained_objects WHERE lost")


@pytest.mark.slow
async def test_it_also_survives_a_revert_of_all_migrations(
    migrated_database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """Applied again in one run, the column is created, gets what was added, and is dropped with that."""
    copy_project(tmp_path)
    edit(tmp_path, REMOVALS[2:])
    assert (
        piccolo(tmp_path, migrated_database, "new", "gatehouse", "--auto", "--auto_input=n").returncode == 0
    )
    assert piccolo(tmp_path, migrated_database, "forwards", "all").returncode == 0
    await connection.execute("""ALTER TABLE users ADD CONSTRAINT no_blanks CHECK ("documentId" <> ' ')""")
    assert in_project(tmp_path, migrated_database, "gatehouse", "db", "contract").returncode == 0

    outputs = [
        piccolo(tmp_path, migrated_database, *words)
        for words in (
            ("forwards", "all"),
            ("backwards", "all", "--auto_agree"),
            ("forwards", "all"),
            ("backwards", "gatehouse", "1", "--auto_agree"),
        )
    ]

    assert [one.returncode for one in outputs] == [0] * 4, outputs
    assert "not created again" not in outputs[2].stdout
    assert await connection.fetchval(
        "SELECT count(*) FROM pg_constraint WHERE conname = 'no_blanks' AND convalidated"
    )


async def owned_by_phone(connection: asyncpg.Connection) -> list[str]:
    """The objects that `OWNERS` creates, and their comments, grants and settings."""
    rows = await connection.fetch("""
        SELECT pg_get_constraintdef(oid) || obj_description(oid) FROM pg_constraint
         WHERE conname = 'no_blanks'
        UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'one_phone'
        UNION ALL SELECT pg_get_indexdef(oid) FROM pg_class WHERE relname = 'tenants_by_phone'
        UNION ALL SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
        UNION ALL SELECT concat(attacl, attstattarget, col_description(attrelid, attnum)) FROM pg_attribute
                   WHERE attrelid = 'tenants'::regclass AND attname = 'phone'
        ORDER BY 1
    """)
    return [row[0] for row in rows]
