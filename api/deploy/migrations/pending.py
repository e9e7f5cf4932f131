"""Which migrations the database has yet to see."""

from piccolo.apps.migrations.tables import Migration

from api.command_error import CommandError
from api.deploy.paths import MIGRATIONS


async def pending_migrations() -> list[str]:
    """The ids of the migrations in the folder that are not on record, in the order they will run."""
    return sorted(set(migration_ids()) - set(await recorded_ids()))


def migration_ids() -> list[str]:
    """Read off the names of the files, because importing them is work that /readyz should not repeat.

    `gatehouse_2026_11_24t00_00_11_402318.py` holds the migration `2026-11-24T00:00:11:402318`.
    """
    return [_id(path.stem) for path in MIGRATIONS.glob("gatehouse_*.py")]


def _id(name: str) -> str:
    date, _, time = name.removeprefix("gatehouse_").upper().partition("T")
    return f"{date.replace('_', '-')}T{time.replace('_', ':')}"


_TABLE = """
SELECT to_regclass('migration') IS NOT NULL AS there,
       EXISTS (
           SELECT FROM pg_attribute WHERE attrelid = to_regclass('migration') AND attname = 'app_name'
       ) AS ours
"""


async def recorded_ids() -> list[str]:
    """The ids on record. Raises `CommandError` where another system keeps a table of that name."""
    (table,) = await Migration.raw(_TABLE)
    if not table["there"]:
        return []
    if not table["ours"]:
        raise CommandError(
            "the table migration is another system's; give it another name: ALTER TABLE migration RENAME TO …"
        )
    rows = await Migration.raw("SELECT name FROM migration WHERE app_name = 'gatehouse'")
    return [row["name"] for row in rows]
