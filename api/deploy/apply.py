"""Applying the pending migrations from within the application."""

import contextlib
import io
import logging

from piccolo.apps.migrations.commands.forwards import run_forwards

from api.deploy.pending import pending_migrations

logger = logging.getLogger("gatehouse")


async def apply_pending() -> list[str]:
    """Do what `piccolo migrations forwards all` does; returns the ids that were applied."""
    pending = await pending_migrations()
    if pending:
        # Piccolo tells of its progress on standard output, which is not the place of a server's log.
        with contextlib.redirect_stdout(io.StringIO()):
            await run_forwards(app_name="all")
        logger.info("applied the migrations %s", ", ".join(pending))
    return pending
