"""A step of a migration that changes rows: in batches, while the application reads and writes them."""

from collections.abc import Mapping
from dataclasses import dataclass

from api.deploy.migrations import backfill_sql, retained_columns, retained_data
from api.deploy.migrations.backfill_sql import PASSES, PLATFORM, PROGRESS
from api.deploy.migrations.history import is_recorded, literal
from api.deploy.migrations.retained_data import REFUSED


@dataclass(frozen=True)
class Backfill:
    """Set columns of the rows of `table` for which `where` is true.

    `values` maps a column to the SQL expression of its new value. `where` must be false for a row that has
    its new values: it says which rows are left, for the next batch and for a run after one that was killed.
    The primary key of the table is `id`.

    A revert restores the old values if `keep` is true; they are in the schema `gatehouse_undone` until then.
    Columns that the same migration adds need no `keep`. `pause` is in seconds, between two batches.
    `reads` is a column that a later migration drops: without it the step does nothing.
    """

    table: str
    values: Mapping[str, str]
    where: str
    keep: bool = False
    pause: float = 0.05
    reads: str | None = None

    @property
    def sql(self) -> str:
        """The statement for tables without other users; it does not keep the old values."""
        update = f"UPDATE {self.table} SET {self._assignments} WHERE ({self.where})"
        if self.reads is None:
            return update
        exists = retained_data.column_exists(self.table, self.reads)
        return f"DO $$ BEGIN IF {exists} THEN {update}; END IF; END $$"

    @property
    def _assignments(self) -> str:
        return ", ".join(f'"{column}" = {value}' for column, value in self.values.items())

    def copy(self, migration_id: str, number: int) -> str:
        """The table with the old values, for the step with this number."""
        return f"{retained_columns.copy_of(self.table, migration_id)}_{number}"

    def statement(self, migration_id: str, number: int) -> str:
        """The SQL that applies the step; see `backfill_sql`."""
        step = f"name = {literal(migration_id)} AND step = {number}"
        copy = self.copy(migration_id, number) if self.keep else None
        return backfill_sql.loop(
            table=self.table,
            source=self.table,
            where=self.where,
            prepare=self._prepare(step, f"{literal(migration_id)}, {number}", copy),
            batch=self._batch(step, copy),
            end_of_pass=self._end_of_pass(step),
            pause=self.pause,
        )

    def _prepare(self, step: str, key: str, copy: str | None) -> str:
        return f"""\
{self._return_without_column}{PLATFORM}
IF to_regclass('{PROGRESS}') IS NULL THEN
    CREATE TABLE {PROGRESS} (
        name text, step integer, last_id text, rows_done bigint, PRIMARY KEY (name, step)
    );
END IF;
INSERT INTO {PROGRESS} VALUES ({key}, NULL, 0) ON CONFLICT DO NOTHING;
{self._create_copy(copy) if copy else ""}
SELECT last_id, rows_done INTO _after, _done FROM {PROGRESS} WHERE {step};
_total := _done + (SELECT count(*) FROM {self.table} WHERE ({self.where}));
COMMIT;
{backfill_sql.WARN_OF_INVISIBLE_STANDBYS}"""

    @property
    def _return_without_column(self) -> str:
        if self.reads is None:
            return ""
        return f"IF NOT {retained_data.column_exists(self.table, self.reads)} THEN\n    RETURN;\nEND IF;\n"

    def _create_copy(self, copy: str) -> str:
        old = ", ".join(f'"{column}"' for column in self.values)
        new = ", ".join(f'"{column}" AS "new {column}"' for column in self.values)
        return f"""\
IF to_regclass('{copy}') IS NULL THEN
    CREATE TABLE {copy} AS SELECT id, {old}, {new} FROM {self.table} WITH NO DATA;
    ALTER TABLE {copy} ADD PRIMARY KEY (id);
    {retained_data.protect(copy)}
END IF;"""

    def _batch(self, step: str, copy: str | None) -> str:
        """The progress is in the transaction of its rows. Its lock admits one process at a time."""
        columns = "".join(f', "{column}"' for column in self.values) if copy else ""
        return f"""\
PERFORM FROM {PROGRESS} WHERE {step} FOR UPDATE;
WITH old AS MATERIALIZED (
    SELECT id{columns} FROM {self.table}
     WHERE (_after IS NULL OR id > _after) AND id <= _until AND ({self.where})
     ORDER BY id FOR NO KEY UPDATE
), changed AS (
    UPDATE {self.table} SET {self._assignments} WHERE id IN (SELECT id FROM old)
    RETURNING id, ({self.where}) AS backfill_again{columns}
){self._keep(copy) if copy else ""}
SELECT count(*), count(*) FILTER (WHERE backfill_again) INTO _changed, _again FROM changed;
{self._refuse_second_change()}
UPDATE {PROGRESS} SET last_id = _until::text, rows_done = rows_done + _changed WHERE {step}
RETURNING rows_done INTO _done;"""

    def _keep(self, copy: str) -> str:
        old = "".join(f', old."{column}"' for column in self.values)
        new = "".join(f', changed."{column}"' for column in self.values)
        return f""", kept AS (
    INSERT INTO {copy} SELECT id{old}{new} FROM old JOIN changed USING (id) ON CONFLICT (id) DO NOTHING
)"""

    def _refuse_second_change(self) -> str:
        refusal = (
            f"the backfill of {self.table} would change rows twice: its where is still true for a row that"
            " has its new values; correct the where"
        )
        return f"""\
IF _again > 0 THEN
    RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = {literal(refusal)};
END IF;"""

    def _end_of_pass(self, step: str) -> str:
        return f"""\
{PLATFORM}
SELECT count(*) INTO _left FROM {self.table} WHERE ({self.where});
IF _left = 0 OR _passes = {PASSES} THEN
{backfill_sql.changed_message(self.table)}
    DELETE FROM {PROGRESS} WHERE {step};
    IF NOT EXISTS (SELECT FROM {PROGRESS}) THEN
        DROP TABLE {PROGRESS};
    END IF;
    EXIT;
END IF;"""

    def restore_statement(self, migration_id: str, number: int) -> str:
        """The SQL that restores the old values. A row that was edited since stays as it is."""
        copy = self.copy(migration_id, number)
        return backfill_sql.loop(
            table=self.table,
            source=copy,
            where="true",
            prepare=f"{PLATFORM}\n_total := (SELECT count(*) FROM {copy});\nCOMMIT;",
            batch=self._restore(copy),
            end_of_pass=f"{backfill_sql.restored_message(self.table)}\nEXIT;",
            pause=self.pause,
        )

    def _restore(self, copy: str) -> str:
        assignments = ", ".join(f'"{column}" = moved."{column}"' for column in self.values)
        unedited = " AND ".join(
            f'{self.table}."{column}" IS NOT DISTINCT FROM moved."new {column}"' for column in self.values
        )
        return f"""\
WITH moved AS (
    DELETE FROM {copy} WHERE (_after IS NULL OR id > _after) AND id <= _until RETURNING *
), restored AS (
    UPDATE {self.table} SET {assignments} FROM moved WHERE {self.table}.id = moved.id AND {unedited}
    RETURNING {self.table}.id
)
SELECT count(*), count(*) - (SELECT count(*) FROM restored) INTO _changed, _again FROM moved;
_done := _done + _changed;
_edited := _edited + _again;"""


def require_copies(copies: Mapping[str, str]) -> str:
    """SQL that refuses if a table with old values is missing; `copies` maps it to the id of its migration."""
    return "\n".join(
        f"""\
DO $$ BEGIN
    IF to_regclass('{copy}') IS NULL AND {is_recorded(literal(migration_id))} THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE =
            '{migration_id} cannot be reverted: the old values in {copy} are erased, or were never kept';
    END IF;
END $$;"""
        for copy, migration_id in copies.items()
    )
