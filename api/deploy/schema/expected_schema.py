"""What the migrations build, as it is committed beside them: nothing has to be built to compare with it."""

import json
from functools import cache
from typing import Any

from api.command_error import CommandError
from api.deploy.paths import MIGRATIONS
from api.deploy.schema.catalog import Catalog, Table

SCHEMA_FILE = MIGRATIONS / "schema.json"


def expected_catalog(last_id: str | None = None) -> Catalog:
    """The tables after all migrations, or after those up to `last_id`.

    Raises `CommandError` for a migration that the file does not know yet.
    """
    if last_id is not None:
        changed_tables(last_id)
    catalog: Catalog = {}
    for migration_id, tables in sorted(_changes().items()):
        if last_id is None or migration_id <= last_id:
            catalog |= {name: Table.from_json(parts) for name, parts in tables.items()}
    return catalog


def changed_tables(migration_id: str) -> list[str]:
    """The names of the tables that a migration makes or changes. Raises as `expected_catalog` does."""
    changes = _changes()
    if migration_id not in changes:
        raise CommandError(f"migrations/schema.json does not know {migration_id}; run: make schema")
    return list(changes[migration_id])


@cache
def _changes() -> dict[str, dict[str, Any]]:
    """The tables that each migration makes or changes, by its id, as they are after it."""
    return json.loads(SCHEMA_FILE.read_text())
