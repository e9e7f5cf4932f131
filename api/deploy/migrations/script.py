"""`gatehouse db sql`: the migrations as a script for psql, for a machine without Gatehouse.

It runs the same SQL under the same lock as `piccolo migrations …`. It does not compare the tables with the
expected schema; `gatehouse db verify` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from api.command_error import CommandError
from api.deploy.migrations import history
from api.deploy.migrations.backfill import require_copies
from api.deploy.migrations.backfill_run import SESSION_SETTINGS
from api.deploy.migrations.expand import Part as StepPart
from api.deploy.migrations.history import APP, array, literal
from api.deploy.migrations.index import Index
from api.deploy.migrations.lock import HOLDER, KEY
from api.deploy.migrations.migration import SqlMigration, all_migrations, migrations_by_id
from api.deploy.migrations.object_definitions import CREATE_FUNCTION
from api.deploy.migrations.pending import migration_ids
from api.deploy.migrations.rehearsal import rehearsal_steps
from api.deploy.migrations.replaced import refuse_some_applied
from api.deploy.migrations.retained_columns import restore_columns_statements
from api.deploy.migrations.retained_data import CREATE_SCHEMA, REFUSED
from api.deploy.migrations.retained_objects import put_back_statements
from api.deploy.migrations.revert import copies_of, require_reversible
from api.deploy.migrations.transactions import SETTINGS


@dataclass(frozen=True)
class Part:
    """A migration: id, `DESCRIPTION`, and psql commands that apply or revert it unless that is done."""

    id: str
    description: str
    sql: str


def parts(first: str | None, last: str | None, *, backwards: bool) -> list[Part]:
    """The migrations from `first` to `last`, both included; if `backwards`, the newest comes first.

    Raises `CommandError` for an unknown id and for an empty range.
    """
    ids = sorted(migration_ids())
    for migration_id in (first, last):
        if migration_id is not None and migration_id not in ids:
            raise CommandError(f"there is no migration {migration_id}; there are: {', '.join(ids)}")
    first, last = first or ids[0], last or ids[-1]
    if first > last:
        raise CommandError(f"{first} comes after {last}; the order is: {', '.join(ids)}")
    selected = [one for one in all_migrations() if first <= one.migration_id <= last]
    if backwards:
        require_reversible(selected)
        selected.reverse()
    return [_part(migration, backwards=backwards) for migration in selected]


def _part(migration: SqlMigration, *, backwards: bool) -> Part:
    applied = history.is_recorded(literal(migration.migration_id))
    done = f"NOT {applied}" if backwards else applied
    sql = [
        f"SELECT {done} AS gatehouse_done \\gset",
        "\\if :gatehouse_done",
        f"\\echo '{migration.migration_id} is {'not applied' if backwards else 'applied already'}'",
        "\\else",
        f"\\echo '{'reverting' if backwards else 'applying'} {migration.migration_id}'",
        _revert(migration) if backwards else _apply(migration),
        "\\endif",
    ]
    description = " ".join(migration.description.split())
    return Part(migration.migration_id, description, "\n".join(sql))


def _apply(migration: SqlMigration) -> str:
    """As `SqlMigration.apply` does it, on the assumption that its columns are retained."""
    earlier, last = migration.split_parts(restores_columns=bool(migration.columns))
    restore = restore_columns_statements(migration.migration_id, migration.columns)
    schema = [CREATE_SCHEMA] if migration.copies else []
    parts = [_part_of_step(migration, part, before_loop=[*restore, *schema]) for part in earlier]
    record = history.insert_record(migration.migration_id, migration.checksum)
    end = _transaction(migration.step_script(last), record)
    put_back = put_back_statements(sorted(migration_ids())) if migration.contracts else []
    return "\n".join(filter(None, [refuse_some_applied(migration), *put_back, *parts, *restore, end]))


def _part_of_step(migration: SqlMigration, part: StepPart, *, before_loop: Sequence[str] = ()) -> str:
    if isinstance(part, Index):
        return f"{part.select_drop_invalid} \\gexec\n{part.sql(concurrently=True)};"
    if isinstance(part, str):
        return _transaction(migration.step_script(part))
    return _outside("\n".join([*before_loop, part.sql]))


def _revert(migration: SqlMigration) -> str:
    parts = [_part_of_step(migration, part) for part in migration.revert_parts]
    revert = _transaction(migration.revert_script, history.delete_records(migration.records))
    put_back = put_back_statements(sorted(migration_ids())) if migration.contracts else []
    return "\n".join([*parts, revert, *put_back])


def _outside(sql: str) -> str:
    """SQL that commits by itself."""
    return f"{SESSION_SETTINGS}\n{sql}\nRESET client_min_messages; RESET statement_timeout;"


def _transaction(*sql: str) -> str:
    return "\n".join(["BEGIN;", f"{SETTINGS};", *filter(None, sql), "COMMIT;"])


def script(parts: Sequence[Part], *, backwards: bool) -> str:
    """The script of `parts`. psql stops at the first error, with exit code 3."""
    ids = [part.id for part in parts]
    return "\n\n".join(
        [
            _head(ids, backwards=backwards),
            _TAKE_LOCK,
            _REFUSE_FOREIGN,
            _transaction(history.create_table(), history.ADD_CHECKSUMS),
            *(
                [_refuse_later_applied(ids), _require_old_values(ids), _rehearse(ids), CREATE_SCHEMA]
                if backwards
                else [_REFUSE_LEGACY, _refuse_earlier_pending(ids), *_refuse_used_columns(ids)]
            ),
            *(f"-- {part.description}\n{part.sql}" for part in parts),
            *([] if backwards else put_back_statements(sorted(migration_ids()))),
            "DO $$ BEGIN PERFORM pg_advisory_unlock_all(); END $$;",
            "\\echo 'done; to check the schema, run: gatehouse db verify'\n",
        ]
    )


def _head(ids: Sequence[str], *, backwards: bool) -> str:
    action = "Reverts" if backwards else "Applies"
    id_lines = "\n".join(f"--     {migration_id}" for migration_id in ids)
    return rf"""-- {action} these migrations of Gatehouse, in this order:
--
{id_lines}
--
-- Save it as script.sql. Run it with psql 10 or newer on PostgreSQL 15 or newer, as the application's role:
--
--     psql "$DATABASE_URL" -f script.sql
--
-- Connect to PostgreSQL directly, not through a pooler in transaction mode, which breaks the lock.
-- It may be run again, also after it failed or was interrupted: it skips the migrations that are done.
-- After "canceling statement due to lock timeout", run it again when traffic is low.
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
        RAISE WARNING '% is a superuser, and will own the tables; the application''s role should own them',
            current_user;
    END IF;
END $$;"""


# IF NOT EXISTS would skip the table of another system, and ADD_CHECKSUMS would change it.
_REFUSE_FOREIGN = f"""\
DO $$ BEGIN
    IF to_regclass('migration') IS NOT NULL AND NOT ({history.IS_PICCOLOS.strip()}) THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = {literal(history.FOREIGN)};
    END IF;
END $$;"""


# IF NOT EXISTS would skip the old system's tables, and the migrations would be recorded as applied.
_REFUSE_LEGACY = f"""\
DO $$ BEGIN
    IF to_regclass('users') IS NOT NULL AND NOT EXISTS (SELECT FROM migration WHERE app_name = '{APP}')
        AND NOT EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = to_regclass('users') AND attname = 'emailLower'
        )
    THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE =
            'the old system created this database; to convert it, run: gatehouse db adopt';
    END IF;
END $$;"""


def _require_old_values(ids: Sequence[str]) -> str:
    return require_copies(copies_of([one for one in all_migrations() if one.migration_id in ids]))


def _refuse_used_columns(ids: Sequence[str]) -> list[str]:
    return [
        contract.refuse_if_used(one.migration_id, unless=history.is_recorded(literal(one.migration_id)))
        for one in all_migrations()
        if one.migration_id in ids
        for contract in one.contracts.values()
    ]


def _rehearse(ids: Sequence[str]) -> str:
    """Revert everything and roll it back: what would fail ends the script before its first step."""
    every = migrations_by_id()
    first, *reverts, last = rehearsal_steps([every[migration_id] for migration_id in ids])
    guarded = [
        f"SELECT {history.is_recorded(literal(migration_id))} AS gatehouse_applied \\gset\n"
        f"\\if :gatehouse_applied\n{sql}\n\\endif"
        for migration_id, sql in reverts
    ]
    return "\n".join(
        [
            "\\echo 'rehearsing'",
            CREATE_FUNCTION,
            "BEGIN;",
            f"{SETTINGS};",
            first[1],
            *guarded,
            last[1],
            "ROLLBACK;",
        ]
    )


def _refuse_earlier_pending(ids: Sequence[str]) -> str:
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
            'migrations before these are pending: %s; apply them too:'
            ' gatehouse db sql --from %s', array_to_string(pending, ', '), pending[1]);
    END IF;
END $$;"""


def _refuse_later_applied(ids: Sequence[str]) -> str:
    # COLLATE "C" orders as Python does, in a database of any locale.
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
            'migrations after these are applied: %s; revert them too:'
            ' gatehouse db sql --backwards --from {ids[-1]}', later);
    END IF;
END $$;"""
