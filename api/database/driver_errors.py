"""The errors of the database driver, by cause: database unavailable, wrong address, unsafe role."""

import asyncpg

from api.command_error import CommandError
from api.database.embedded import EmbeddedServerError


class DatabaseUnavailable(CommandError):
    """The database cannot be reached or does not respond in time; the message is one line."""

    def __init__(self, cause: BaseException, setting: str = "DATABASE_URL") -> None:
        reason = " ".join(f"{type(cause).__name__} {cause}".split())
        super().__init__(
            f"the database cannot be reached ({reason}); check {setting} and that the server runs"
        )


class UnsafeRole(CommandError):
    """Row security does not apply to the application's role; the message says which role to create."""


DISCONNECTED = (
    OSError,
    TimeoutError,
    DatabaseUnavailable,
    EmbeddedServerError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.TargetServerAttributeNotMatched,
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CannotConnectNowError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
    asyncpg.exceptions.InvalidAuthorizationSpecificationError,
    asyncpg.exceptions.InvalidCatalogNameError,
    asyncpg.exceptions.InsufficientResourcesError,
)
"""Raised when the database is unavailable, as opposed to one that rejects a statement."""

TIMED_OUT = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)
"""Raised when PostgreSQL ends a statement, for example one that waits for a locked table."""

UNUSABLE_CONNECTION = (*DISCONNECTED, asyncpg.ReadOnlySQLTransactionError)
"""After these a connection is not used again: after a failover, one to the old primary takes no writes."""

WRONG_ADDRESS = (
    asyncpg.exceptions.ClientConfigurationError,
    asyncpg.InvalidParameterValueError,
    asyncpg.UndefinedObjectError,
    asyncpg.CantChangeRuntimeParamError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.SyntaxOrAccessError,
    asyncpg.exceptions.InternalClientError,
    KeyError,
    TypeError,
    ValueError,
)
"""Raised while connecting when DATABASE_URL has a parameter or value that the driver or the server rejects.

`KeyError` is that of a system user without a name, which is the role if DATABASE_URL has none.
"""

OTHER_SCHEMA = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.NotNullViolationError,
)
"""Raised when the schema of the database is behind or ahead of this version of Gatehouse.

NOT NULL is violated by rows of this version if a newer one added a column without a default.
"""
