"""The migrations that a squashed one replaces: their records in the history of a database."""

from collections.abc import Collection

from api.deploy.migrations.history import APP, array, is_recorded, literal
from api.deploy.migrations.migration import SqlMigration, all_migrations
from api.deploy.migrations.retained_data import REFUSED


def replaced_ids(applied: Collection[str]) -> set[str]:
    """The ids of migrations without a file, in the place of which a squashed migration is applied."""
    return {
        replaced
        for migration in all_migrations()
        if migration.migration_id in applied
        for replaced in migration.replaces
        if replaced != migration.migration_id
    }


def refuse_some_applied(migration: SqlMigration) -> str:
    """SQL, for before `migration` is applied, that refuses if some of those that it replaces are applied.

    Empty if it replaces none.
    """
    if not migration.replaces:
        return ""
    message = (
        f"{migration.migration_id} replaces {len(migration.replaces)} migrations, and %s is the newest of"
        " them that is applied; first apply the others with a version that has their files"
    )
    return f"""\
DO $$
DECLARE
    newest text;
BEGIN
    IF to_regclass('migration') IS NULL THEN
        RETURN;
    END IF;
    SELECT max(name COLLATE "C") INTO newest
      FROM migration WHERE app_name = '{APP}' AND name = ANY ({array(list(migration.replaces))});
    IF newest IS NOT NULL AND NOT {is_recorded(literal(migration.migration_id))} THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format({literal(message)}, newest);
    END IF;
END $$;"""
