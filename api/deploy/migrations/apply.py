"""Applying the pending migrations from within the application."""

import contextlib
import io

import asyncpg

from api.command_error import CommandError
from api.database.engine import Engine
from api.deploy.migrations.lock import migration_lock
from api.deploy.migrations.pending import pending_migrations
from api.deploy.migrations.piccolo_patches import failure_message, run_forwards_unlocked
from api.observability.logs import get_logger

logger = get_logger()


async def apply_pending(engine: Engine, patience: float) -> None:
    """Do what `piccolo migrations forwards all` does; of several instances that start, one does it.

    Raises `CommandError`, among them `MigrationsLocked` after `patience` seconds.
    """
    async with migration_lock(engine, patience):
        pending = await pending_migrations()
        if pending:
            # Piccolo tells of its progress on standard output, which is not the place of a server's log.
            with contextlib.redirect_stdout(io.StringIO()):
                try:
                    await run_forwards_unlocked(app_name="all")
                except asyncpg.PostgresError as error:
                    raise CommandError(failure_message(error)) from error
            logger.info("applied the migrations", migrations=pending)
