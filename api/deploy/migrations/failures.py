"""The error line of a migration that failed."""

import asyncpg

from api.deploy.migrations.transactions import LOCK_TIMEOUT_MS
from api.observability.error_descriptions import describe_error, terminal_message

_BROKEN_BY_OLD_ROWS = {
    "users_email_lower",
    "users_tenant",
    "tenants_nit",
    "beta_keys_key",
    "beta_keys_tenant",
}
"""The indexes and constraints that rows of the old system can violate; its tables may lack them."""


def failure_message(error: Exception) -> str | None:
    """One line that says what to do; None for an error that is a bug, and needs its traceback."""
    if isinstance(error, asyncpg.LockNotAvailableError):
        return (
            f"could not get a lock on the table within {LOCK_TIMEOUT_MS / 1000:g} s;"
            " the step was rolled back; run it again when traffic is low"
        )
    if getattr(error, "constraint_name", None) in _BROKEN_BY_OLD_ROWS:
        return (
            f"{describe_error(error)}; if the old system wrote these rows, list them, and the SQL of each"
            " choice; run: gatehouse db adopt"
        )
    # `terminal_message` answers a missing table or column with: run the migrations. Here they fail with it.
    is_missing = isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError)
    message = None if is_missing else terminal_message(error)
    if message is None and isinstance(error, asyncpg.PostgresError):
        return f"{describe_error(error)}; fix the cause and run it again"
    return message
