"""`gatehouse db status`: the migrations of the folder compared with those that are applied."""

from dataclasses import asdict, dataclass
from typing import Any

from piccolo.apps.migrations.tables import Migration

from api.deploy.migrations.history import APP
from api.deploy.migrations.migration import all_migrations
from api.deploy.migrations.pending import applied_ids, migration_ids
from api.deploy.migrations.replaced import replaced_ids


@dataclass(frozen=True)
class Status:
    """Migration ids, each list in the order of the migrations."""

    applied: list[str]
    pending: list[str]
    edited: list[str]
    """Applied, and the SQL of the file was changed since."""
    missing: list[str]
    """Applied, and the file is not in the folder."""
    out_of_order: list[str]
    """Pending, and a newer one is applied: merged late, and not tested in this order."""

    @property
    def needs_attention(self) -> bool:
        return bool(self.edited or self.missing or self.out_of_order)

    def as_json(self) -> dict[str, Any]:
        return {("outOfOrder" if name == "out_of_order" else name): ids for name, ids in asdict(self).items()}


async def read_status() -> Status:
    in_folder = sorted(migration_ids())
    applied = sorted(await applied_ids())
    pending = sorted(set(in_folder) - set(applied))
    newest = applied[-1] if applied else ""
    return Status(
        applied=applied,
        pending=pending,
        edited=await _edited(),
        missing=sorted(set(applied) - set(in_folder) - replaced_ids(applied)),
        out_of_order=[migration_id for migration_id in pending if migration_id < newest],
    )


async def _edited() -> list[str]:
    recorded = await _recorded_checksums()
    return [
        migration.migration_id
        for migration in all_migrations()
        if recorded.get(migration.migration_id)
        not in (None, migration.checksum, migration.replaces.get(migration.migration_id))
    ]


async def _recorded_checksums() -> dict[str, str | None]:
    """By migration id; None for a migration that was applied without a checksum."""
    if not await applied_ids():
        return {}
    # As JSON, because the column is missing until Gatehouse has applied a migration.
    rows = await Migration.raw(
        f"SELECT name, to_jsonb(migration) ->> 'checksum' AS checksum FROM migration WHERE app_name = '{APP}'"
    )
    return {row["name"]: row["checksum"] for row in rows}
