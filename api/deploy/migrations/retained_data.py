"""What undoing a migration would drop is moved to a schema of its own, and put back by going forward again.

Tables move with their rows, keys and links. A column cannot move, so its values go to a table
`<table>_<migration>`, beside the ids of their rows.

All of it is SQL text, because `piccolo migrations …` runs it and `gatehouse db sql` prints it. It goes by
what it finds, so it can be run where some of it has been done. What it keeps, it tells by `RAISE INFO`,
which reaches the client whatever `client_min_messages` says; what it refuses, it raises as `REFUSED`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.database.engine import Engine
from api.deploy.migrations.history import array
from api.deploy.migrations.lock import migration_lock

SCHEMA = "gatehouse_undone"

BATCH = 5000
"""Rows that are put back at once; until then, whoever wants to write one of them waits."""

REFUSED = "ZG001"
"""The SQLSTATE of what this SQL refuses to do; PostgreSQL itself has none that begin with Z."""


async def execute(connection: Any, sql: str) -> None:
    """Run `sql`, if it is any. Raises `CommandError` where it refuses, with its reason."""
    if not sql:
        return
    try:
        await connection.execute(sql)
    except asyncpg.PostgresError as error:
        if getattr(error, "sqlstate", None) == REFUSED:
            raise CommandError(str(error.args[0])) from None
        raise


def lock(tables: Sequence[str]) -> str:
    """Let nobody write between the copy and the drop: what they wrote would be in neither."""
    if not tables:
        return ""
    return f"""\
DO $$
DECLARE
    locked text;
BEGIN
    FOREACH locked IN ARRAY {array(tables)} LOOP
        IF to_regclass(quote_ident(locked)) IS NOT NULL THEN
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', locked);
        END IF;
    END LOOP;
END $$;"""


def keep_columns(migration_id: str, columns: Mapping[str, Sequence[str]]) -> str:
    """Copy the values of `columns`, table by table, where they differ from the default."""
    return "\n".join(
        _keep_columns(table, names, _saved(table, migration_id)) for table, names in columns.items()
    )


def _keep_columns(table: str, names: Sequence[str], saved: str) -> str:
    # A generated column fills itself when it comes back, and takes no other value.
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
    IF to_regclass('{saved}') IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = '{_still_keeps(saved)}';
    END IF;
    CREATE SCHEMA IF NOT EXISTS {SCHEMA};
    EXECUTE format('CREATE TABLE {saved} AS SELECT id, %s FROM {table} WHERE %s', listed, differing);
    GET DIAGNOSTICS copied = ROW_COUNT;
    ALTER TABLE {saved} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY scope ON {saved} USING (current_setting('gatehouse.scope', true) = 'platform');
    RAISE INFO 'keeps % rows of {table} (%)', copied, array_to_string(present, ', ');
END $$;"""


def drop_columns(columns: Mapping[str, Sequence[str]]) -> str:
    dropped = {
        table: ", ".join(f'DROP COLUMN IF EXISTS "{name}"' for name in names)
        for table, names in columns.items()
    }
    return "\n".join(
        f"ALTER TABLE IF EXISTS {table} {actions};" for table, actions in dropped.items() if actions
    )


def keep_tables(tables: Sequence[str]) -> str:
    """Move `tables` out of the way, the last one first."""
    if not tables:
        return ""
    return f"""\
DO $$
DECLARE
    moved text;
    kept bigint;
BEGIN
    FOREACH moved IN ARRAY {array(tables[::-1])} LOOP
        CONTINUE WHEN to_regclass(quote_ident(moved)) IS NULL;
        IF to_regclass(format('{SCHEMA}.%I', moved)) IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format(
                '{_still_keeps(f"{SCHEMA}.%s")}', moved);
        END IF;
        EXECUTE format('SELECT count(*) FROM %I', moved) INTO kept;
        CREATE SCHEMA IF NOT EXISTS {SCHEMA};
        EXECUTE format('ALTER TABLE %I SET SCHEMA {SCHEMA}', moved);
        RAISE INFO 'keeps % rows of %', kept, moved;
    END LOOP;
END $$;"""


def put_back_tables(tables: Sequence[str]) -> str:
    if not tables:
        return ""
    return f"""\
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY {array(tables)} LOOP
        CONTINUE WHEN to_regclass(format('{SCHEMA}.%I', kept)) IS NULL;
        IF to_regclass(quote_ident(kept)) IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format(
                '%1$s exists, and {SCHEMA}.%1$s keeps the rows of an undone one; drop the one that is not'
                ' wanted, or run: gatehouse db forget --yes', kept);
        END IF;
        EXECUTE format('ALTER TABLE {SCHEMA}.%I SET SCHEMA %I', kept, current_schema());
    END LOOP;
END $$;"""


async def keeps_columns(engine: Engine, migration_id: str, columns: Mapping[str, Sequence[str]]) -> bool:
    saved = [_saved(table, migration_id) for table in columns]
    sql = "SELECT count(to_regclass(name)) > 0 FROM unnest($1::text[]) AS name"
    connection: Any = await engine.get_new_connection()
    try:
        return await connection.fetchval(sql, saved)
    finally:
        await connection.close()


async def put_columns_back(engine: Engine, migration_id: str, columns: Mapping[str, Sequence[str]]) -> None:
    if not columns:
        return
    # Not in a transaction: it ends one after each batch, so that nobody waits long for a row.
    connection = await engine.get_new_connection()
    try:
        for statement in put_back_columns(migration_id, columns):
            await execute(connection, statement)
    finally:
        await connection.close()


def put_back_columns(migration_id: str, columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Put the kept values back and forget the copy, as soon as all of their columns are there again.

    Each is a statement to be run outside of a transaction.
    """
    return [_put_back_columns(table, _saved(table, migration_id)) for table in columns]


def _put_back_columns(table: str, saved: str) -> str:
    return f"""\
DO $$
DECLARE
    complete boolean;
    assignments text;
BEGIN
    SELECT bool_and(there.attname IS NOT NULL), string_agg(format('%1$I = moved.%1$I', kept.attname), ', ')
      INTO complete, assignments
      FROM pg_attribute kept
      LEFT JOIN pg_attribute there ON there.attrelid = to_regclass('{table}') AND there.attname = kept.attname
     WHERE kept.attrelid = to_regclass('{saved}') AND kept.attnum > 0 AND kept.attname <> 'id';
    IF complete IS NOT TRUE THEN
        RETURN;
    END IF;
    LOOP
        PERFORM set_config('gatehouse.scope', 'platform', true);
        EXIT WHEN NOT EXISTS (SELECT FROM {saved});
        EXECUTE 'WITH moved AS (DELETE FROM {saved}'
            ' WHERE ctid = ANY (ARRAY(SELECT ctid FROM {saved} LIMIT {BATCH})) RETURNING *)'
            ' UPDATE {table} SET ' || assignments || ' FROM moved WHERE moved.id = {table}.id';
        COMMIT;
    END LOOP;
    DROP TABLE {saved};
END $$;"""


def _still_keeps(saved: str) -> str:
    return (
        f"{saved} still keeps what an earlier undoing left; go forwards to put it back, or run:"
        " gatehouse db forget --yes"
    )


def _saved(table: str, migration_id: str) -> str:
    digits = "".join(character for character in migration_id if character.isdigit())
    return f"{SCHEMA}.{table}_{digits}"


async def forget(engine: Engine, patience: float) -> list[str]:
    """Erase all that is kept, while no migration runs that might put it back; says what it was.

    Raises `CommandError` where something outside depends on it, and names that.
    """
    async with (
        migration_lock(engine, patience),
        engine.transaction(scope="SET LOCAL gatehouse.scope = 'platform'") as transaction,
    ):
        connection = transaction.connection
        rows = await connection.fetch(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = $1 ORDER BY tablename", SCHEMA
        )
        tables = [row[0] for row in rows]
        erased = [
            f"{await connection.fetchval(f'SELECT count(*) FROM {SCHEMA}.{table}')} rows of {table}"
            for table in tables
        ]
        try:
            # All at once and without CASCADE: they may depend on each other, and nothing else on them.
            if tables:
                await connection.execute(f"DROP TABLE {', '.join(f'{SCHEMA}.{table}' for table in tables)}")
            await connection.execute(
                f"SET LOCAL client_min_messages = warning; DROP SCHEMA IF EXISTS {SCHEMA}"
            )
        except asyncpg.DependentObjectsStillExistError as error:
            depending = "; ".join(str(getattr(error, "detail", None) or error).splitlines())
            raise CommandError(f"nothing was erased; first drop what depends on it: {depending}") from None
    return erased
