"""Applying the pending migrations from within the application."""

import contextlib
import io
import logging

from piccolo.apps.migrations.commands import forwards

from api.deploy.pending import pending_migrations
from api.errors import CommandFailed

logger = logging.getLogger("gatehouse")


async def apply_pending() -> list[str]:
    """Do what `piccolo migrations forwards all` does; returns the ids that were applied."""
    pending = await pending_migrations()
    if pending:
        # Piccolo tells of its progress on standard output, which is not the place of a server's log.
        with contextlib.redirect_stdout(io.StringIO()):
            # Looked up here, because the guard replaces it.
            result = await forwards.run_forwards(app_name="all")
        if not result.success:
            raise CommandFailed(
                result.message or "the migrations failed; run: piccolo migrations forwards all"
            )
        logger.info("applied the migrations %s", ", ".join(pending))
    return pending
