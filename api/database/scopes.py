"""Which tenants' rows a transaction may touch. PostgreSQL's row security enforces what is said here.

A domain function opens its transaction in one of these scopes, or reads with one statement in it. Outside of
them the tables of tenants show nothing and take nothing, so that forgetting the scope fails closed.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from typing import IO, Any
from uuid import UUID

from api.database.engine import Transaction, get_engine

PLATFORM = "SET LOCAL gatehouse.scope = 'platform'"


def tenant_scope(tenant_id: UUID) -> Transaction:
    """A transaction that sees the rows of one tenant: `async with tenant_scope(id): …`"""
    return get_engine().transaction(scope=f"SET LOCAL gatehouse.tenant_id = '{UUID(str(tenant_id))}'")


def platform_scope() -> Transaction:
    """A transaction that sees the rows of all tenants: for sign-in, registration and operators."""
    return get_engine().transaction(scope=PLATFORM)


async def read_tenants(tenant_ids: Sequence[UUID], query: str, *arguments: Any) -> list[dict[str, Any]]:
    """The rows of one SELECT about these tenants, in the scope of the one, or of the platform for several."""
    if len(tenant_ids) == 1:
        return await _read("gatehouse.tenant_id", str(tenant_ids[0]), query, arguments)
    return await read_platform(query, *arguments)


async def read_platform(query: str, *arguments: Any) -> list[dict[str, Any]]:
    """The rows of one SELECT over all tenants, in one round trip."""
    return await _read("gatehouse.scope", "platform", query, arguments)


# A statement by itself is a transaction, and the scope ends with it. `found` refers to the scope, and OFFSET
# keeps PostgreSQL from merging the two: so it has to set the scope before it looks at a row of the query.
_SCOPED = """
SELECT found.* FROM (SELECT set_config({{}}, {{}}, true) AS scope) opened
 CROSS JOIN LATERAL (SELECT asked.* FROM ({query}) asked WHERE opened.scope IS NOT NULL OFFSET 0) found
"""


async def _read(setting: str, value: str, query: str, arguments: Sequence[Any]) -> list[dict[str, Any]]:
    _refuse_within_a_transaction()
    statement = scoped(query, len(arguments))
    return [dict(row) for row in await get_engine().fetch(statement, setting, value, *arguments)]


@lru_cache(maxsize=256)
def scoped(query: str, arguments: int) -> str:
    """The statement for a query with so many placeholders; its first two values are the scope."""
    places = (f"${number}" for number in range(1, arguments + 3))
    return _SCOPED.format(query=query).format(*places)


async def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Add rows by COPY in the transaction that is open; `columns` by their names in the database."""
    await _connection().copy_records_to_table(table, records=rows, columns=list(columns))


async def copy_query(
    query: str, *arguments: Any, output: IO[bytes] | Callable[[bytes], Awaitable[None]], **options: Any
) -> int:
    """Write the rows of a query by COPY in the transaction that is open; returns how many there were.

    `query` has `$1` for its first value; `options` are those of asyncpg's `copy_from_query`.
    """
    status = await _connection().copy_from_query(query, *arguments, output=output, **options)
    return int(status.removeprefix("COPY "))


def _connection() -> Any:
    transaction = get_engine().current_transaction.get()
    if transaction is None:
        raise RuntimeError("no transaction is open")
    return transaction.connection


async def write_platform(statement: str) -> None:
    """Run one statement without parameters over all tenants, in one round trip."""
    _refuse_within_a_transaction()
    await get_engine().run_script(f"{PLATFORM}; {statement}")


def _refuse_within_a_transaction() -> None:
    # The scope would last until the end of that transaction, which may be one tenant's.
    if get_engine().transaction_exists():
        raise RuntimeError("a transaction is open already; read and write within it")
