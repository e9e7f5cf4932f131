"""Errors of the database driver, sorted by what they mean."""

import asyncpg

from api.command_error import CommandError
from api.database.embedded import EmbeddedServerError


class DatabaseUnavailable(CommandError):
    """The database cannot be reached, or does not answer in time; the message is one line."""

    def __init__(self, cause: BaseException) -> None:
        reason = " ".join(f"{type(cause).__name__} {cause}".split())
        super().__init__(
            f"the database cannot be reached ({reason}); check DATABASE_URL and that the server runs"
        )


class UnsafeRole(CommandError):
    """The application connects as a role that row security does not bind; the message says what to do."""


DISCONNECTED = (
    OSError,
    TimeoutError,
    DatabaseUnavailable,
    EmbeddedServerError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CannotConnectNowError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.exceptions.InvalidAuthorizationSpecificationError,
    asyncpg.exceptions.InvalidCatalogNameError,
    asyncpg.exceptions.InsufficientResourcesError,
)
"""What the driver raises when there is no database to talk to, as opposed to one that says no."""

WRONG_ADDRESS = (
    asyncpg.exceptions.ClientConfigurationError,
    asyncpg.InvalidParameterValueError,
    asyncpg.UndefinedObjectError,
)
"""What it raises while connecting when the address has a parameter that nobody understands."""
