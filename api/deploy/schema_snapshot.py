"""`python -m api.deploy.schema_snapshot` prints the contents of `migrations/schema.json`.

It applies the migrations to an empty database of an embedded server. `make schema` writes the file.
"""

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
            changes = asyncio.run(build_snapshot(server.dsn()))
        finally:
            server.stop()
    # One line for each column, constraint and so on, so that diffs can be read.
    indented = json.dumps(changes, indent=1)
    sys.stdout.write(re.sub(r"\{[^{}]*\}", lambda part: " ".join(part[0].split()), indented) + "\n")


async def build_snapshot(dsn: str) -> dict[str, dict[str, Any]]:
    """Apply the migrations to the empty database of `dsn`.

    Returns, by migration id, the tables that it creates or changes: `dataclasses.asdict`, by name.
    """
    connection = await asyncpg.connect(dsn)
    try:
        before: Catalog = {}
        changes: dict[str, dict[str, Any]] = {}
        for migration in all_migrations():
            for step in migration.transactional_steps:
                await connection.execute(step)
            after = await read_catalog(connection, "public")
            if dropped := before.keys() - after.keys():
                raise NotImplementedError(
                    f"{migration.migration_id} drops {dropped}; schema.json has no form for that"
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
