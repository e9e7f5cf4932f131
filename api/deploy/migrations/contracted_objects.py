"""Objects of the owner of the database, which a `Contract` drops with its column: created again by a revert.

PostgreSQL drops checks, indexes, grants, comments and more with a column. A `Contract` refuses what it does
not drop, such as a view.
"""

from collections.abc import Sequence
from typing import Any

from api.database.engine import get_engine
from api.deploy.migrations import retained_data
from api.deploy.migrations.history import literal
from api.deploy.migrations.object_definitions import CREATE_FUNCTION
from api.deploy.migrations.retained_objects import ANNOUNCE_LOST, LOST, READ_BEFORE, fill, save_lost

TABLE = f"{retained_data.SCHEMA}.contracted_objects"

BEFORE = f"{CREATE_FUNCTION}\n{READ_BEFORE}"
"""Run it in the transaction that drops the column, before that."""

_SAVE = f"""\
DO $$ BEGIN
    IF EXISTS (SELECT FROM gatehouse_lost) THEN
{save_lost(TABLE)}
    END IF;
END $$;"""


def save_dropped(migration_id: str, names: Sequence[str], table: str, column: str) -> str:
    """Save what PostgreSQL has dropped with `column` since `BEFORE`, and say what that is.

    Not the objects with these `names`, which a revert of the `Contract` creates itself.
    """
    lost = ANNOUNCE_LOST.replace("@WHEN@", "the migration is reverted")
    sql = fill(f"{LOST}\n{_SAVE}\n{lost}", names, {table: [column]}, ())
    return sql.replace("@MIGRATION@", literal(migration_id))


def put_back_sql(migration_id: str) -> str:
    """SQL that creates what the migration's `Contract` steps have dropped, after it has run backwards."""
    return f"""\
DO $$
DECLARE
    one record;
    statement text;
BEGIN
    IF to_regclass('{TABLE}') IS NULL THEN
        RETURN;
    END IF;
    FOR one IN SELECT * FROM {TABLE} WHERE migration = {literal(migration_id)} AND lost
                ORDER BY position, relation, name LOOP
        COMMIT;
        PERFORM set_config('lock_timeout', '5s', true), set_config('gatehouse.scope', 'platform', true),
                set_config('client_min_messages', 'warning', true);
        BEGIN
            FOREACH statement IN ARRAY one.statements LOOP
                EXECUTE statement;
            END LOOP;
            IF one.kind <> 'validation' THEN
                RAISE INFO 'created again: % %', one.kind,
                    one.name || coalesce(' on ' || nullif(one.relation, ''), '');
            END IF;
        EXCEPTION WHEN OTHERS THEN
            RAISE INFO 'not created again: % %, because of: %; correct that, and run as the owner: %',
                one.kind, one.name, SQLERRM,
                regexp_replace(array_to_string(one.statements, '; '), '\\s+', ' ', 'g');
        END;
    END LOOP;
    DELETE FROM {TABLE} WHERE migration = {literal(migration_id)};
    IF NOT EXISTS (SELECT FROM {TABLE}) THEN
        DROP TABLE {TABLE};
    END IF;
END $$;"""


async def put_back(migration_id: str) -> list[str]:
    """Returns a line for each object that is created again, or cannot be."""
    async with get_engine().separate_connection() as connection:
        with retained_data.info_messages(connection) as lines:
            await retained_data.execute(connection, put_back_sql(migration_id))
    return lines


async def announce(connection: Any, sql: str) -> list[str]:
    """Run the `sql` that drops columns, and roll it back: what the owner loses until a revert.

    `connection` is in a transaction.
    """
    await connection.execute("SAVEPOINT contract")
    with retained_data.info_messages(connection) as lines:
        await retained_data.execute(connection, sql)
    await connection.execute("ROLLBACK TO SAVEPOINT contract")
    return lines
