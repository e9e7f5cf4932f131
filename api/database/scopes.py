"""Scopes: which tenants' rows a transaction can read and write. PostgreSQL's row security enforces them.

A domain function opens its transaction in a scope, or runs one statement in it. Without a scope the tables of
tenants return no rows and reject inserts, so that a forgotten scope fails closed.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from typing import IO, Any
from uuid import UUID

from api.database.engine import get_engine
from api.database.transaction import Transaction

PLATFORM = "SET LOCAL gatehouse.scope = 'platform'"


def tenant_scope(tenant_id: UUID) -> Transaction:
    """A transaction over the rows of one tenant: `async with tenant_scope(id): …`"""
    return get_engine().transaction(scope=f"SET LOCAL gatehouse.tenant_id = '{UUID(str(tenant_id))}'")


def platform_scope() -> Transaction:
    """A transaction over the rows of all tenants: for sign-in, registration and operators."""
    return get_engine().transaction(scope=PLATFORM)


async def read_tenants(tenant_ids: Sequence[UUID], query: str, *arguments: Any) -> list[dict[str, Any]]:
    """The rows of one SELECT in the scope of the tenant; of several tenants, in that of the platform."""
    if len(tenant_ids) == 1:
        return await _read("gatehouse.tenant_id", str(tenant_ids[0]), query, arguments)
    return await read_platform(query, *arguments)


async def read_platform(query: str, *arguments: Any) -> list[dict[str, Any]]:
    """The rows of one SELECT over all tenants, in one round trip. `{}` in it stands for each argument."""
    return await _read("gatehouse.scope", "platform", query, arguments)


# A single statement is a transaction, and the scope ends with it. The LATERAL reference to the scope forces
# PostgreSQL to set the scope before it reads a row of the query. OFFSET 0 prevents that PostgreSQL optimizes
# the reference away.
_SCOPED = """
SELECT result.* FROM (SELECT set_config({{}}, {{}}, true) AS scope) opened
 CROSS JOIN LATERAL (SELECT selected.* FROM ({query}) selected WHERE opened.scope IS NOT NULL OFFSET 0) result
"""


async def _read(setting: str, value: str, query: str, arguments: Sequence[Any]) -> list[dict[str, Any]]:
    _require_no_transaction()
    statement = scoped(query, len(arguments))
    return [dict(row) for row in await get_engine().fetch(statement, setting, value, *arguments)]


@lru_cache(maxsize=256)
def scoped(query: str, arguments: int) -> str:
    """The statement for a query with that many arguments; `$1` and `$2` are the scope's setting and value."""
    parameters = (f"${number}" for number in range(1, arguments + 3))
    return _SCOPED.format(query=query).format(*parameters)


async def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows by COPY in the open transaction. `columns` are names in the database."""
    await _connection().copy_records_to_table(table, records=rows, columns=list(columns))


async def copy_query(
    query: str, *arguments: Any, output: IO[bytes] | Callable[[bytes], Awaitable[None]], **options: Any
) -> int:
    """Write the rows of a query by COPY in the open transaction; returns how many.

    `query` has `$1` for its first argument. `options` are those of asyncpg's `copy_from_query`.
    """
    status = await _connection().copy_from_query(query, *arguments, output=output, **options)
    return int(status.removeprefix("COPY "))


def _connection() -> Any:
    transaction = get_engine().current_transaction.get()
    if transaction is None:
        raise RuntimeError("no transaction is open")
    return transaction.connection


async def write_platform(statement: str, *arguments: UUID) -> None:
    """Run one INSERT, UPDATE or DELETE over all tenants, in one round trip. `{}` stands for each argument.

    PostgreSQL takes two statements in one message only as text, without parameters. Arguments are therefore
    UUIDs, whose text cannot contain SQL.
    """
    _require_no_transaction()
    literals = (f"'{UUID(str(argument))}'" for argument in arguments)
    await get_engine().run_script(f"{PLATFORM}; {statement.format(*literals)}")


def _require_no_transaction() -> None:
    # The scope would last until the end of the open transaction, which may be restricted to one tenant.
    if get_engine().transaction_exists():
        raise RuntimeError("a transaction is open; read and write in it")
