"""Reports errors that no client caused: the log gets the details, the client a code."""

import traceback

import asyncpg

from api.database.driver_errors import DISCONNECTED
from api.observability.error_descriptions import describe_error
from api.observability.logs import get_logger

logger = get_logger()


def error_code(error: BaseException) -> str:
    """The code for the client: UNAVAILABLE if the database cannot be reached, or else INTERNAL."""
    return "UNAVAILABLE" if isinstance(error, DISCONNECTED) else "INTERNAL"


def report_error(error: BaseException, *, more: int = 0) -> str:
    """Log the error in one line, with the number of `more` errors of the same request.

    Returns its `error_code`.
    """
    extra = {"more": more} if more else {}
    code = error_code(error)
    if code == "UNAVAILABLE" and not isinstance(error, asyncpg.InterfaceError):
        logger.error("the database is not available", error=describe_error(error), **extra)
    else:
        # asyncpg's InterfaceError means a lost connection or a bug in our code. The traceback shows which.
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("unexpected error", error=describe_error(error), **extra, traceback=frames)
    return code
