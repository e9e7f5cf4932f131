"""`gatehouse db sql --run`: runs SQL of a person, for a machine without psql, such as a container."""

from dataclasses import dataclass
from itertools import chain, count
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.database.engine import get_engine
from api.database.scopes import platform_scope

_TRANSACTION_CONTROL = (
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "PREPARE TRANSACTION",
)
"""The statuses of statements after which the next ones would see no rows, or would stay on a failure."""

_REFUSAL = (
    "nothing was changed: the SQL runs in one transaction; take out BEGIN, COMMIT, SAVEPOINT and the like"
)


@dataclass(frozen=True)
class Result:
    columns: list[str]
    """Each name once: the second `count` is `count_2`."""
    rows: list[tuple[Any, ...]]
    status: str
    """Such as `UPDATE 3`; `done` for several statements."""


async def run_sql(script: str) -> Result:
    """Run statements in one transaction that sees the rows of all tenants.

    The rows of a single statement are returned, those of several are not. A statement that refuses to run in
    a transaction, such as CREATE INDEX CONCURRENTLY, runs outside of one. Raises `CommandError`.
    """
    try:
        return await _run(script)
    except asyncpg.FeatureNotSupportedError as error:
        if "transaction commands" not in error.args[0]:
            raise _failure(error) from None
        raise CommandError(_REFUSAL) from None
    except asyncpg.PostgresError as error:
        raise _failure(error) from None


def _failure(error: asyncpg.PostgresError) -> CommandError:
    if isinstance(error, asyncpg.PostgresSyntaxError) and error.args[0].endswith('near "\\"'):
        return CommandError("the SQL contains commands of psql; run it with psql")
    # Without the DETAIL, which may repeat a row. CREATE INDEX CONCURRENTLY leaves an index when it fails.
    return CommandError(f"{error.args[0]}; the open transaction was rolled back")


async def _run(script: str) -> Result:
    try:
        async with platform_scope() as transaction:
            statement: Any = await transaction.connection.prepare(script)
            rows = [tuple(row) for row in await statement.fetch()]
            if statement.get_statusmsg() in _TRANSACTION_CONTROL:
                raise CommandError(_REFUSAL)
            names = [one.name for one in statement.get_attributes()]
            return Result(_unique(names), rows, statement.get_statusmsg())
    except asyncpg.ActiveSQLTransactionError:
        async with get_engine().separate_connection() as connection:
            return Result([], [], await connection.execute(script))
    except asyncpg.PostgresSyntaxError:
        # Several statements cannot be prepared. If it is another error, it is raised again.
        async with platform_scope() as transaction:
            # EXECUTE runs them all, and refuses those that control the transaction.
            await transaction.connection.execute("SELECT set_config('gatehouse.script', $1, true)", script)
            await transaction.connection.execute(
                "DO $$ BEGIN EXECUTE current_setting('gatehouse.script'); END $$"
            )
            return Result([], [], "done")


def _unique(names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        candidates = chain([name], (f"{name}_{number}" for number in count(2)))
        found.append(next(one for one in candidates if one not in found))
    return found
