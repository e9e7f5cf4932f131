"""Failures that are not the client's doing: told to the log in full, to the client by a code alone."""

import logging
import traceback

import asyncpg

from api.database.engine import DISCONNECTED


class CommandFailed(Exception):
    """What went wrong at a terminal, in one line that says what to do next."""


logger = logging.getLogger("gatehouse")


def report_failure(error: BaseException) -> str:
    """Log one line; returns the code that the client gets: UNAVAILABLE or INTERNAL."""
    if isinstance(error, DISCONNECTED):
        logger.error("the database is not available: %s", describe(error))
        return "UNAVAILABLE"
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("unexpected %s\n%s", describe(error), frames)
    return "INTERNAL"


def describe(error: BaseException) -> str:
    """What an error says, without the DETAIL in which PostgreSQL repeats whole rows, password and all."""
    if isinstance(error, asyncpg.DataError):
        # asyncpg repeats the value that it could not send.
        return type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        return (
            f"{type(error).__name__} {getattr(error, 'sqlstate', '')}: {error.args[0] if error.args else ''}"
        )
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
