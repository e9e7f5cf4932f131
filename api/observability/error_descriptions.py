"""Describes exceptions for the log and for terminals, without personal data or secrets."""

import traceback

import asyncpg

from api.command_error import CommandError
from api.database.driver_errors import DISCONNECTED, DatabaseUnavailable


def describe_error(error: BaseException) -> str:
    """The class and the message of an error, without the DETAIL in which PostgreSQL repeats whole rows."""
    if isinstance(error, asyncpg.DataError):
        # asyncpg's message repeats the value that it could not encode.
        return type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        message = error.args[0] if error.args else ""
        if isinstance(error, asyncpg.DependentObjectsStillExistError | asyncpg.FeatureNotSupportedError):
            # The DETAIL of these two lists dependent views, indexes and rules, no rows.
            message = f"{message} ({getattr(error, 'detail', None)})"
        return f"{type(error).__name__} {getattr(error, 'sqlstate', '')}: {message}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def describe_error_chain(error: BaseException | None) -> str:
    """An error and its causes, each with its `describe_error` and its stack frames."""
    descriptions: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        descriptions.append(f"{describe_error(error)}\n{''.join(traceback.format_tb(error.__traceback__))}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(descriptions)


def terminal_message(error: BaseException) -> str | None:
    """One line for a person at a terminal; None for an unexpected error."""
    if isinstance(error, CommandError):
        return str(error)
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError):
        return (
            "the database lacks a table or a column of this version; run:"
            " piccolo migrations forwards all && gatehouse db verify"
        )
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"the role of DATABASE_URL lacks a privilege ({describe_error(error)}); let the owner grant it"
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return "the database is read-only; connect to the primary, or make it writable"
    if isinstance(error, asyncpg.LockNotAvailableError):
        return (
            "could not get a lock on the table in time; the step was rolled back; "
            "run it again when traffic is low"
        )
    if isinstance(error, asyncpg.DataError):
        return f"the database rejects a value ({error})"
    if isinstance(error, asyncpg.UniqueViolationError):
        return f"duplicate value: {error.args[0]} ({getattr(error, 'detail', '')})"
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        # A failed connection is a DatabaseUnavailable, and so a CommandError, by now.
        return f"input or output failed: {error.strerror or error}"
    return str(DatabaseUnavailable(error)) if isinstance(error, DISCONNECTED) else None
