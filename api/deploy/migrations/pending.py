"""Which migrations are in the folder, which are applied, and which are pending."""

from piccolo.apps.migrations.tables import Migration

from api.command_error import CommandError
from api.deploy.migrations.history import APP, FOREIGN, IS_PICCOLOS
from api.deploy.paths import MIGRATIONS


async def pending_migrations() -> list[str]:
    """The ids of the migrations in the folder that are not applied, in the order in which they will run."""
    return sorted(set(migration_ids()) - set(await applied_ids()))


def migration_ids() -> list[str]:
    """The ids of the migrations in the folder, in no order.

    They come from the file names, because /readyz asks for them and should not import every file. The file
    `gatehouse_2026_11_24t00_00_11_402318.py` holds the migration `2026-11-24T00:00:11:402318`.
    """
    return [_id(path.stem) for path in MIGRATIONS.glob("gatehouse_*.py")]


def _id(name: str) -> str:
    date, _, time = name.removeprefix("gatehouse_").upper().partition("T")
    return f"{date.replace('_', '-')}T{time.replace('_', ':')}"


_TABLE = f"SELECT to_regclass('migration') IS NOT NULL AS exists, {IS_PICCOLOS} AS is_piccolos"


async def applied_ids() -> list[str]:
    """The ids in the table `migration`. Raises `CommandError` if the table is not Piccolo's."""
    (table,) = await Migration.raw(_TABLE)
    if not table["exists"]:
        return []
    if not table["is_piccolos"]:
        raise CommandError(FOREIGN)
    return await Migration.get_migrations_which_ran(app_name=APP)
