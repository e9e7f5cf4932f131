"""Makes `piccolo migrations forwards` and `backwards` safe, by replacing functions of Piccolo.

Piccolo takes no lock. It writes the row in its table `migration` outside the migration's transaction, and it
deletes rows by migration id alone, also those of other apps. Its commands that only read create that table.
It has no hooks, and an app cannot replace a built-in command. A test fails when a new version of Piccolo has
other names.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from asyncpg import InsufficientPrivilegeError, ReadOnlySQLTransactionError
from piccolo.apps.migrations.commands import backwards, check, forwards, new
from piccolo.apps.migrations.commands.base import MigrationResult
from piccolo.conf.apps import AppConfig

from api.command_error import CommandError
from api.database.driver_errors import UnsafeRole
from api.database.engine import get_engine
from api.deploy.migrations.application_role import grant_rows
from api.deploy.migrations.apply import apply_migrations, put_back_objects
from api.deploy.migrations.backfill_run import describe_rows_left
from api.deploy.migrations.failures import failure_message
from api.deploy.migrations.history import APP
from api.deploy.migrations.lock import migration_lock
from api.deploy.migrations.migration import SqlMigration, all_migrations, migrations_by_id
from api.deploy.migrations.new_migration import create_migration
from api.deploy.migrations.pending import applied_ids, pending_migrations
from api.deploy.migrations.piccolo_arguments import read_arguments
from api.deploy.migrations.privileges import require_privileges
from api.deploy.migrations.revert import (
    announce_revert,
    ids_to_revert,
    read_migrations,
    require_reversible,
    revert_migrations,
)
from api.terminal_language import in_terminal_language

Run = Callable[..., Awaitable[MigrationResult]]

_announced: ContextVar[bool] = ContextVar("announced", default=False)
"""Whether a person has read what a revert drops, and agreed."""

_piccolos_run_forwards = forwards.run_forwards
_piccolos_run_backwards = backwards.run_backwards


def install_patches() -> None:
    """Replace Piccolo's functions; `piccolo_conf`, which every `piccolo` command imports, calls this.

    Raises `SystemExit` for a command that is refused.
    """
    if Path(sys.argv[0]).name == "piccolo" or sys.argv[0].endswith("piccolo/main.py"):
        engine = get_engine()
        engine.role = engine.roles.owner
        try:
            # Piccolo reads the arguments after it has imported `piccolo_conf`.
            sys.argv[1:] = read_arguments(sys.argv[1:])
        except CommandError as error:
            raise SystemExit(f"gatehouse: {error}") from None
    patches: list[tuple[Any, str, Callable[..., Any]]] = [
        (forwards, "run_forwards", _one_line_errors(_run_forwards)),
        (backwards, "run_backwards", _one_line_errors(_run_backwards)),
        (forwards.ForwardsMigrationManager, "run_migrations", _run_migrations),
        (backwards.BackwardsMigrationManager, "run_migrations_backwards", _run_migrations_backwards),
        (forwards.ForwardsMigrationManager, "create_migration_table", _create_no_table),
        (backwards.BackwardsMigrationManager, "create_migration_table", _create_no_table),
        (check.CheckMigrationManager, "get_migration_statuses", _migration_statuses),
        (new, "_create_new_migration", create_migration),
    ]
    for owner, name, function in patches:
        # Fails if this version of Piccolo has another name, where setattr alone would patch nothing.
        getattr(owner, name)
        setattr(owner, name, function)


def _one_line_errors(run: Run) -> Run:
    """Print a foreseen error as one line. Piccolo then exits with 1; it would print a traceback."""

    async def run_and_report(*args: Any, **kwargs: Any) -> MigrationResult:
        try:
            return await run(*args, **kwargs)
        except EOFError:
            message = "there is no terminal to ask; add --auto_agree"
        except asyncio.CancelledError:
            message = "interrupted; run it again to continue"
        except Exception as error:
            if (message := failure_message(error)) is None:
                raise
        sys.stdout.flush()
        sys.stderr.write(f"\ngatehouse: {in_terminal_language(message)}\n")
        return MigrationResult(success=False, message=message)

    return run_and_report


async def _run_forwards(
    app_name: str, migration_id: str = "all", fake: bool = False, preview: bool = False
) -> MigrationResult:
    get_engine().creates_embedded = not preview
    async with _lock_unless(preview):
        # Raises if the table `migration` is not Piccolo's, which Piccolo would fail on with a traceback.
        if await pending_migrations() and not preview:
            await require_privileges()
        try:
            await get_engine().check_role()
        except UnsafeRole as warning:
            # A warning only, because some deployments have no other role. This one will own the tables.
            line = in_terminal_language(f"warning: {warning}")
            sys.stderr.write(f"gatehouse: {line}\n")
        return await _piccolos_run_forwards(app_name, migration_id, fake, preview)


def _lock_unless(preview: bool) -> AbstractAsyncContextManager[None]:
    """A preview only reads, so it neither waits for a deploy nor needs a direct connection."""
    return nullcontext() if preview else migration_lock()


async def _create_no_table(_manager: object) -> bool:
    """`apply_migrations` creates the table `migration`. Piccolo creates it for a preview, too."""
    return False


async def _run_migrations(
    manager: forwards.ForwardsMigrationManager,
    app_config: AppConfig,  # noqa: ARG001 (Piccolo's name)
) -> MigrationResult:
    migrations = migrations_by_id()
    target = manager.migration_id
    if target not in ("all", "1", *migrations):
        raise CommandError(f"there is no migration {target}; see: gatehouse db status")
    applied = await applied_ids()
    pending = sorted(set(migrations) - set(applied))
    if not pending or target in applied:
        _print("no migrations to apply\n")
        if not manager.preview:
            await put_back_objects(report=_print)
            await grant_rows(report=_print)
        return MigrationResult(success=True)
    last = {"all": pending[-1], "1": pending[0]}.get(target, target)
    to_apply = pending[: pending.index(last) + 1]
    if manager.preview:
        for migration_id in to_apply:
            migration = migrations[migration_id]
            _print(f"-- {migration_id}\n{migration.script}\n")
            for step in migration.backfills.values():
                _print(f"{await describe_rows_left(step)}\n")
    else:
        await apply_migrations(to_apply, fake=manager.fake, report=_print)
    return MigrationResult(success=True)


async def _run_backwards(
    app_name: str,
    migration_id: str = "1",
    auto_agree: bool = False,
    clean: bool = False,
    preview: bool = False,
) -> MigrationResult:
    target = "all" if app_name == "all" else migration_id
    # Asked without the lock: while a person does not answer, deploys must go on.
    confirmed = None if auto_agree or preview else await _confirm(target)
    _announced.set(confirmed is not None)
    async with _lock_unless(preview):
        if confirmed is not None and await ids_to_revert(target) != confirmed:
            raise CommandError("the applied migrations have changed, and nothing was reverted; run it again")
        return await _piccolos_run_backwards(app_name, migration_id, True, clean, preview)


async def _confirm(target: str) -> list[str]:
    """The ids that a person agreed to revert. Raises `CommandError` if they did not agree."""
    async with migration_lock():
        ids = await ids_to_revert(target)
        migrations = read_migrations(ids)
        require_reversible(migrations)
        await announce_revert(migrations, report=_print)
    if ids and not _answers_yes(
        f"Revert {len(ids)} migration{'s' * (len(ids) > 1)}: {', '.join(ids)}? [y/N] "
    ):
        raise CommandError("nothing was reverted")
    return ids


def _answers_yes(question: str) -> bool:
    return input(question).strip().lower() == "y"


async def _run_migrations_backwards(
    manager: backwards.BackwardsMigrationManager,
    app_config: AppConfig,  # noqa: ARG001 (Piccolo's name)
) -> MigrationResult:
    ids = await ids_to_revert(manager.migration_id)
    if not ids:
        await _require_no_tables()
        _print("no migrations to revert\n")
        return MigrationResult(success=True)
    migrations = read_migrations(ids)
    require_reversible(migrations)
    if manager.clean:
        raise CommandError("--clean is not supported: it deletes the file, which applying it again needs")
    if manager.preview:
        await _preview_revert(migrations)
    else:
        # After the question, the rehearsal only shows whether the revert would still work.
        await announce_revert(migrations, report=_ignore if _announced.get() else _print)
        await revert_migrations(migrations, report=_print)
    return MigrationResult(success=True)


async def _preview_revert(migrations: Sequence[SqlMigration]) -> None:
    try:
        await announce_revert(migrations, report=_print_comment)
    except (ReadOnlySQLTransactionError, InsufficientPrivilegeError):
        _print("-- not rehearsed, because this role may only read: the revert may fail\n")
    for migration in migrations:
        _print(f"-- {migration.migration_id}\n{migration.revert_sql()}\n")


async def _require_no_tables() -> None:
    """Raise `CommandError` if the tables exist without their history, which a revert needs."""
    async with get_engine().separate_connection() as connection:
        if await connection.fetchval("SELECT to_regclass('users') IS NOT NULL"):
            raise CommandError(
                "the table migration is missing or empty, although there are tables; to record their"
                " migrations again, run: piccolo migrations forwards all; if the old system created them,"
                " run: gatehouse db adopt"
            )


async def _migration_statuses(manager: check.CheckMigrationManager) -> list[check.MigrationStatus]:
    if manager.app_name not in ("all", APP):
        return []
    try:
        applied = await applied_ids()
    except Exception as error:
        if (message := failure_message(error)) is None:
            raise
        # Piccolo would print a traceback.
        raise SystemExit(f"gatehouse: {message}") from None
    return [
        check.MigrationStatus(APP, one.migration_id, one.description, one.migration_id in applied)
        for one in all_migrations()
    ]


def _print_comment(text: str) -> None:
    _print(f"-- {text}")


def _ignore(_text: str) -> None:
    pass


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
