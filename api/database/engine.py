"""Piccolo's PostgreSQL engine, made to fail fast, to fail closed, and to start the embedded server."""

import asyncio
from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import Any, Literal, cast

import asyncpg
from asyncpg.connection import LoggedQuery
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

from api.database.driver_errors import DISCONNECTED, WRONG_ADDRESS, DatabaseUnavailable, UnsafeRole
from api.database.embedded import EmbeddedServer
from api.settings import Settings, SettingsError, get_settings

ACQUIRE_TIMEOUT = 1.5
"""Seconds a request waits for a connection of the pool, the making of one included."""

STATEMENT_TIMEOUT = 2.5
"""Seconds a request waits for one statement; with `ACQUIRE_TIMEOUT`, a hung database costs it four."""

COMMAND_CONNECT_TIMEOUT = 10
"""Seconds a command at a terminal waits for its connection; its statements may take what they take."""


class Transaction(PostgresTransaction):
    """A transaction in a scope, opened and scoped in one round trip.

    Row security (see `api.database.scopes`) shows a transaction what its scope names; without a scope,
    nothing. An inner transaction joins the outer one, so it must want the same scope.
    """

    __slots__ = ("scope",)

    def __init__(self, engine: "Engine", scope: str | None = None, allow_nested: bool = True) -> None:
        super().__init__(engine, allow_nested)
        self.scope = scope
        # Joined silently, an inner tenant scope would see all that an outer platform scope sees.
        if isinstance(self._parent, Transaction) and scope is not None and scope != self._parent.scope:
            raise RuntimeError("a transaction of another scope is open already")

    async def __aenter__(self) -> PostgresTransaction:
        if self._parent is not None:
            return self._parent
        engine = cast("Engine", self.engine)
        self.connection = await engine.acquire()
        try:
            await self.connection.execute("BEGIN" if self.scope is None else f"BEGIN; {self.scope}")
        except BaseException:
            await self._discard()
            raise
        self.context = engine.current_transaction.set(self)
        return self

    async def commit(self) -> None:
        # PostgreSQL answers the COMMIT of a transaction that has failed with a rollback, and no error.
        if await self.connection.execute("COMMIT") != "COMMIT":
            raise RuntimeError("an error within this transaction was swallowed; it is rolled back")
        self._committed = True

    async def rollback(self) -> None:
        await self.connection.execute("ROLLBACK")
        self._rolled_back = True

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        if self._parent is not None:
            return False
        self.engine.current_transaction.reset(self.context)
        try:
            if not (self._committed or self._rolled_back):
                if exception is None:
                    await self.commit()
                elif isinstance(exception, (asyncio.CancelledError, *DISCONNECTED)):
                    # A rollback would wait on the very connection that does not answer.
                    self.connection.terminate()
                else:
                    await self.rollback()
        except BaseException:
            await self._discard()
            raise
        await cast("Engine", self.engine).release(self.connection)
        return False

    async def _discard(self) -> None:
        """Never hand a connection back to the pool whose transaction may still be open."""
        self.connection.terminate()
        await cast("Engine", self.engine).release(self.connection)


class Engine(PostgresEngine):
    """Connections come from the pool in a server, and are made one by one in a command."""

    __slots__ = ("_embedded", "_pool_size", "on_query", "waiting")

    def __init__(self, config: dict[str, Any], *, embedded: EmbeddedServer | None, pool_size: int) -> None:
        self._embedded = embedded
        self._pool_size = pool_size
        self.waiting = 0
        """How many wait for a connection of the pool, the making of one included."""
        self.on_query: Callable[[LoggedQuery], None] | None = None
        """Told of each statement of the pool when it has ended."""
        super().__init__(config=config)

    async def check_version(self) -> None:
        """Importing `piccolo_conf` must not talk to a database that may be away, or not wanted at all."""

    async def start_connection_pool(self, **kwargs: Any) -> None:
        """Make the pool; it connects when it is first used, so a database that is away can come back.

        Its connections are not reset on release, which saves a round trip: scopes are `SET LOCAL`.
        """
        await self._start_embedded()
        self.pool = await asyncpg.create_pool(
            **self.config,
            min_size=0,
            max_size=self._pool_size,
            timeout=ACQUIRE_TIMEOUT,
            command_timeout=STATEMENT_TIMEOUT,
            init=self._begin,
            reset=_keep,
            **kwargs,
        )

    async def _begin(self, connection: asyncpg.Connection) -> None:
        await _refuse_unbound_role(connection)
        if self.on_query is not None:
            connection.add_query_logger(self.on_query)

    async def check_role(self) -> None:
        """Raise `UnsafeRole` if row security does not bind the role of the database address."""
        connection = await self.get_new_connection()
        try:
            await _refuse_unbound_role(connection)
        finally:
            await connection.close()

    async def get_new_connection(self) -> asyncpg.Connection:
        await self._start_embedded()
        try:
            return await asyncpg.connect(**self.config, timeout=COMMAND_CONNECT_TIMEOUT)
        except WRONG_ADDRESS as error:
            raise SettingsError(f"DATABASE_URL: {error}") from None
        except DISCONNECTED as error:
            raise DatabaseUnavailable(error) from error

    async def acquire(self) -> Any:
        """A connection of the pool, or a new one where there is no pool.

        Raises `DatabaseUnavailable`.
        """
        if self.pool is None:
            return await self.get_new_connection()
        self.waiting += 1
        try:
            return await self.pool.acquire(timeout=ACQUIRE_TIMEOUT)
        except DISCONNECTED as error:
            raise DatabaseUnavailable(error) from error
        finally:
            self.waiting -= 1

    async def release(self, connection: Any) -> None:
        if self.pool is None:
            await connection.close()
        else:
            await self.pool.release(connection)

    async def _run_in_pool(self, query: str, args: Any = None) -> Any:
        return await self.fetch(query, *(args or ()))

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """The rows of one statement, in a transaction of its own."""
        connection = await self.acquire()
        try:
            return await connection.fetch(query, *values)
        except (asyncio.CancelledError, *DISCONNECTED):
            # Released as it is, the connection would wait for the answer that does not come.
            connection.terminate()
            raise
        finally:
            await self.release(connection)

    async def run_script(self, script: str) -> None:
        """Run statements without parameters as one transaction, in one round trip."""
        connection = await self.acquire()
        try:
            await connection.execute(script)
        except (asyncio.CancelledError, *DISCONNECTED):
            connection.terminate()
            raise
        finally:
            await self.release(connection)

    def transaction(self, allow_nested: bool = True, *, scope: str | None = None) -> Transaction:
        return Transaction(self, scope, allow_nested)

    async def _start_embedded(self) -> None:
        if self._embedded is not None and "dsn" not in self.config:
            await asyncio.to_thread(self._embedded.start)
            self.config["dsn"] = self._embedded.dsn()


async def _keep(_connection: Any) -> None:
    """Leave a released connection as it is."""


async def _refuse_unbound_role(connection: Any) -> None:
    """Look at each new connection, because the database may come up after the application."""
    role = await connection.fetchrow(
        "SELECT rolname, rolsuper, rolbypassrls, current_setting('server_encoding') AS encoding"
        " FROM pg_roles WHERE rolname = current_user"
    )
    if role["encoding"] != "UTF8":
        raise SettingsError(f"DATABASE_URL: the database is in {role['encoding']}; make one in UTF8")
    if role["rolsuper"] or role["rolbypassrls"]:
        raise UnsafeRole(
            f"the role {role['rolname']} of DATABASE_URL bypasses row security; use another: "
            "CREATE ROLE gatehouse LOGIN PASSWORD '…' NOSUPERUSER NOBYPASSRLS; "
            "ALTER DATABASE … OWNER TO gatehouse"
        )


@cache
def get_engine() -> Engine:
    """The engine of this process. `piccolo_conf.DB`, which the tables use, is the same object."""
    return create_engine(get_settings())


def create_engine(settings: Settings) -> Engine:
    """The engine of `DATABASE_URL`, or of the embedded server when that is unset."""
    if settings.database_url is None:
        return Engine({}, embedded=EmbeddedServer(settings.gatehouse_home), pool_size=settings.db_pool_size)
    return Engine(
        {"dsn": settings.database_url.get_secret_value()}, embedded=None, pool_size=settings.db_pool_size
    )
