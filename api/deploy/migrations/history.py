"""The table in which Piccolo notes which migrations are applied, and the column that Gatehouse adds to it.

As SQL text, because `piccolo migrations …` runs it and `gatehouse db sql` prints it.
"""

from collections.abc import Sequence

from piccolo.apps.migrations.tables import Migration

APP = "gatehouse"

# Asked for first, because even a needless ALTER TABLE blocks readers.
ADD_CHECKSUMS = """\
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = 'migration'::regclass AND attname = 'checksum'
    ) THEN
        ALTER TABLE migration ADD COLUMN checksum text;
    END IF;
END $$;"""


def create_table() -> str:
    """What Piccolo does before it looks for what is applied."""
    return "\n".join(f"{statement};" for statement in Migration.create_table(if_not_exists=True).ddl)


def is_recorded(expression: str) -> str:
    """Whether a migration is applied whose id is the value of the SQL `expression`."""
    return f"EXISTS (SELECT FROM migration WHERE app_name = '{APP}' AND name = {expression})"


def record(migration_id: str, checksum: str | None) -> str:
    values = f"{literal(migration_id)}, '{APP}', clock_timestamp(), {literal(checksum)}"
    return f"INSERT INTO migration (name, app_name, ran_on, checksum) VALUES ({values});"


def erase(migration_id: str) -> str:
    """By app and id: Piccolo deletes by id alone, whosever migration it is."""
    return f"DELETE FROM migration WHERE app_name = '{APP}' AND name = {literal(migration_id)};"


def literal(text: str | None) -> str:
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def array(names: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(map(repr, names))}]::text[]"
