"""The second of the two deploys that remove or rename a column: it drops what no server uses any more.

The first one is a `Retire` or a `Rename`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from api.deploy.migrations import backfill_sql, retained_columns, retained_data, retained_objects
from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.backfill_sql import PLATFORM
from api.deploy.migrations.expand import ColumnPair, Loop, Part, require_values
from api.deploy.migrations.history import literal
from api.deploy.migrations.index import Index
from api.deploy.migrations.object_definitions import CREATE_FUNCTION
from api.deploy.migrations.retained_data import REFUSED, column_exists
from api.deploy.migrations.server_processes import EXPIRY_SECONDS, older_servers


@dataclass(frozen=True)
class Contract:
    """Drop `column`, which servers do not use from the release `unused_since` on: the id of a migration.

    It is refused while an older server runs. A revert adds the column again, with `type`, `default` and
    `not_null`, then its values, `indexes` and `constraints` (definitions by name). The values are those of
    `renamed_to`, or are in the schema `gatehouse_undone`.
    """

    table: str
    column: str
    unused_since: str
    type: str
    default: str | None = None
    not_null: bool = False
    renamed_to: str | None = None
    indexes: tuple[Index, ...] = ()
    constraints: Mapping[str, str] = field(default_factory=dict)

    @property
    def pair(self) -> ColumnPair | None:
        if self.renamed_to is None:
            return None
        return ColumnPair(self.table, self.column, self.renamed_to, self.default or "NULL")

    @property
    def sql(self) -> str:
        """For empty copies of the tables. Their trigger may call the function of the real ones."""
        trigger = f"DROP TRIGGER IF EXISTS {self.pair.name} ON {self.table};\n" if self.pair else ""
        return f'{trigger}ALTER TABLE {self.table} DROP COLUMN IF EXISTS "{self.column}";'

    def copy(self, migration_id: str, number: int) -> str | None:
        """The table with the values, for the step with this number; None if another column has them."""
        if self.renamed_to is not None:
            return None
        return f"{retained_columns.copy_of(self.table, migration_id)}_{number}"

    def parts(self, migration_id: str, number: int) -> list[Part]:
        copy = self.copy(migration_id, number)
        drop = self.drop(migration_id)
        return [drop] if copy is None else [Loop(self._keep(copy)), drop]

    def drop(self, migration_id: str) -> str:
        """Run it in a transaction."""
        return "\n".join(
            [
                self.refuse_if_used(migration_id, lock=True),
                CREATE_FUNCTION,
                retained_objects.READ_BEFORE,
                self.drop_column,
                retained_objects.save_contracted(
                    migration_id, self.created_names, {self.table: [self.column]}
                ),
            ]
        )

    @property
    def drop_column(self) -> str:
        """It is rehearsed before the first migration, perhaps without the table."""
        trigger = f"{self.pair.drop_trigger}\n" if self.pair else ""
        return f'{trigger}ALTER TABLE IF EXISTS {self.table} DROP COLUMN IF EXISTS "{self.column}";'

    @property
    def created_names(self) -> list[str]:
        """The names of what a revert creates beside the column."""
        return [
            *(one.name for one in self.indexes),
            *self.constraints,
            *([self.pair.name] if self.pair else []),
        ]

    def refuse_if_used(self, migration_id: str, *, unless: str = "false", lock: bool = False) -> str:
        """SQL that refuses while a server uses the column, or while an object depends on it.

        `unless` is a condition. `lock` lets no server register until the end of the transaction.
        """
        name = f"{migration_id} drops {self.table}.{self.column}"
        servers = (
            f"{name}, which releases before {self.unused_since} use, and of these run: %s; deploy a newer"
            " release everywhere, stop them, and run the migrations again; a process that crashed is"
            f" forgotten after {EXPIRY_SECONDS} s"
        )
        dependents = f"{name}, and other objects depend on it: %s; drop them first"
        refuse = f"RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format"
        return f"""\
DO $$
DECLARE
    found text;
BEGIN
    IF {unless} OR NOT {column_exists(self.table, self.column)} THEN
        RETURN;
    END IF;
    IF to_regclass('server_processes') IS NOT NULL THEN
        {PLATFORM}
        {"LOCK TABLE server_processes IN SHARE MODE;" if lock else ""}
        found := ({older_servers(self.unused_since)});
    END IF;
    IF found IS NOT NULL THEN
        {refuse}({literal(servers)}, found);
    END IF;
    found := ({self._dependents});
    IF found IS NOT NULL THEN
        {refuse}({literal(dependents)}, found);
    END IF;
END $$;"""

    @property
    def _dependents(self) -> str:
        """A query for the names of what PostgreSQL does not drop with the column, such as views."""
        return f"""\
SELECT string_agg(DISTINCT pg_describe_object(classid, objid, objsubid), ', ') FROM pg_depend one
 WHERE refclassid = 'pg_class'::regclass AND deptype = 'n'
   AND (refobjid, refobjsubid) = (
       SELECT attrelid, attnum FROM pg_attribute
        WHERE attrelid = to_regclass('{self.table}') AND attname = '{self.column}'
   )
   AND NOT EXISTS (
       SELECT FROM pg_depend own
        WHERE (own.classid, own.objid, own.refobjid) = (one.classid, one.objid, one.refobjid)
          AND own.deptype IN ('a', 'i')
   )"""

    @property
    def _is_unedited(self) -> str:
        """Whether a row has what ADD COLUMN gave it, which is unknown for a default such as now()."""
        return "true" if "(" in (self.default or "") else f"NOT ({self.table}.{self._has_value})"

    @property
    def _has_value(self) -> str:
        return f'"{self.column}" IS DISTINCT FROM {self.default or "NULL"}'

    def _keep(self, copy: str) -> str:
        """Copy the values. They do not change meanwhile, because no server writes the column."""
        return backfill_sql.loop(
            table=self.table,
            source=self.table,
            where=self._has_value,
            prepare=f"""\
IF NOT {column_exists(self.table, self.column)} THEN
    RETURN;
END IF;
{PLATFORM}
{self._create_copy(copy)}
_total := (SELECT count(*) FROM {self.table} WHERE {self._has_value});
COMMIT;
{backfill_sql.WARN_OF_INVISIBLE_STANDBYS}""",
            batch=f"""\
WITH kept AS (
    INSERT INTO {copy} SELECT id, "{self.column}" FROM {self.table}
     WHERE (_after IS NULL OR id > _after) AND id <= _until AND {self._has_value}
    ON CONFLICT (id) DO UPDATE SET "{self.column}" = excluded."{self.column}" RETURNING id
)
SELECT count(*) INTO _changed FROM kept;
_done := _done + _changed;""",
            end_of_pass=f"RAISE INFO 'keeps % rows of {self.table} ({self.column})', _done;\nEXIT;",
            pause=0.0,
        )

    def _create_copy(self, copy: str) -> str:
        return f"""\
IF to_regclass('{copy}') IS NULL THEN
    CREATE TABLE {copy} AS SELECT id, "{self.column}" FROM {self.table} WITH NO DATA;
    ALTER TABLE {copy} ADD PRIMARY KEY (id);
    {retained_data.protect(copy)}
END IF;"""

    def keep_at_once(self, migration_id: str, number: int) -> str:
        """The SQL that copies the values in an open transaction, from a table without other users."""
        copy = self.copy(migration_id, number)
        if copy is None:
            return ""
        return f"""\
{retained_data.CREATE_SCHEMA}
DO $$ BEGIN
    IF {column_exists(self.table, self.column)} THEN
        {PLATFORM}
        {self._create_copy(copy)}
        INSERT INTO {copy} SELECT id, "{self.column}" FROM {self.table} WHERE {self._has_value}
        ON CONFLICT (id) DO UPDATE SET "{self.column}" = excluded."{self.column}";
    END IF;
END $$;"""

    def revert_parts(self, migration_id: str, number: int) -> list[Part]:
        copy = self.copy(migration_id, number)
        return [
            self.add_column,
            Loop(self._fill(migration_id, number) if copy is None else self._restore(copy)),
            *self._require_values,
            *self.indexes,
            *(part for name, one in self.constraints.items() for part in self._add_constraint(name, one)),
        ]

    @property
    def add_column(self) -> str:
        trigger = f"\n{self.pair.create_trigger}" if self.pair else ""
        return (
            f'ALTER TABLE {self.table} ADD COLUMN IF NOT EXISTS "{self.column}" {self._definition};{trigger}'
        )

    @property
    def _definition(self) -> str:
        default = f" DEFAULT {self.default}" if self.default is not None else ""
        return f"{self.type}{' NOT NULL' if self.not_null and default else ''}{default}"

    @property
    def _require_values(self) -> list[str]:
        if not self.not_null or self.default is not None or self.pair is None:
            return []
        return require_values(self.table, self.column, self.pair.name)

    def _fill(self, migration_id: str, number: int) -> str:
        where = f'"{self.column}" IS DISTINCT FROM "{self.renamed_to}"'
        fill = Backfill(self.table, values={self.column: f'"{self.renamed_to}"'}, where=where)
        return fill.statement(migration_id, number)

    def _restore(self, copy: str) -> str:
        """A value that was written since the column is back stays."""
        return backfill_sql.loop(
            table=self.table,
            source=copy,
            where="true",
            prepare=f"{PLATFORM}\n_total := (SELECT count(*) FROM {copy});\nCOMMIT;",
            batch=f"""\
WITH moved AS (
    DELETE FROM {copy} WHERE (_after IS NULL OR id > _after) AND id <= _until RETURNING *
), restored AS (
    UPDATE {self.table} SET "{self.column}" = moved."{self.column}" FROM moved
     WHERE {self.table}.id = moved.id AND {self._is_unedited}
    RETURNING {self.table}.id
)
SELECT count(*), count(*) - (SELECT count(*) FROM restored) INTO _changed, _again FROM moved;
_done := _done + _changed;
_edited := _edited + _again;""",
            end_of_pass=f"{backfill_sql.restored_message(self.table)}\nEXIT;",
            pause=0.0,
        )

    def _add_constraint(self, name: str, definition: str) -> list[str]:
        alter = f"ALTER TABLE {self.table}"
        return [
            f"""\
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_constraint WHERE conrelid = '{self.table}'::regclass AND conname = '{name}'
    ) THEN
        {alter} ADD CONSTRAINT "{name}" {definition} NOT VALID;
    END IF;
END $$;""",
            f'{alter} VALIDATE CONSTRAINT "{name}";',
        ]
