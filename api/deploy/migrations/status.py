"""How the database stands to the migrations of the folder."""

from dataclasses import asdict, dataclass
from typing import Any

from piccolo.apps.migrations.tables import Migration

from api.deploy.migrations.migration import all_migrations
from api.deploy.migrations.pending import migration_ids, recorded_ids


@dataclass(frozen=True)
class Status:
    """Ids of migrations, each list in their order."""

    applied: list[str]
    pending: list[str]
    edited: list[str]
    """Applied, but the file says something else by now."""
    missing: list[str]
    """Applied, but there is no file."""
    out_of_order: list[str]
    """Pending, though a newer one is applied: merged late, and never tried in this order."""

    @property
    def needs_a_person(self) -> bool:
        return bool(self.edited or self.missing or self.out_of_order)

    def as_json(self) -> dict[str, Any]:
        return {("outOfOrder" if name == "out_of_order" else name): ids for name, ids in asdict(self).items()}


async def read_status() -> Status:
    in_folder = sorted(migration_ids())
    applied = sorted(await recorded_ids())
    pending = sorted(set(in_folder) - set(applied))
    newest = applied[-1] if applied else ""
    return Status(
        applied=applied,
        pending=pending,
        edited=await _edited(),
        missing=sorted(set(applied) - set(in_folder)),
        out_of_order=[migration_id for migration_id in pending if migration_id < newest],
    )


async def _edited() -> list[str]:
    recorded = await _checksums()
    return [
        migration.migration_id
        for migration in all_migrations()
        if recorded.get(migration.migration_id) not in (None, migration.checksum)
    ]


async def _checksums() -> dict[str, str | None]:
    if not await recorded_ids():
        return {}
    # Read as JSON, because a database that no guarded run has seen yet lacks the column.
    rows = await Migration.raw(
        "SELECT name, to_jsonb(migration) ->> 'checksum' AS checksum FROM migration"
        " WHERE app_name = 'gatehouse'"
    )
    return {row["name"]: row["checksum"] for row in rows}
