"""What makes `piccolo migrations forwards` and `backwards` safe; `piccolo_conf` installs it.

Piccolo takes no lock, writes its bookkeeping row outside the migration's transaction, and deletes such rows
by name alone, across apps. AppConfig has no hooks and an app cannot replace a built-in command, so the
functions themselves are replaced; a test notices when a new Piccolo has others.
"""

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.apps.migrations.commands import backwards, forwards
from piccolo.apps.migrations.commands.base import MigrationResult
from piccolo.apps.migrations.tables import Migration
from piccolo.conf.apps import AppConfig

from api.command_error import CommandError
from api.database.driver_errors import UnsafeRole
from api.database.engine import Engine
from api.deploy.migrations import history
from api.deploy.migrations.lock import migration_lock
from api.deploy.migrations.migration import sql_migration
from api.deploy.migrations.pending import recorded_ids
from api.deploy.migrations.preflight import run_preflight
from api.deploy.migrations.transactions import in_transaction
from api.deploy.schema.differences import UnexpectedSchema
from api.observability.error_descriptions import describe_error, terminal_message

Run = Callable[..., Awaitable[MigrationResult]]

run_forwards_unlocked = forwards.run_forwards
"""Piccolo's own function, for whoever holds the lock already."""


def failure_message(error: Exception) -> str | None:
    """One line for whoever migrates; None for an error that nobody foresaw."""
    # Elsewhere a missing table means that migrations are to be run; these are the migrations.
    lacking = isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError)
    told = None if lacking else terminal_message(error)
    if told is None and isinstance(error, asyncpg.PostgresError):
        return f"{describe_error(error)}; mend that and run it again"
    return told


def install_patches(engine: Engine, lock_timeout: float) -> None:
    """From here on, migrations run one at a time, each with its bookkeeping in one transaction."""

    def told_in_one_line(run: Run) -> Run:
        async def guarded(*args: Any, **kwargs: Any) -> MigrationResult:
            try:
                return await run(*args, **kwargs)
            except EOFError:
                told = "there is no terminal to ask; add --auto_agree"
            except asyncio.CancelledError:
                told = "interrupted; to go on, run it again"
            except Exception as error:
                if (told := failure_message(error)) is None:
                    raise
            sys.stdout.flush()
            sys.stderr.write(f"\ngatehouse: {told}\n")
            return MigrationResult(success=False, message=told)

        return guarded

    async def run_forwards_locked(*args: Any, **kwargs: Any) -> MigrationResult:
        async with migration_lock(engine, lock_timeout):
            await recorded_ids()
            try:
                await engine.check_role()
            except UnsafeRole as warning:
                # Not refused: whoever has no other role must be able to migrate. It will own the tables.
                sys.stderr.write(f"gatehouse: warning: {warning}\n")
            return await run_forwards_unlocked(*args, **kwargs)

    async def ask_and_run_backwards(
        app_name: str,
        migration_id: str = "1",
        auto_agree: bool = False,
        clean: bool = False,
        preview: bool = False,
    ) -> MigrationResult:
        wanted = "all" if app_name == "all" else migration_id
        # Asked before there is a lock: a person who goes to lunch over the question would stop all deploys.
        agreed = None if auto_agree or preview else await _agree(wanted)
        async with migration_lock(engine, lock_timeout):
            if agreed is not None and await _to_undo(wanted) != agreed:
                raise CommandError(
                    "other migrations are applied by now, and nothing was undone; run it again"
                )
            return await run_backwards_unlocked(app_name, migration_id, True, clean, preview)

    async def run_forwards(self: forwards.ForwardsMigrationManager, app_config: AppConfig) -> MigrationResult:
        return await _forwards(engine, self, app_config)

    async def run_backwards(
        self: backwards.BackwardsMigrationManager, app_config: AppConfig
    ) -> MigrationResult:
        return await _backwards(engine, self, app_config)

    run_backwards_unlocked = backwards.run_backwards
    guarded: list[tuple[Any, str, Callable[..., Any]]] = [
        (forwards, "run_forwards", told_in_one_line(run_forwards_locked)),
        (backwards, "run_backwards", told_in_one_line(ask_and_run_backwards)),
        (forwards.ForwardsMigrationManager, "run_migrations", run_forwards),
        (backwards.BackwardsMigrationManager, "run_migrations_backwards", run_backwards),
    ]
    for owner, name, function in guarded:
        # A Piccolo that has other names ends here, and does not run unguarded.
        getattr(owner, name)
        setattr(owner, name, function)


async def _forwards(
    engine: Engine, manager: forwards.ForwardsMigrationManager, app: AppConfig
) -> MigrationResult:
    modules = manager.get_migration_modules(app.resolved_migrations_folder_path)
    wanted = manager.migration_id
    if wanted not in ("all", "1", *modules):
        raise CommandError(f"there is no migration {wanted}; see: gatehouse db status")
    done = await Migration.get_migrations_which_ran(app_name=app.app_name)
    pending = sorted(set(modules) - set(done))
    if not pending or wanted in done:
        _say("no migrations to apply\n")
        return MigrationResult(success=True)
    until = {"all": pending[-1], "1": pending[0]}.get(wanted, wanted)
    to_apply = pending[: pending.index(until) + 1]
    if not (manager.preview or manager.fake):
        await _rehearse(engine, [modules[migration_id] for migration_id in to_apply], first=not done)
    for migration_id in to_apply:
        module = modules[migration_id]
        if manager.preview:
            migration = sql_migration(module)
            _say(f"-- {migration_id}\n{migration.script if migration else '-- runs Python'}\n")
            continue
        _say(f"  {migration_id} forwards … ")
        await in_transaction(engine, lambda connection: connection.execute(history.ADD_CHECKSUMS))
        await _apply(engine, module, fake=manager.fake)
        _say("faked\n" if manager.fake else "ok\n")
    return MigrationResult(success=True)


async def _rehearse(engine: Engine, modules: list[Any], *, first: bool) -> None:
    """Up to a migration that runs Python: what comes after that one nobody can foresee."""
    migrations = list(itertools.takewhile(lambda found: found is not None, map(sql_migration, modules)))
    try:
        await run_preflight(engine, [migration for migration in migrations if migration is not None])
    except UnexpectedSchema as error:
        if not first:
            raise
        raise CommandError(
            f"{error}; if the old system made this database, run: gatehouse db adopt"
        ) from None


async def _apply(engine: Engine, module: Any, *, fake: bool) -> None:
    """Apply one migration and record it, in one transaction wherever its statements allow that."""
    migration = sql_migration(module)

    async def record(connection: Any) -> None:
        checksum = None if migration is None else migration.checksum
        await connection.execute(history.record(module.ID, checksum))

    async def run_python(connection: Any) -> None:
        # A migration of data alone may do its work in this very call.
        manager = await module.forwards()
        if isinstance(manager, MigrationManager):
            await manager.run()
        await record(connection)

    if fake:
        await in_transaction(engine, record)
    elif migration is not None:
        await migration.apply(engine, record)
    else:
        await in_transaction(engine, run_python)


async def _agree(wanted: str) -> list[str]:
    """The ids that a person agreed to undo. Raises `CommandError` when they did not."""
    undo = await _to_undo(wanted)
    if undo and not _says_yes(
        f"Undo {len(undo)} migration{'s' * (len(undo) > 1)}: {', '.join(undo)}? [y/N] "
    ):
        raise CommandError("nothing was undone")
    return undo


def _says_yes(question: str) -> bool:
    return input(question).strip().lower() == "y"


async def _to_undo(wanted: str) -> list[str]:
    """What is applied from `wanted` on, the newest first; `wanted` is an id, "all", or "1" for the newest."""
    done = sorted(await recorded_ids())
    if not done:
        return []
    since = {"all": done[0], "1": done[-1]}.get(wanted, wanted)
    if since not in done:
        raise CommandError(f"{wanted} is not applied; applied are: {', '.join(done)}")
    return done[done.index(since) :][::-1]


async def _backwards(
    engine: Engine, manager: backwards.BackwardsMigrationManager, app: AppConfig
) -> MigrationResult:
    modules = manager.get_migration_modules(app.resolved_migrations_folder_path)
    undo = await _to_undo(manager.migration_id)
    if not undo:
        _say("no migrations to undo\n")
        return MigrationResult(success=True)
    if missing := [migration_id for migration_id in undo if migration_id not in modules]:
        raise CommandError(f"the files of {', '.join(missing)} are missing; restore them first")
    if manager.clean:
        raise CommandError("--clean is not supported: a file that is gone cannot be put back")
    for migration_id in undo:
        if manager.preview:
            migration = sql_migration(modules[migration_id])
            _say(f"-- {migration_id}\n{migration.undo_script if migration else '-- runs Python'}\n")
            continue
        _say(f"  {migration_id} backwards … ")
        told = await _undo(engine, modules[migration_id])
        _say("ok\n")
        for line in told:
            _say(f"    {line}\n")
    return MigrationResult(success=True)


async def _undo(engine: Engine, module: Any) -> list[str]:
    async def erase(connection: Any) -> None:
        await connection.execute(history.erase(module.ID))

    async def run_python(connection: Any) -> None:
        manager = await module.forwards()
        # Raised within the transaction, which takes back what the call may have done.
        if not isinstance(manager, MigrationManager):
            raise CommandError(f"{module.ID} runs Python and cannot be undone")
        if manager.add_tables or manager.add_columns.add_columns:
            raise CommandError(f"undoing {module.ID} would lose rows; write it as a SqlMigration")
        await manager.run(backwards=True)
        await erase(connection)

    if (migration := sql_migration(module)) is not None:
        return await migration.undo(engine, erase)
    await in_transaction(engine, run_python)
    return []


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
