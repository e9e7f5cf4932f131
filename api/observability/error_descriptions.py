"""Failures that are not the client's doing: told to the log in full, to the client by a code alone."""

import traceback

import asyncpg

from api.command_error import CommandError
from api.database.driver_errors import DISCONNECTED, DatabaseUnavailable


def describe_error(error: BaseException) -> str:
    """What an error says, without the DETAIL in which PostgreSQL repeats whole rows, password and all."""
    if isinstance(error, asyncpg.DataError):
        # asyncpg repeats the value that it could not send.
        return type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        said = error.args[0] if error.args else ""
        if isinstance(error, asyncpg.DependentObjectsStillExistError | asyncpg.FeatureNotSupportedError):
            # Here it names what stands in the way: views, indexes, rules.
            said = f"{said} ({getattr(error, 'detail', '')})"
        return f"{type(error).__name__} {getattr(error, 'sqlstate', '')}: {said}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def describe_error_chain(error: BaseException | None) -> str:
    """An error and what it came of, with the places where each was raised, and without DETAIL."""
    told: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        told.append(f"{describe_error(error)}\n{''.join(traceback.format_tb(error.__traceback__))}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(told)


def terminal_message(error: BaseException) -> str | None:
    """What a person at a terminal is told, in one line; None for an error that nobody foresaw."""
    if isinstance(error, CommandError):
        return str(error)
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError):
        return "the database lacks migrations; run: piccolo migrations forwards all"
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"the role of DATABASE_URL lacks a privilege ({describe_error(error)}); let the owner grant it"
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return "the database is read-only; connect to the primary, or make it writable"
    if isinstance(error, asyncpg.LockNotAvailableError):
        return "could not get a lock in time; the statement was rolled back; run it again when traffic is low"
    if isinstance(error, asyncpg.DataError):
        return f"the database rejects a value ({error})"
    if isinstance(error, asyncpg.UniqueViolationError):
        return f"duplicate value: {error.args[0]} ({getattr(error, 'detail', '')})"
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        # Connections that fail are told as DatabaseUnavailable before they get here.
        return f"input or output failed: {error.strerror or error}"
    return str(DatabaseUnavailable(error)) if isinstance(error, DISCONNECTED) else None
