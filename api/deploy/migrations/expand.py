"""The first of the two deploys that remove or rename a column: old and new servers run side by side.

The second one is a `Contract`. The SQL of these steps is in databases: a change of it would be a difference
between those and the migrations.
"""

from dataclasses import dataclass

from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.index import Index
from api.deploy.migrations.retained_data import column_exists


@dataclass(frozen=True)
class Loop:
    """SQL that commits after each batch. Run it outside of a transaction."""

    sql: str


Part = str | Index | Loop
"""A part of a step: SQL for a transaction, an index that is created concurrently, or a `Loop`."""


@dataclass(frozen=True)
class Retire:
    """The application does not use the column from the release of this migration on.

    Older servers still read it. If it was NOT NULL without a default, new rows get `default`, an SQL
    expression, or null if `was_required` is true. A trigger keeps the column equal to `renamed_to`.
    """

    table: str
    column: str
    default: str | None = None
    was_required: bool = False
    renamed_to: str | None = None

    @property
    def sql(self) -> str:
        alter = f'ALTER TABLE {self.table} ALTER COLUMN "{self.column}"'
        if self.default is not None:
            return self._if_exists(f"{alter} SET DEFAULT {self.default};")
        return self._if_exists(f"{alter} DROP NOT NULL;") if self.was_required else ""

    @property
    def revert_sql(self) -> str:
        """Rows without a value make a NOT NULL impossible; they stay, and the column may be null."""
        alter = f'ALTER TABLE {self.table} ALTER COLUMN "{self.column}"'
        if self.default is not None:
            return self._if_exists(f"{alter} DROP DEFAULT;")
        if not self.was_required:
            return ""
        is_null = f'EXISTS (SELECT FROM {self.table} WHERE "{self.column}" IS NULL)'
        return self._if_exists(f"IF NOT {is_null} THEN {alter} SET NOT NULL; END IF;")

    def _if_exists(self, statement: str) -> str:
        """A later migration drops the column. If the history lost its rows, this step meets that."""
        return f"DO $$ BEGIN IF {column_exists(self.table, self.column)} THEN {statement} END IF; END $$;"


@dataclass(frozen=True)
class Rename:
    """Add the column `to`, which has the value of `column` in each row, whichever of them a server writes.

    A trigger writes the other one. `type` and `default` are those of both columns, as SQL.
    """

    table: str
    column: str
    to: str
    type: str
    default: str | None = None
    not_null: bool = False

    @property
    def renamed_to(self) -> str:
        return self.to

    @property
    def pair(self) -> "ColumnPair":
        return ColumnPair(self.table, self.column, self.to, self.default or "NULL")

    @property
    def _definition(self) -> str:
        default = f" DEFAULT {self.default}" if self.default is not None else ""
        return f"{self.type}{' NOT NULL' if self.not_null and default else ''}{default}"

    @property
    def _add_column(self) -> str:
        return f"""\
ALTER TABLE {self.table} ADD COLUMN IF NOT EXISTS "{self.to}" {self._definition};
{self.pair.create_trigger}"""

    @property
    def _require_values(self) -> list[str]:
        if not self.not_null or self.default is not None:
            return []
        return require_values(self.table, self.to, self.pair.name)

    @property
    def _fill(self) -> Backfill:
        """Only rows that the trigger has not written, which would be stale if a later migration ran."""
        default = self.default or "NULL"
        return Backfill(
            self.table,
            values={self.to: f'"{self.column}"'},
            where=f'"{self.to}" IS NOT DISTINCT FROM {default}'
            f' AND "{self.column}" IS DISTINCT FROM {default}',
            reads=self.column,
        )

    @property
    def sql(self) -> str:
        return "\n".join([self._add_column, f"{self._fill.sql};", *self._require_values])

    def parts(self, migration_id: str, number: int) -> list[Part]:
        return [self._add_column, Loop(self._fill.statement(migration_id, number)), *self._require_values]

    @property
    def revert_sql(self) -> str:
        """Drops the column without keeping it: the old one has its values."""
        return (
            f'{self.pair.drop_trigger}\nALTER TABLE IF EXISTS {self.table} DROP COLUMN IF EXISTS "{self.to}";'
        )


@dataclass(frozen=True)
class ColumnPair:
    """Two columns of a table that a trigger keeps equal. `default` is an SQL expression, of both."""

    table: str
    old: str
    new: str
    default: str

    @property
    def name(self) -> str:
        """Of the trigger and of its function. It leaves room for `_check`."""
        return f"{self.table}_{self.old}_{self.new}".lower()[:57]

    @property
    def create_trigger(self) -> str:
        """An INSERT names one of the columns, and the other one has its default. An UPDATE changes one."""
        return f"""\
CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql AS $trigger$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW."{self.new}" IS NOT DISTINCT FROM {self.default} THEN
            NEW."{self.new}" := NEW."{self.old}";
        ELSE
            NEW."{self.old}" := NEW."{self.new}";
        END IF;
    ELSIF NEW."{self.new}" IS DISTINCT FROM OLD."{self.new}" THEN
        NEW."{self.old}" := NEW."{self.new}";
    ELSIF NEW."{self.old}" IS DISTINCT FROM OLD."{self.old}" THEN
        NEW."{self.new}" := NEW."{self.old}";
    END IF;
    RETURN NEW;
END $trigger$;
DO $$ BEGIN
    IF {column_exists(self.table, self.old)} THEN
        CREATE OR REPLACE TRIGGER {self.name} BEFORE INSERT OR UPDATE ON {self.table}
            FOR EACH ROW EXECUTE FUNCTION {self.name}();
    END IF;
END $$;"""

    @property
    def drop_trigger(self) -> str:
        return f"DROP TRIGGER IF EXISTS {self.name} ON {self.table};\nDROP FUNCTION IF EXISTS {self.name}();"


def require_values(table: str, column: str, name: str) -> list[str]:
    """SET NOT NULL, each statement for a transaction. `name` is for a check, which is dropped at the end.

    With a valid check PostgreSQL does not read the table while it is locked.
    """
    check, alter = f'"{name}_check"', f"ALTER TABLE {table}"
    exists = f"conrelid = '{table}'::regclass AND conname = '{name}_check'"
    required = f"attrelid = '{table}'::regclass AND attname = '{column}' AND attnotnull"
    return [
        f"""\
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE {exists})
        AND NOT EXISTS (SELECT FROM pg_attribute WHERE {required})
    THEN
        {alter} ADD CONSTRAINT {check} CHECK ("{column}" IS NOT NULL) NOT VALID;
    END IF;
END $$;""",
        f"""\
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE {exists}) THEN
        {alter} VALIDATE CONSTRAINT {check};
    END IF;
END $$;""",
        f'{alter} ALTER COLUMN "{column}" SET NOT NULL;\n{alter} DROP CONSTRAINT IF EXISTS {check};',
    ]
