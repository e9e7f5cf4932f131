"""SQL for Piccolo's table `migration`, which lists the applied migrations, and for Gatehouse's column in it.

It is text, because `piccolo migrations …` runs it and `gatehouse db sql` prints it.
"""

from collections.abc import Collection, Sequence

from piccolo.apps.migrations.tables import Migration

APP = "gatehouse"

IS_PICCOLOS = """
EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('migration') AND attname = 'app_name')
"""

FOREIGN = "the table migration belongs to another system; rename it: ALTER TABLE migration RENAME TO …"

# The IF comes first because even an ALTER TABLE that changes nothing blocks readers.
ADD_CHECKSUMS = """\
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = 'migration'::regclass AND attname = 'checksum'
    ) THEN
        ALTER TABLE migration ADD COLUMN checksum text;
    END IF;
END $$;"""


def create_table() -> str:
    """The statements with which Piccolo creates the table, where it is missing."""
    return "\n".join(f"{statement};" for statement in Migration.create_table(if_not_exists=True).ddl)


def is_recorded(expression: str) -> str:
    """A condition: the migration whose id is the value of the SQL `expression` is applied."""
    return f"EXISTS (SELECT FROM migration WHERE app_name = '{APP}' AND name = {expression})"


def insert_record(migration_id: str, checksum: str | None) -> str:
    values = f"{literal(migration_id)}, '{APP}', clock_timestamp(), {literal(checksum)}"
    return f"INSERT INTO migration (name, app_name, ran_on, checksum) VALUES ({values});"


def delete_records(migration_ids: Collection[str]) -> str:
    """By app and id: Piccolo deletes by id alone, also the rows of other apps."""
    return f"DELETE FROM migration WHERE app_name = '{APP}' AND name = ANY ({array(sorted(migration_ids))});"


def literal(text: str | None) -> str:
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def array(names: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(map(repr, names))}]::text[]"
