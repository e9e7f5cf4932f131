"""Objects of the owner of the database, which are dropped with a column: saved, and created again later.

Checks, indexes, grants, comments and more are dropped with a column, and so are the views that read it. Which
ones, PostgreSQL decides: the SQL compares the objects before and after. What a revert has dropped is created
again when its migration is applied again; what a `Contract` has dropped, when its migration is reverted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from api.database.engine import get_engine
from api.deploy.migrations.history import APP, array, literal
from api.deploy.migrations.object_definitions import CREATE_FUNCTION, FUNCTION
from api.deploy.migrations.retained_data import CREATE_SCHEMA_BODY, REFUSED, SCHEMA, execute, info_messages
from api.deploy.migrations.transactions import LOCK_TIMEOUT_MS

TABLE = f"{SCHEMA}.retained_objects"

READ_BEFORE = f"""\
DROP TABLE IF EXISTS pg_temp.gatehouse_before;
CREATE TEMP TABLE gatehouse_before ON COMMIT DROP AS SELECT * FROM {FUNCTION}();"""
"""Run it in the transaction of the revert, before anything is dropped and after `CREATE_FUNCTION`."""


_SAVE_LOST = f"""\
{CREATE_SCHEMA_BODY}
    IF to_regclass('{TABLE}') IS NULL THEN
        CREATE TABLE {TABLE} (
            kind text, relation text, name text, position int, definition text, statements text[],
            migration text, applied boolean, lost boolean, problem text, PRIMARY KEY (kind, relation, name)
        );
    END IF;
    INSERT INTO {TABLE} AS saved
        SELECT kind, relation, name, position, definition, statements, @MIGRATION@, @APPLIED@, true
          FROM gatehouse_lost
        ON CONFLICT (kind, relation, name) DO UPDATE SET position = excluded.position,
            definition = excluded.definition, statements = excluded.statements,
            migration = excluded.migration, applied = excluded.applied, lost = true WHERE NOT saved.lost;"""
"""`applied` is whether an object is created again when its migration is applied, or when it is reverted."""

_SAVE_REVERTED = f"""\
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM gatehouse_lost) AND to_regnamespace('{SCHEMA}') IS NULL
        AND NOT has_database_privilege(current_database(), 'CREATE')
    THEN
        RETURN;
    END IF;
{_SAVE_LOST}
    -- What stays must not stop the run that applies the migrations again.
    INSERT INTO {TABLE}
        SELECT kind, relation, name, position, NULL, NULL, @MIGRATION@, @APPLIED@, false
          FROM gatehouse_after WHERE kind IN ('constraint', 'index', 'policy')
        ON CONFLICT DO NOTHING;
END $$;"""

_SAVE_CONTRACTED = f"""\
DO $$ BEGIN
    IF EXISTS (SELECT FROM gatehouse_lost) THEN
{_SAVE_LOST}
    END IF;
END $$;"""

_LOST = f"""\
DROP TABLE IF EXISTS pg_temp.gatehouse_after, pg_temp.gatehouse_lost;
CREATE TEMP TABLE gatehouse_after ON COMMIT DROP AS SELECT * FROM {FUNCTION}();
CREATE TEMP TABLE gatehouse_lost ON COMMIT DROP AS
    SELECT * FROM gatehouse_before before
     WHERE NOT EXISTS (
               SELECT FROM gatehouse_after AS after
                WHERE after.kind = before.kind AND after.relation = before.relation
                  AND after.name = before.name
           )
       AND NOT (kind IN ('column', 'default') AND relation || '.' || name = ANY (@COLUMNS@))
       AND NOT (kind NOT IN ('column', 'grant', 'setting', 'comment')
                AND split_part(name, '(', 1) = ANY (@NAMES@));
DO $$
DECLARE
    lost text;
    advice text;
BEGIN
    SELECT string_agg(format('%s %s', l.kind, l.name), ', '),
           string_agg(regexp_replace(l.advice, '\\s+', ' ', 'g'), '; ')
      INTO lost, advice FROM gatehouse_lost l WHERE l.statements IS NULL;
    IF lost IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format(
            'this would drop what this role cannot create again: %s; first run, as the owner: %s',
            lost, advice);
    END IF;
END $$;"""

_ANNOUNCE_LOST = """\
DO $$
DECLARE
    lost text;
BEGIN
    SELECT string_agg(trim(format('%s %s%s', kind, name, ' on ' || nullif(relation, ''))), '; '
                      ORDER BY position, relation, name)
      INTO lost FROM gatehouse_lost WHERE kind <> 'validation';
    IF lost IS NOT NULL THEN
        RAISE INFO 'drops, and creates again when @WHEN@: %', lost;
    END IF;
END $$;"""

_ANNOUNCE_REVERTED = _ANNOUNCE_LOST.replace("@WHEN@", "the migrations are applied again")
_ANNOUNCE_CONTRACTED = _ANNOUNCE_LOST.replace("@WHEN@", "the migration is reverted")

_ANNOUNCE_USERS = f"""\
DO $$
DECLARE
    readers text;
    callers text;
BEGIN
    WITH dependents AS MATERIALIZED (
        SELECT * FROM pg_depend
         WHERE refclassid = 'pg_class'::regclass AND refobjid IN (
               SELECT to_regclass(format('{SCHEMA}.%I', moved)) FROM unnest(@TABLES@) AS moved)
    )
    SELECT string_agg(DISTINCT format('%s (%s)', reader, d.refobjid::regclass), ', ') INTO readers
      FROM dependents d
      LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
      LEFT JOIN pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
      LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
           AND k.contype = 'f' AND k.confrelid = d.refobjid AND k.conname <> ALL (@NAMES@)
     CROSS JOIN LATERAL (SELECT coalesce(
         'view ' || v.oid::regclass,
         'foreign key ' || quote_ident(k.conname) || ' on ' || k.conrelid::regclass,
         CASE WHEN d.classid = 'pg_proc'::regclass THEN 'function ' || d.objid::regprocedure END
     )) AS r (reader)
     WHERE reader IS NOT NULL;
    IF readers IS NOT NULL THEN
        RAISE INFO 'go on using a table in {SCHEMA}: %', readers;
    END IF;
    WITH functions AS MATERIALIZED (
        SELECT p.oid, p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname !~ '^pg_|^information_schema$' AND p.proname <> ALL (@NAMES@)
    ), columns AS (
        SELECT split_part(listed, '.', 1) AS relation, split_part(listed, '.', 2) AS name
          FROM unnest(@COLUMNS@) AS listed
    )
    SELECT string_agg(DISTINCT f.oid::regprocedure::text, ', ') INTO callers
      FROM functions f
     WHERE EXISTS (SELECT FROM unnest(@TABLES@) AS moved WHERE f.prosrc ~ ('\\m' || moved || '\\M'))
        OR EXISTS (
            SELECT FROM columns c
             WHERE f.prosrc ~ ('\\m' || c.name || '\\M') AND (
                   f.prosrc ~ ('\\m' || c.relation || '\\M')
                   OR EXISTS (SELECT FROM pg_trigger t
                               WHERE t.tgfoid = f.oid AND t.tgrelid = to_regclass(c.relation))));
    IF callers IS NOT NULL THEN
        RAISE INFO 'may fail until then, because their text names what is gone: %', callers;
    END IF;
END $$;"""


def save_reverted(migration_id: str, names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> str:
    """Save the objects that are gone since `READ_BEFORE`.

    Not `columns`, and not the objects with these `names`: the migration itself creates both again.
    """
    sql = _filled(f"{_LOST}\n{_SAVE_REVERTED}", names, columns)
    return sql.replace("@MIGRATION@", literal(migration_id)).replace("@APPLIED@", "true")


def save_contracted(migration_id: str, names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> str:
    """Save the objects that are gone since `READ_BEFORE`, and say which.

    Not `columns`, and not the objects with these `names`: a revert of the `Contract` creates both again.
    """
    sql = _filled(f"{_LOST}\n{_SAVE_CONTRACTED}\n{_ANNOUNCE_CONTRACTED}", names, columns)
    return sql.replace("@MIGRATION@", literal(migration_id)).replace("@APPLIED@", "false")


def announce_contracted(names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> str:
    """Say what `save_contracted` would save."""
    return _filled(f"{_LOST}\n{_ANNOUNCE_CONTRACTED}", names, columns)


def announce_reverted(
    names: Sequence[str], columns: Mapping[str, Sequence[str]], tables: Sequence[str]
) -> str:
    """Say which objects are gone since `READ_BEFORE`, and which use `tables`, without saving them."""
    return _filled(f"{_LOST}\n{_ANNOUNCE_REVERTED}\n{_ANNOUNCE_USERS}", names, columns).replace(
        "@TABLES@", array(tables)
    )


def _filled(sql: str, names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> str:
    qualified = [f"{table}.{column}" for table, listed in columns.items() for column in listed]
    return sql.replace("@COLUMNS@", array(qualified)).replace("@NAMES@", array(names))


def put_back_statements(every_id: Sequence[str]) -> list[str]:
    """Create the saved objects that are due. Run each outside of a transaction.

    `every_id` are all migrations: what cannot be created while one of them is pending is left for later.
    """
    return [CREATE_FUNCTION, _PUT_BACK.replace("@EVERY@", array(every_id))]


_IS_DUE = f"""\
applied = EXISTS (SELECT FROM migration m WHERE m.app_name = '{APP}' AND m.name = o.migration)"""

_PUT_BACK = f"""\
DO $put_back$
DECLARE
    one record;
    statement text;
    progress boolean;
    retries int := 0;
    present text[];
    equal text[];
    is_pending boolean := EXISTS (
        SELECT FROM unnest(@EVERY@) AS every_id
         WHERE NOT EXISTS (SELECT FROM migration WHERE app_name = '{APP}' AND name = every_id));
BEGIN
    IF to_regclass('{TABLE}') IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg(concat_ws(E'\\x01', kind, relation, name)),
           array_agg(concat_ws(E'\\x01', kind, relation, definition)) FILTER (WHERE definition IS NOT NULL)
      INTO present, equal FROM {FUNCTION}();
    UPDATE {TABLE} AS o SET lost = false
     WHERE lost AND {_IS_DUE}
       AND (concat_ws(E'\\x01', kind, relation, name) = ANY (present)
            OR definition IS NOT NULL AND concat_ws(E'\\x01', kind, relation, definition) = ANY (equal));
    LOOP
        progress := false;
        FOR one IN SELECT * FROM {TABLE} AS o WHERE lost AND {_IS_DUE} ORDER BY position, relation, name LOOP
            COMMIT;
            PERFORM set_config('lock_timeout', '{LOCK_TIMEOUT_MS}ms', true),
                    set_config('gatehouse.scope', 'platform', true),
                    set_config('client_min_messages', 'warning', true);
            BEGIN
                FOREACH statement IN ARRAY one.statements LOOP
                    EXECUTE statement;
                END LOOP;
                UPDATE {TABLE} o SET lost = false
                 WHERE o.kind = one.kind AND o.relation = one.relation AND o.name = one.name;
                progress := true;
                IF one.kind <> 'validation' THEN
                    RAISE INFO 'created again: % %', one.kind,
                        one.name || coalesce(' on ' || nullif(one.relation, ''), '');
                END IF;
            EXCEPTION WHEN OTHERS THEN
                UPDATE {TABLE} o SET problem = SQLERRM
                 WHERE o.kind = one.kind AND o.relation = one.relation AND o.name = one.name;
                IF SQLSTATE = '55P03' AND retries < 20 THEN
                    retries := retries + 1;
                    progress := true;
                END IF;
            END;
            COMMIT;
        END LOOP;
        EXIT WHEN NOT progress;
        PERFORM pg_sleep(CASE WHEN retries > 0 THEN 0.5 ELSE 0 END);
    END LOOP;
    DELETE FROM {TABLE} WHERE NOT lost AND NOT (applied AND is_pending);
    FOR one IN SELECT * FROM {TABLE} AS o
                WHERE lost AND {_IS_DUE} AND NOT (applied AND is_pending) ORDER BY position LOOP
        RAISE INFO 'not created again: % %, because of: %; correct that, and apply the migrations again or'
            ' run: %', one.kind, one.name, one.problem,
            regexp_replace(array_to_string(one.statements, '; '), '\\s+', ' ', 'g');
    END LOOP;
    IF NOT EXISTS (SELECT FROM {TABLE}) THEN
        DROP TABLE {TABLE};
    END IF;
END $put_back$;"""


async def put_back(every_id: Sequence[str]) -> list[str]:
    """Create the saved objects that are due; returns a line for each that is created, or cannot be."""
    async with get_engine().separate_connection() as connection:
        if not await connection.fetchval(f"SELECT to_regclass('{TABLE}') IS NOT NULL"):
            return []
        with info_messages(connection) as lines:
            for statement in put_back_statements(every_id):
                await execute(connection, statement)
    return lines


async def objects_before_revert(connection: Any) -> set[str]:
    """The constraints, indexes and policies that the tables had before a revert, as `table.name`."""
    if not await connection.fetchval(f"SELECT to_regclass('{TABLE}') IS NOT NULL"):
        return set()
    rows = await connection.fetch(f"SELECT relation || '.' || name FROM {TABLE} WHERE applied")
    return {row[0] for row in rows}
