"""The tables that the migrations build, read from `migrations/schema.json`, which `make schema` writes.

The file is committed, so that comparing a database with it needs no second database.
"""

import json
from functools import cache
from typing import Any

from api.command_error import CommandError
from api.deploy.paths import MIGRATIONS
from api.deploy.schema.catalog import Catalog, Table

SCHEMA_FILE = MIGRATIONS / "schema.json"


def expected_catalog(last_id: str | None = None) -> Catalog:
    """The tables after all migrations, or after those up to and including `last_id`.

    Raises `CommandError` for a migration that is not in the file.
    """
    if last_id is not None:
        changed_tables(last_id)
    catalog: Catalog = {}
    for migration_id, tables in sorted(_changes().items()):
        if last_id is None or migration_id <= last_id:
            catalog |= {name: Table.from_json(parts) for name, parts in tables.items()}
    return catalog


def changed_tables(migration_id: str) -> list[str]:
    """The names of the tables that a migration creates or changes. Raises as `expected_catalog` does."""
    changes = _changes()
    if migration_id not in changes:
        raise CommandError(f"migrations/schema.json lacks {migration_id}; run: make schema")
    return list(changes[migration_id])


@cache
def _changes() -> dict[str, dict[str, Any]]:
    """By migration id: the tables that it creates or changes, by name, as they are after it."""
    return json.loads(SCHEMA_FILE.read_text())
