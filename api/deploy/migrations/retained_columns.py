"""The values of reverted columns: copied to a table `<table>_<migration>`, with the ids of their rows.

SQL text under the rules of `retained_data`.
"""

from collections.abc import Mapping, Sequence

from api.database.engine import get_engine
from api.deploy.migrations.history import array
from api.deploy.migrations.retained_data import (
    REFUSED,
    SCHEMA,
    already_retained,
    execute,
    info_messages,
    protect,
)

BATCH = 5000
"""Rows that are restored in one transaction, which locks them against other writes."""


def retain_columns(
    migration_id: str, columns: Mapping[str, Sequence[str]], *, rehearses: bool = False
) -> str:
    """Copy the values of `columns`, by table, from the rows in which one differs from its default.

    A rehearsal copies no rows.
    """
    return "\n".join(
        _retain_columns(table, names, copy_of(table, migration_id), rehearses=rehearses)
        for table, names in columns.items()
    )


def _retain_columns(table: str, names: Sequence[str], copy: str, *, rehearses: bool) -> str:
    report = f"RAISE INFO 'keeps % rows of {table} (%)', copied, array_to_string(present, ', ');"
    # Not generated columns: PostgreSQL computes them again, and accepts no other value.
    return f"""\
DO $$
DECLARE
    present text[];
    listed text;
    differing text;
    copied bigint;
BEGIN
    SELECT array_agg(attname), string_agg(quote_ident(attname), ', '),
           string_agg(format('%I IS DISTINCT FROM %s', attname, coalesce(value, 'NULL')), ' OR ')
      INTO present, listed, differing
      FROM (
          SELECT a.attname, pg_get_expr(d.adbin, d.adrelid) AS value
            FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
           WHERE a.attrelid = to_regclass('{table}') AND a.attname = ANY ({array(names)})
             AND NOT a.attisdropped AND a.attgenerated = ''
           ORDER BY a.attnum
      ) AS defaults;
    IF present IS NULL THEN
        RETURN;
    END IF;
    IF to_regclass('{copy}') IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = '{already_retained(copy)}';
    END IF;
    EXECUTE format('CREATE TABLE {copy} AS SELECT id, %s FROM {table} WHERE %s{" LIMIT 0" * rehearses}',
        listed, differing);
    GET DIAGNOSTICS copied = ROW_COUNT;
    {protect(copy)}
    {"" if rehearses else report}
END $$;"""


def drop_columns(columns: Mapping[str, Sequence[str]]) -> str:
    """Also drop what depends on them: `retained_objects` saves it, or refuses before."""
    dropped = {
        table: ", ".join(f'DROP COLUMN IF EXISTS "{name}" CASCADE' for name in names)
        for table, names in columns.items()
    }
    return "\n".join(
        f"ALTER TABLE IF EXISTS {table} {actions};" for table, actions in dropped.items() if actions
    )


async def has_retained_columns(migration_id: str, columns: Mapping[str, Sequence[str]]) -> bool:
    copies = [copy_of(table, migration_id) for table in columns]
    sql = "SELECT count(to_regclass(name)) > 0 FROM unnest($1::text[]) AS name"
    async with get_engine().separate_connection() as connection:
        return await connection.fetchval(sql, copies)


async def restore_columns(migration_id: str, columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns a line for each table with rows that were written since."""
    if not columns:
        return []
    # Not in a transaction: the statements commit after each batch, which releases the locks of its rows.
    async with get_engine().separate_connection() as connection:
        with info_messages(connection) as lines:
            for statement in restore_columns_statements(migration_id, columns):
                await execute(connection, statement)
    return lines


def restore_columns_statements(migration_id: str, columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Restore the values and drop the copy, once every column of it exists again.

    A value that was written meanwhile wins: the retained one stays in the schema, in a table that ends in
    `_replaced`. Run each statement outside of a transaction.
    """
    return [_restore_columns(table, copy_of(table, migration_id)) for table in columns]


def _restore_columns(table: str, copy: str) -> str:
    # `untouched` is true for a row in which nothing was written since the column was added. With a volatile
    # default PostgreSQL does not keep the value that it gave, so every row counts as untouched.
    return f"""\
DO $$
DECLARE
    complete boolean;
    assignments text;
    listed text;
    differing text;
BEGIN
    SELECT bool_and(present), string_agg(format(
               '%1$I = CASE WHEN %2$s THEN moved.%1$I ELSE {table}.%1$I END', attname, untouched), ', '),
           string_agg(format('%I', attname), ', '),
           string_agg(format('{table}.%1$I IS DISTINCT FROM moved.%1$I', attname), ' OR ')
      INTO complete, assignments, listed, differing
      FROM ({_columns_of_copy(table, copy)}) AS columns;
    IF complete IS NOT TRUE THEN
        RETURN;
    END IF;
    IF to_regclass('{copy}_replaced') IS NULL THEN
        CREATE TABLE {copy}_replaced (LIKE {copy}, "restoredAt" timestamptz DEFAULT now());
        {protect(f"{copy}_replaced")}
    END IF;
    LOOP
        PERFORM set_config('gatehouse.scope', 'platform', true);
        EXIT WHEN NOT EXISTS (SELECT FROM {copy});
        EXECUTE format('WITH moved AS (DELETE FROM {copy}'
            ' WHERE ctid = ANY (ARRAY(SELECT ctid FROM {copy} LIMIT {BATCH})) RETURNING *), restored AS ('
            ' UPDATE {table} SET %s FROM moved WHERE moved.id = {table}.id'
            ' RETURNING moved.*, %s AS differs'
            ') INSERT INTO {copy}_replaced (id, %3$s) SELECT id, %3$s FROM restored WHERE differs',
            assignments, differing, listed);
        COMMIT;
    END LOOP;
    DROP TABLE {copy};
    {_report_replaced(table, copy)}
END $$;"""


def _report_replaced(table: str, copy: str) -> str:
    return f"""\
IF EXISTS (SELECT FROM {copy}_replaced) THEN
        RAISE INFO '{table}: % rows were written meanwhile and keep their values; the retained ones (%) stay'
            ' in {copy}_replaced', (SELECT count(*) FROM {copy}_replaced), listed;
    ELSE
        DROP TABLE {copy}_replaced;
    END IF;"""


def _columns_of_copy(table: str, copy: str) -> str:
    return f"""
        SELECT copy.attname, target.attname IS NOT NULL AS present,
               CASE WHEN target.atthasmissing
                    THEN format('{table}.%I IS NOT DISTINCT FROM %L::%s', target.attname,
                                (target.attmissingval::text::text[])[1],
                                format_type(target.atttypid, target.atttypmod))
                    WHEN d.adbin IS NULL
                    THEN format('{table}.%I IS NULL', target.attname)
                    WHEN pg_get_expr(d.adbin, d.adrelid) LIKE '%(%'
                    THEN 'true'
                    ELSE format('{table}.%I IS NOT DISTINCT FROM (%s)', target.attname,
                                pg_get_expr(d.adbin, d.adrelid))
               END AS untouched
          FROM pg_attribute copy
          LEFT JOIN pg_attribute target
            ON target.attrelid = to_regclass('{table}') AND target.attname = copy.attname
          LEFT JOIN pg_attrdef d ON d.adrelid = target.attrelid AND d.adnum = target.attnum
         WHERE copy.attrelid = to_regclass('{copy}') AND copy.attnum > 0 AND NOT copy.attisdropped
           AND copy.attname <> 'id'
    """


def copy_of(table: str, migration_id: str) -> str:
    """The table that holds the values of columns of `table` after the migration is reverted."""
    digits = "".join(character for character in migration_id if character.isdigit())
    return f"{SCHEMA}.{table}_{digits}"
