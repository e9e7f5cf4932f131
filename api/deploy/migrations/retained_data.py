"""Reverting a migration moves its data to the schema `gatehouse_undone`; applying it again restores the data.

A table moves as a whole, with its rows, keys and foreign keys. A column cannot move, so its values are
copied: see `retained_columns`.

All of it is SQL text, because `piccolo migrations …` runs it and `gatehouse db sql` prints it. Every
statement checks what exists, so it can be run again. It reports retained data by `RAISE INFO`, which reaches
the client under every `client_min_messages`, and it refuses with the SQLSTATE `REFUSED`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.database.scopes import platform_scope
from api.deploy.migrations.history import array
from api.deploy.migrations.lock import migration_lock

SCHEMA = "gatehouse_undone"

REFUSED = "ZG001"
"""The SQLSTATE of a refusal by this SQL; PostgreSQL has no code that begins with Z."""


CREATE_SCHEMA_BODY = f"""\
    -- CREATE SCHEMA IF NOT EXISTS requires the privilege even if the schema exists.
    IF to_regnamespace('{SCHEMA}') IS NULL THEN
        IF NOT has_database_privilege(current_database(), 'CREATE') THEN
            RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format(
                'old data is kept in the schema {SCHEMA}, which the role %1$s may not create; let the'
                ' owner of the database run: CREATE SCHEMA {SCHEMA} AUTHORIZATION %1$I', current_user);
        END IF;
        CREATE SCHEMA {SCHEMA};
    END IF;"""

CREATE_SCHEMA = f"""\
DO $$ BEGIN
{CREATE_SCHEMA_BODY}
END $$;"""
"""Run it before the first migration that keeps old data: without the privilege, none runs."""


@contextmanager
def info_messages(connection: Any) -> Iterator[list[str]]:
    """The texts of RAISE INFO that `connection` receives within it."""
    texts: list[str] = []

    def listen(_connection: Any, message: Any) -> None:
        if message.severity_en == "INFO":
            texts.append(message.message)

    connection.add_log_listener(listen)
    try:
        yield texts
    finally:
        connection.remove_log_listener(listen)


async def execute(connection: Any, sql: str) -> None:
    """Run `sql`, which may be empty. Raises `CommandError` with the reason if it refuses."""
    if not sql:
        return
    try:
        await connection.execute(sql)
    except asyncpg.PostgresError as error:
        if getattr(error, "sqlstate", None) == REFUSED:
            raise CommandError(str(error.args[0])) from None
        raise


def column_exists(table: str, column: str) -> str:
    """A condition. Without the column a statement that names it would fail."""
    return (
        f"EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('{table}')"
        f" AND attname = '{column}' AND NOT attisdropped)"
    )


def lock_tables(tables: Sequence[str]) -> str:
    """Lock out writers: what they write between the copy and the drop would be lost."""
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


def protect(copy: str) -> str:
    """Show the rows of a table to the platform scope only."""
    return f"""\
ALTER TABLE {copy} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY scope ON {copy} USING (current_setting('gatehouse.scope', true) = 'platform');"""


def retain_tables(tables: Sequence[str], *, rehearses: bool = False) -> str:
    """Move `tables` to the schema, the last one first. A rehearsal does not count their rows."""
    if not tables:
        return ""
    count = "EXECUTE format('SELECT count(*) FROM %I', moved) INTO retained;"
    report = "RAISE INFO 'keeps % rows of %', retained, moved;"
    return f"""\
DO $$
DECLARE
    moved text;
    retained bigint;
BEGIN
    FOREACH moved IN ARRAY {array(tables[::-1])} LOOP
        CONTINUE WHEN to_regclass(quote_ident(moved)) IS NULL;
        IF to_regclass(format('{SCHEMA}.%I', moved)) IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format(
                '{already_retained(f"{SCHEMA}.%s")}', moved);
        END IF;
        {"" if rehearses else count}
        EXECUTE format('ALTER TABLE %I SET SCHEMA {SCHEMA}', moved);
        {"" if rehearses else report}
    END LOOP;
END $$;"""


def restore_tables(tables: Sequence[str]) -> str:
    """Move `tables` back, those that are retained."""
    if not tables:
        return ""
    return f"""\
DO $$
DECLARE
    retained text;
BEGIN
    FOREACH retained IN ARRAY {array(tables)} LOOP
        CONTINUE WHEN to_regclass(format('{SCHEMA}.%I', retained)) IS NULL;
        IF to_regclass(quote_ident(retained)) IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format(
                '%1$s exists, and {SCHEMA}.%1$s holds the rows of a reverted migration; drop one of them, or'
                ' erase all retained data: gatehouse db forget --yes', retained);
        END IF;
        EXECUTE format('ALTER TABLE {SCHEMA}.%I SET SCHEMA %I', retained, current_schema());
    END LOOP;
END $$;"""


def already_retained(copy: str) -> str:
    return (
        f"{copy} still holds the data of an earlier revert; to restore it, run: piccolo migrations forwards"
        " all; to erase it, run: gatehouse db forget --yes"
    )


async def retained_tables(connection: Any) -> set[str]:
    """The names of the tables in the schema."""
    rows = await connection.fetch("SELECT tablename::text FROM pg_tables WHERE schemaname = $1", SCHEMA)
    return {row[0] for row in rows}


async def erase_retained_data() -> dict[str, int]:
    """Erase all retained data; returns how many rows each table had.

    It holds the migration lock, because a migration that runs may restore the data. Raises `CommandError`
    with the names of the objects that depend on the data, if there are any.
    """
    async with migration_lock(), platform_scope() as transaction:
        connection: Any = transaction.connection
        rows = await connection.fetch(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = $1 ORDER BY tablename", SCHEMA
        )
        tables = [row[0] for row in rows]
        erased = {table: await _count(connection, table) for table in tables}
        try:
            # In one statement, because they may depend on each other; without CASCADE, which would also drop
            # what depends on them elsewhere.
            if tables:
                await connection.execute(f"DROP TABLE {', '.join(f'{SCHEMA}.{table}' for table in tables)}")
            await connection.execute(
                f"SET LOCAL client_min_messages = warning; DROP SCHEMA IF EXISTS {SCHEMA}"
            )
        except asyncpg.DependentObjectsStillExistError as error:
            dependents = "; ".join(str(getattr(error, "detail", None) or error).splitlines())
            raise CommandError(f"nothing was erased; first drop what depends on it: {dependents}") from None
    return erased


async def _count(connection: Any, table: str) -> int:
    """The rows of `table`, or of the saved objects those that are not created again yet."""
    condition = "lost" if table == "retained_objects" else "true"
    return await connection.fetchval(f"SELECT count(*) FROM {SCHEMA}.{table} WHERE {condition}")
