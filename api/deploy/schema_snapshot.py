"""`python -m api.deploy.schema_snapshot` prints what `migrations/schema.json` holds."""

import asyncio
import json
import re
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg

from api.database.embedded import EmbeddedServer
from api.deploy.migrations.migration import all_migrations
from api.deploy.schema.catalog import Catalog, read_catalog


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gatehouse-schema-") as home:
        server = EmbeddedServer(Path(home))
        server.start()
        try:
            changes = asyncio.run(replay(server.dsn()))
        finally:
            server.stop()
    # A line for each part, so that a change of the schema can be read in a diff.
    indented = json.dumps(changes, indent=1)
    sys.stdout.write(re.sub(r"\{[^{}]*\}", lambda part: " ".join(part[0].split()), indented) + "\n")


async def replay(dsn: str) -> dict[str, dict[str, Any]]:
    """The tables that each migration makes or changes in the empty database of `dsn`, by its id."""
    connection = await asyncpg.connect(dsn)
    try:
        before: Catalog = {}
        changes: dict[str, dict[str, Any]] = {}
        for migration in all_migrations():
            for step in migration.plain_steps:
                await connection.execute(step)
            after = await read_catalog(connection, "public")
            if gone := before.keys() - after.keys():
                raise NotImplementedError(
                    f"{migration.migration_id} drops {gone}, which schema.json cannot say"
                )
            changes[migration.migration_id] = {
                name: asdict(table) for name, table in after.items() if before.get(name) != table
            }
            before = after
        return changes
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
