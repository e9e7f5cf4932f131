"""What the migrations build, as it is committed beside them: nothing has to be built to compare with it."""

import json
from functools import cache
from typing import Any

from api.deploy.catalog import Catalog, Table
from api.deploy.pending import MIGRATIONS
from api.errors import CommandFailed

SCHEMA_FILE = MIGRATIONS / "schema.json"


def wanted_catalog(last_id: str | None = None) -> Catalog:
    """The tables after all migrations, or after those up to `last_id`.

    Raises `CommandFailed` for a migration that the file does not know yet.
    """
    changes = _changes()
    if last_id is not None and last_id not in changes:
        raise CommandFailed(f"migrations/schema.json does not know {last_id}; run: make schema")
    catalog: Catalog = {}
    for migration_id, tables in sorted(changes.items()):
        if last_id is None or migration_id <= last_id:
            catalog |= {name: Table.from_json(parts) for name, parts in tables.items()}
    return catalog


@cache
def _changes() -> dict[str, dict[str, Any]]:
    """The tables that each migration makes or changes, by its id, as they are after it."""
    return json.loads(SCHEMA_FILE.read_text())
