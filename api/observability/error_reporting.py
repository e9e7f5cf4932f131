"""Failures that are not the client's doing: told to the log in full, to the client by a code alone."""

import traceback

import asyncpg

from api.database.driver_errors import DISCONNECTED
from api.observability.error_descriptions import describe_error
from api.observability.logs import get_logger

logger = get_logger()


def error_code(error: BaseException) -> str:
    """What the client gets to know of it: UNAVAILABLE or INTERNAL."""
    return "UNAVAILABLE" if isinstance(error, DISCONNECTED) else "INTERNAL"


def report_error(error: BaseException, *, more: int = 0) -> str:
    """Log one line, which counts the `more` failures of the same request; returns the `error_code`."""
    besides = {"more": more} if more else {}
    code = error_code(error)
    if code == "UNAVAILABLE" and not isinstance(error, asyncpg.InterfaceError):
        logger.error("the database is not available", error=describe_error(error), **besides)
    else:
        # The driver's InterfaceError may be a lost connection, or a mistake that only its place shows.
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("unexpected", error=describe_error(error), **besides, traceback=frames)
    return code
