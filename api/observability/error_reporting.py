"""Reports errors that no client caused: the log gets the details, the client a code."""

import traceback

import asyncpg

from api.database.driver_errors import DISCONNECTED, OTHER_SCHEMA, TIMED_OUT
from api.observability.error_descriptions import describe_error
from api.observability.logs import get_logger

logger = get_logger()


def error_code(error: BaseException) -> str:
    """The code for the client: UNAVAILABLE if the database cannot be used at present, or else INTERNAL."""
    unavailable = (*DISCONNECTED, *TIMED_OUT, *OTHER_SCHEMA, asyncpg.ReadOnlySQLTransactionError)
    return "UNAVAILABLE" if isinstance(error, unavailable) else "INTERNAL"


def report_error(error: BaseException, *, more: int = 0) -> str:
    """Log the error in one line, with the number of `more` errors of the same request.

    Returns its `error_code`.
    """
    extra = {"more": more} if more else {}
    code = error_code(error)
    if code == "INTERNAL" or isinstance(error, asyncpg.InterfaceError):
        # asyncpg's InterfaceError means a lost connection or a bug in our code. The traceback shows which.
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("unexpected error", error=describe_error(error), **extra, traceback=frames)
    else:
        logger.error(_event(error), error=describe_error(error), **extra)
    return code


def _event(error: BaseException) -> str:
    if isinstance(error, OTHER_SCHEMA):
        return "the database has the schema of another version; see: gatehouse db status"
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return "the database takes no writes"
    if isinstance(error, TIMED_OUT):
        return "the database did not finish a statement in time"
    return "the database is not available"
