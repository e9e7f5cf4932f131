"""What makes `piccolo migrations forwards` and `backwards` safe; `piccolo_conf` installs it.

Piccolo takes no lock, writes its bookkeeping row outside the migration's transaction, and deletes such rows
by name alone, across apps. AppConfig has no hooks and an app cannot replace a built-in command, so the
functions themselves are replaced; a test notices when a new Piccolo has others.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.apps.migrations.commands import backwards, forwards
from piccolo.apps.migrations.commands.base import MigrationResult
from piccolo.apps.migrations.tables import Migration
from piccolo.conf.apps import AppConfig

from api.database.engine import Engine
from api.deploy.lock import migration_lock
from api.deploy.migration import SqlMigration
from api.failures import terminal_line

Run = Callable[..., Awaitable[MigrationResult]]


def install_guard(engine: Engine, lock_timeout: float) -> None:
    """From here on, migrations run one at a time, each with its bookkeeping in one transaction."""

    def one_at_a_time(
        run: Callable[..., Awaitable[MigrationResult]],
    ) -> Callable[..., Awaitable[MigrationResult]]:
        async def guarded(*args: Any, **kwargs: Any) -> MigrationResult:
            try:
                async with migration_lock(engine, lock_timeout):
                    return await run(*args, **kwargs)
            except Exception as error:
                if (told := terminal_line(error)) is None:
                    raise
                sys.stdout.flush()
                sys.stderr.write(f"\ngatehouse: {told}\n")
                return MigrationResult(success=False, message=told)

        return guarded

    async def run_forwards(self: forwards.ForwardsMigrationManager, app_config: AppConfig) -> MigrationResult:
        return await _forwards(engine, self, app_config)

    async def run_backwards(
        self: backwards.BackwardsMigrationManager, app_config: AppConfig
    ) -> MigrationResult:
        return await _backwards(engine, self, app_config)

    forwards.run_forwards = one_at_a_time(forwards.run_forwards)
    backwards.run_backwards = one_at_a_time(backwards.run_backwards)
    forwards.ForwardsMigrationManager.run_migrations = run_forwards
    backwards.BackwardsMigrationManager.run_migrations_backwards = run_backwards


async def _forwards(
    engine: Engine, manager: forwards.ForwardsMigrationManager, app: AppConfig
) -> MigrationResult:
    await Migration.raw("ALTER TABLE migration ADD COLUMN IF NOT EXISTS checksum text")
    modules = manager.get_migration_modules(app.resolved_migrations_folder_path)
    done = await Migration.get_migrations_which_ran(app_name=app.app_name)
    pending = sorted(set(modules) - set(done))
    wanted = manager.migration_id
    if wanted in done:
        return _end(f"{wanted} has been applied already")
    if not pending:
        return _end("no migrations to apply")
    until = {"all": pending[-1], "1": pending[0]}.get(wanted, wanted)
    if until not in pending:
        return _end(f"there is no migration {wanted}; see: gatehouse db status", success=False)
    for migration_id in pending[: pending.index(until) + 1]:
        _say(f"  {migration_id} forwards … ")
        await _apply(engine, modules[migration_id], app.app_name, fake=manager.fake, preview=manager.preview)
        _say("ok\n")
    return MigrationResult(success=True)


async def _apply(engine: Engine, module: Any, app_name: str, *, fake: bool, preview: bool) -> None:
    """Apply one migration and record it, in one transaction wherever its statements allow that."""

    async def record(connection: Any) -> None:
        await connection.execute(
            "INSERT INTO migration (name, app_name, ran_on, checksum) VALUES ($1, $2, clock_timestamp(), $3)",
            module.ID,
            app_name,
            migration.checksum if isinstance(migration, SqlMigration) else None,
        )

    async with engine.transaction() as transaction:
        # A migration of data alone may do its work in this very call.
        migration = await module.forwards()
        has_own = isinstance(migration, SqlMigration) or (
            isinstance(migration, MigrationManager) and not migration.wrap_in_transaction
        )
        if fake or preview or not has_own:
            if isinstance(migration, MigrationManager) and not fake:
                migration.preview = preview
                await migration.run()
            if not preview:
                await record(transaction.connection)
            return
    if isinstance(migration, SqlMigration):
        await migration.apply(engine, record)
        return
    await migration.run()
    async with engine.transaction() as transaction:
        await record(transaction.connection)


async def _backwards(
    engine: Engine, manager: backwards.BackwardsMigrationManager, app: AppConfig
) -> MigrationResult:
    modules = manager.get_migration_modules(app.resolved_migrations_folder_path)
    done = sorted(await Migration.get_migrations_which_ran(app_name=app.app_name))
    if not done:
        return _end("no migrations to undo")
    wanted = manager.migration_id
    since = {"all": done[0], "1": done[-1]}.get(wanted, wanted)
    if since not in done:
        return _end(f"{wanted} is not applied; applied are: {', '.join(done)}", success=False)
    undo = done[done.index(since) :][::-1]
    if missing := [migration_id for migration_id in undo if migration_id not in modules]:
        return _end(f"the files of {', '.join(missing)} are missing; restore them first", success=False)
    if not manager.auto_agree and not _agreed(len(undo)):
        return _end("nothing was undone", success=False)
    for migration_id in undo:
        _say(f"  {migration_id} backwards … ")
        kept = await _undo(engine, modules[migration_id], app.app_name, preview=manager.preview)
        _say("ok\n")
        for what in kept:
            _say(f"    keeps {what}\n")
    return MigrationResult(success=True)


def _agreed(count: int) -> bool:
    try:
        return input(f"Undo {count} migration{'s' * (count > 1)}? [y/N] ").strip().lower() == "y"
    except EOFError:
        _say("\nThere is no terminal to ask; add --auto_agree.\n")
        return False


async def _undo(engine: Engine, module: Any, app_name: str, *, preview: bool) -> list[str]:
    async def record(connection: Any) -> None:
        await connection.execute(
            "DELETE FROM migration WHERE name = $1 AND app_name = $2", module.ID, app_name
        )

    migration = await module.forwards()
    if isinstance(migration, SqlMigration) and not preview:
        return await migration.undo(engine, record)
    async with engine.transaction() as transaction:
        if isinstance(migration, MigrationManager):
            migration.preview = preview
            await migration.run(backwards=True)
        if not preview:
            await record(transaction.connection)
    return []


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _end(text: str, *, success: bool = True) -> MigrationResult:
    (sys.stdout if success else sys.stderr).write(f"{text}\n")
    return MigrationResult(success=success, message=text)
