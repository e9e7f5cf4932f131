"""Up and down the migrations, and the catalog at each step."""

import itertools
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from api.deploy.schema.catalog import Catalog, read_catalog
from tests.commands import run_command
from tests.support import ROOT


async def catalog_of(connection: asyncpg.Connection) -> Catalog:
    """What there is, but for Piccolo's own bookkeeping."""
    async with connection.transaction():
        await connection.execute("SET LOCAL search_path = public")
        catalog = await read_catalog(connection, "public")
    catalog.pop("migration", None)
    return catalog


# Each command would take a second, so one process takes all the steps and prints the catalog after each.
WALK = """
import asyncio, contextlib, dataclasses, io, sys
import asyncpg, orjson
from piccolo.apps.migrations.commands.backwards import run_backwards
from piccolo.apps.migrations.commands.forwards import run_forwards
from api.settings import get_settings
from tests.deploy.migrations.walking import catalog_of

async def walk(steps):
    connection = await asyncpg.connect(get_settings().database_url.get_secret_value())
    print(orjson.dumps(await catalog_of(connection), default=sorted).decode())
    for step in steps:
        with contextlib.redirect_stdout(io.StringIO()):
            if step == "forwards":
                await run_forwards("gatehouse", "1")
            else:
                await run_backwards("gatehouse", "1", auto_agree=True)
        print(orjson.dumps(await catalog_of(connection), default=sorted).decode())
    await connection.close()

asyncio.run(walk(sys.argv[1:]))
"""


def walk(dsn: str, *steps: str, project: Path = ROOT) -> list[Any]:
    """The catalog before the first step and after each, with the migrations of `project`."""
    environment = {"DATABASE_URL": dsn, "PYTHONPATH": str(ROOT)}
    done = run_command("python", "-c", WALK, *steps, cwd=project, **environment)
    assert done.returncode == 0, done.stderr
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def changed_by_walking(dsn: str, count: int, project: Path = ROOT) -> list[str]:
    """Apply the next `count` migrations, revert and apply them again, one at a time.

    Returns the places, as numbers of applied migrations, where the catalog is not what it was before. A
    migration that cannot be reverted leaves the database as it is; then the way down differs, too.
    """
    catalogs = walk(
        dsn, *["forwards"] * count, *["backwards"] * count, *["forwards"] * count, project=project
    )
    up, down, again = catalogs[: count + 1], catalogs[count : 2 * count + 1], catalogs[2 * count :]
    assert all(before != after for before, after in itertools.pairwise(up))
    places = range(count + 1)
    return [
        *[f"down to {place}" for place in places if down[count - place] != up[place]],
        *[f"up again to {place}" for place in places if again[place] != up[place]],
    ]
