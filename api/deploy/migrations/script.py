"""The migrations as a script for psql: for a person who has that and nothing else of Gatehouse.

It does what `piccolo migrations …` does, with the same SQL and under the same lock. It does not compare
what exists already with what is wanted; `gatehouse db verify` does that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from api.command_error import CommandError
from api.deploy.migrations import history
from api.deploy.migrations.history import APP, array, literal
from api.deploy.migrations.index import Index
from api.deploy.migrations.lock import HOLDER, KEY
from api.deploy.migrations.migration import SqlMigration, all_migrations
from api.deploy.migrations.pending import migration_ids
from api.deploy.migrations.retained_data import REFUSED, put_back_columns
from api.deploy.migrations.transactions import SETTINGS


@dataclass(frozen=True)
class Part:
    """One migration: its id and `DESCRIPTION`, and what psql runs to apply or undo it unless that is done."""

    id: str
    description: str
    sql: str


def parts(first: str | None, last: str | None, *, backwards: bool) -> list[Part]:
    """The migrations from `first` to `last`, both included; backwards, the newest comes first.

    Raises `CommandError` for an id that there is not, an empty range, and one in which Python runs.
    """
    ids = sorted(migration_ids())
    for wanted in (first, last):
        if wanted is not None and wanted not in ids:
            raise CommandError(f"there is no migration {wanted}; there are: {', '.join(ids)}")
    first, last = first or ids[0], last or ids[-1]
    if first > last:
        raise CommandError(f"{first} comes after {last}; in their order, they are: {', '.join(ids)}")
    migrations = {migration.migration_id: migration for migration in all_migrations()}
    wanted_ids = [migration_id for migration_id in ids if first <= migration_id <= last]
    for migration_id in wanted_ids:
        if migration_id not in migrations:
            raise CommandError(
                f"{migration_id} runs Python, which psql cannot; leave it out with --from or --to,"
                " and run that one with: piccolo migrations"
            )
    made = [_part(migrations[migration_id], backwards=backwards) for migration_id in wanted_ids]
    return made[::-1] if backwards else made


def _part(migration: SqlMigration, *, backwards: bool) -> Part:
    recorded = history.is_recorded(literal(migration.migration_id))
    done = f"NOT {recorded}" if backwards else recorded
    sql = [
        f"SELECT {done} AS gatehouse_done \\gset",
        "\\if :gatehouse_done",
        f"\\echo '{migration.migration_id} is {'not applied' if backwards else 'applied already'}'",
        "\\else",
        f"\\echo '{'undoing' if backwards else 'applying'} {migration.migration_id}'",
        _undo(migration) if backwards else _apply(migration),
        "\\endif",
    ]
    description = " ".join((migration.description or "").split())
    return Part(migration.migration_id, description, "\n".join(sql))


def _apply(migration: SqlMigration) -> str:
    """As `SqlMigration.apply` does it: the row is written in the transaction of the last step.

    Where there are columns, an undoing may have kept their values, which are put back before that.
    """
    *earlier, last = migration.steps if isinstance(migration.steps[-1], str) else (*migration.steps, "")
    if migration.columns:
        earlier, last = [*earlier, last], ""
    done = [
        f"{step.drop_broken} \\gexec\n{step.sql(concurrently=True)};"
        if isinstance(step, Index)
        else _transaction(migration.step_script(step))
        for step in earlier
    ]
    put_back = put_back_columns(migration.migration_id, migration.columns)
    record = history.record(migration.migration_id, migration.checksum)
    return "\n".join([*done, *put_back, _transaction(migration.step_script(str(last)), record)])


def _undo(migration: SqlMigration) -> str:
    return _transaction(migration.undo_script, history.erase(migration.migration_id))


def _transaction(*sql: str) -> str:
    return "\n".join(["BEGIN;", f"{SETTINGS};", *filter(None, sql), "COMMIT;"])


def script(parts: Sequence[Part], *, backwards: bool) -> str:
    """The whole script of `parts`; psql ends it with exit code 3 at the first error."""
    ids = [part.id for part in parts]
    return "\n\n".join(
        [
            _head(ids, backwards=backwards),
            _TAKE_LOCK,
            _transaction(history.create_table(), history.ADD_CHECKSUMS),
            *([_refuse_to_undo_amid(ids)] if backwards else [_REFUSE_OLD, _refuse_to_leave_out(ids)]),
            *(f"-- {part.description}\n{part.sql}" for part in parts),
            "DO $$ BEGIN PERFORM pg_advisory_unlock_all(); END $$;",
            "\\echo 'done; to see whether all is as it should be: gatehouse db verify'\n",
        ]
    )


def _head(ids: Sequence[str], *, backwards: bool) -> str:
    what = "Undoes" if backwards else "Applies"
    listed = "\n".join(f"--     {migration_id}" for migration_id in ids)
    return rf"""-- {what} these migrations of Gatehouse, in this order:
--
{listed}
--
-- Save it as script.sql. Run it with psql 10 or newer on PostgreSQL 15 or newer, as the application's role:
--
--     psql "$DATABASE_URL" -f script.sql
--
-- The connection has to be a direct one, not one of a pooler that shares sessions out by the transaction.
-- What is done already is passed over, so it may be run again, also after it was broken off or has failed.
-- "canceling statement due to lock timeout" says that traffic was in the way: run it again.
\set ON_ERROR_STOP on
\set AUTOCOMMIT on
\set QUIET on"""


_TAKE_LOCK = f"""\
DO $$
DECLARE
    holder integer;
BEGIN
    IF NOT pg_try_advisory_lock({KEY}) THEN
        holder := ({HOLDER.strip()});
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format(
            'another migration holds the lock (PostgreSQL process %s); wait for it, and run this again',
            holder);
    END IF;
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE WARNING '% is a superuser, and will own the tables; the role of the application should',
            current_user;
    END IF;
END $$;"""


# Its tables would be passed over as they are, and recorded as what they are not.
_REFUSE_OLD = f"""\
DO $$ BEGIN
    IF to_regclass('users') IS NOT NULL AND NOT EXISTS (SELECT FROM migration WHERE app_name = '{APP}')
        AND NOT EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = to_regclass('users') AND attname = 'emailLower'
        )
    THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE =
            'the old system made this database; take it over with: gatehouse db adopt';
    END IF;
END $$;"""


def _refuse_to_leave_out(ids: Sequence[str]) -> str:
    earlier = [migration_id for migration_id in sorted(migration_ids()) if migration_id < ids[0]]
    return f"""\
DO $$
DECLARE
    pending text[];
BEGIN
    pending := ARRAY(SELECT earlier FROM unnest({array(earlier)}) AS earlier
                      WHERE NOT {history.is_recorded("earlier")} ORDER BY earlier COLLATE "C");
    IF pending <> '{{}}' THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format(
            'not applied, and earlier than what this applies: %s; apply that as well:'
            ' gatehouse db sql --from %s', array_to_string(pending, ', '), pending[1]);
    END IF;
END $$;"""


def _refuse_to_undo_amid(ids: Sequence[str]) -> str:
    # Compared byte by byte, as Python orders them, whatever the language of the database is.
    return f"""\
DO $$
DECLARE
    later text;
BEGIN
    SELECT string_agg(name, ', ' ORDER BY name) INTO later
      FROM migration
     WHERE app_name = '{APP}' AND name <> ALL ({array(ids)}) AND name COLLATE "C" > (
        SELECT min(name COLLATE "C") FROM migration WHERE app_name = '{APP}' AND name = ANY ({array(ids)})
     );
    IF later IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = format(
            'applied, and later than what this undoes: %s; undo that as well:'
            ' gatehouse db sql --backwards --from {ids[-1]}', later);
    END IF;
END $$;"""
