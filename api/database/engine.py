"""Piccolo's PostgreSQL engine: the role, the pool, the embedded server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import cache
from typing import Any

import asyncpg
from asyncpg.connection import LoggedQuery
from piccolo.engine.postgres import PostgresEngine

from api.database.bulkheads import Work, working
from api.database.clock import set_clock
from api.database.connection_checks import is_open, require_safe_role
from api.database.connection_pool import LIMIT_TRANSACTION, ConnectionPool, limit_session
from api.database.driver_errors import DISCONNECTED, UNUSABLE_CONNECTION, WRONG_ADDRESS, DatabaseUnavailable
from api.database.embedded import EmbeddedServer
from api.database.postgres_programs import EmbeddedServerError, programs_folder
from api.database.readers import commit_statements
from api.database.replicas import Replicas
from api.database.roles import Role, Roles, connect
from api.database.timestamps import read_every_timestamp
from api.database.transaction import Transaction
from api.settings import Settings, SettingsError, get_settings

logger = logging.getLogger(__name__)

COMMAND_CONNECT_TIMEOUT = 10
"""Seconds that a command waits for its connection; its statements have no timeout."""


class Engine(PostgresEngine):
    """A server takes its connections from a pool; a command opens one for each transaction or statement.

    A command that runs many of them says `reuse_connections`.
    """

    __slots__ = (
        "_embedded",
        "_idle",
        "_pool_size",
        "creates_embedded",
        "on_query",
        "replicas",
        "role",
        "roles",
    )

    def __init__(self, roles: Roles, *, embedded: EmbeddedServer | None, pool_size: int) -> None:
        self.roles = roles
        self.role = roles.application
        """Whose connections are opened. A command that changes tables sets it to `roles.owner`."""
        self._embedded = embedded
        self._pool_size = pool_size
        self._idle: list[asyncpg.Connection] | None = None
        """The connections to use again; None if each is closed after its use."""
        self.creates_embedded = False
        """Whether to create the embedded server. A command that only reads would read an empty database."""
        self.on_query: Callable[[LoggedQuery], None] | None = None
        """Called after each statement on a connection of the pool."""
        self.replicas: Replicas | None = None
        """The standbys that answer reads; None if all reads are of the primary."""
        super().__init__(config=roles.application.arguments)

    async def check_version(self) -> None:
        """Do nothing: Piccolo calls this on import of `piccolo_conf`, which must not need a database."""

    @contextmanager
    def connected_as(self, role: Role) -> Iterator[None]:
        """Open connections of another role in the block, in a process without a pool."""
        previous, idle = self.role, self._idle
        self.role, self._idle = role, None
        try:
            yield
        finally:
            self.role, self._idle = previous, idle

    async def start_connection_pool(self, **_options: Any) -> None:
        """Create the `ConnectionPool`."""
        await self._start_embedded()
        pool: Any = await ConnectionPool.create(
            self._pool_size, self._connect, self._prepare_connection, self.role.connect_timeout
        )
        # Piccolo closes it as it would close its own.
        self.pool = pool

    async def pool_of(self, role: Role) -> ConnectionPool:
        """Another pool, as large as that of `role`."""

        async def connect_to(_dsn: None = None, **options: Any) -> asyncpg.Connection:
            return await connect(role, **options)

        async def prepare(connection: asyncpg.Connection) -> None:
            await self._prepare(connection, role)

        return await ConnectionPool.create(self._pool_size, connect_to, prepare, role.connect_timeout)

    async def _prepare_connection(self, connection: asyncpg.Connection) -> None:
        set_clock(await self._prepare(connection, self.role))

    async def _prepare(self, connection: asyncpg.Connection, role: Role) -> datetime:
        now = await require_safe_role(connection, role.setting)
        await read_every_timestamp(connection)
        if role.arguments.get("statement_cache_size") != 0:
            await limit_session(connection)
        if self.on_query is not None:
            connection.add_query_logger(self.on_query)
        return now

    @property
    def begin(self) -> str:
        """The statements that begin a transaction."""
        return f"BEGIN; {LIMIT_TRANSACTION}" if self.pool is not None and self._uses_pooler else "BEGIN"

    @property
    def commit(self) -> str:
        """The statements that end a transaction."""
        return "COMMIT" if self.replicas is None else commit_statements()

    @property
    def _uses_pooler(self) -> bool:
        """As far as the connections so far have shown."""
        return self.role.arguments.get("statement_cache_size") == 0

    async def check_role(self) -> None:
        """Raise `UnsafeRole` if row security does not apply to the role."""
        async with self.separate_connection() as connection:
            await require_safe_role(connection, self.role.setting)

    @asynccontextmanager
    async def separate_connection(self) -> AsyncIterator[Any]:
        """An asyncpg connection outside of the pool, without timeouts, which nothing else uses meanwhile."""
        connection = await self._open()
        try:
            yield connection
        except asyncio.CancelledError:
            # `close` would wait for a server that does not respond.
            connection.terminate()
            raise
        except BaseException:
            await connection.close()
            raise
        await self._close(connection)

    @asynccontextmanager
    async def reuse_connections(self) -> AsyncIterator[None]:
        """Within it, a connection that is no longer used serves the next transaction or statement.

        A new connection reads the catalogs of PostgreSQL again, which costs more than most steps of a
        migration.
        """
        self._idle = []
        try:
            yield
        finally:
            idle, self._idle = self._idle, None
            for connection in idle:
                connection.terminate()

    async def _open(self) -> asyncpg.Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                await connection.execute("RESET ALL")
                return connection
        return await self.get_new_connection()

    async def _close(self, connection: asyncpg.Connection) -> None:
        if self._idle is None or connection.is_closed() or connection.is_in_transaction():
            await connection.close()
        else:
            self._idle.append(connection)

    async def get_new_connection(self) -> asyncpg.Connection:
        await self._start_embedded()
        try:
            return await self._connect(timeout=self.role.connect_timeout or COMMAND_CONNECT_TIMEOUT)
        except (OSError, asyncpg.exceptions.TargetServerAttributeNotMatched) as error:
            raise DatabaseUnavailable(error, self.role.setting) from error
        except WRONG_ADDRESS as error:
            raise SettingsError(f"{self.role.setting}: {' '.join(str(error).split())}") from None
        except DISCONNECTED as error:
            raise DatabaseUnavailable(error, self.role.setting) from error

    async def _connect(self, _dsn: None = None, **options: Any) -> asyncpg.Connection:
        return await connect(self.role, **options)

    async def acquire(self, work: Work = Work.WRITE) -> Any:
        """A connection of the pool, or a new one if there is no pool. Raises `DatabaseUnavailable`."""
        if self.pool is None:
            connection = await self._open()
            await read_every_timestamp(connection)
            return connection
        try:
            return await self._shared_pool.acquire(work)
        except (*DISCONNECTED, *WRONG_ADDRESS) as error:
            raise DatabaseUnavailable(error, self.role.setting) from error

    @property
    def _shared_pool(self) -> ConnectionPool:
        pool: Any = self.pool
        return pool

    async def release(self, connection: Any) -> None:
        if self.pool is None:
            await self._close(connection)
        else:
            await self._shared_pool.release(connection)

    def abandon(self, connection: Any, error: BaseException) -> None:
        """End the use of a connection whose statement may still run, or which is lost, after `error`.

        Raises `DatabaseUnavailable` for an `InterfaceError` of a lost connection. On a connection that is
        open, such an error means a fault in this project.
        """
        is_lost = isinstance(error, asyncpg.InterfaceError) and not is_open(connection)
        if self.pool is None:
            connection.terminate()
        else:
            self._shared_pool.abandon(connection)
        if is_lost:
            raise DatabaseUnavailable(error, self.role.setting) from error

    async def _run_in_pool(self, query: str, args: Any = None) -> Any:
        return await self.fetch(query, *(args or ()))

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """The rows of one statement, in a transaction of its own: of a standby, if one may be read."""
        if self.replicas is not None:
            rows = await self.replicas.fetch(query, values)
            if rows is not None:
                return rows
        async with self._used_once() as connection:
            return await connection.fetch(query, *values)

    async def takes_writes(self) -> bool:
        """Whether the database is neither a standby nor read-only. If not, the connection is closed."""
        with working(Work.LOOKUP):
            async with self._used_once() as connection:
                takes_writes = await connection.fetchval(
                    "SELECT current_setting('transaction_read_only') = 'off'"
                )
                if not takes_writes:
                    connection.terminate()
        return takes_writes

    async def run_script(self, script: str) -> None:
        """Run statements without parameters as one transaction, in one round trip."""
        async with self._used_once() as connection:
            await connection.execute(script)

    @asynccontextmanager
    async def _used_once(self) -> AsyncIterator[Any]:
        connection = await self.acquire(Work.READ)
        try:
            yield connection
        except (asyncio.CancelledError, *UNUSABLE_CONNECTION) as error:
            self.abandon(connection, error)
            raise
        except BaseException:
            await self.release(connection)
            raise
        await self.release(connection)

    def transaction(self, allow_nested: bool = True, *, scope: str | None = None) -> Transaction:
        return Transaction(self, scope, allow_nested)

    async def _start_embedded(self) -> None:
        if self._embedded is not None and "dsn" not in self.role.arguments:
            # First: in a container, which does not have them, the folder cannot be written either.
            programs_folder()
            if not (self.creates_embedded or self._embedded.exists()):
                raise SettingsError(
                    f"DATABASE_URL is not set, and {self._embedded.home} holds no embedded database; set"
                    " DATABASE_URL, or create a database with: gatehouse serve"
                )
            try:
                await asyncio.to_thread(self._embedded.start)
            except EmbeddedServerError as error:
                raise EmbeddedServerError(f"DATABASE_URL is not set: {error}") from None
            self.role.arguments["dsn"] = self._embedded.dsn()


@cache
def get_engine() -> Engine:
    """The engine of this process. `piccolo_conf.DB`, which the tables use, is the same object."""
    return create_engine(get_settings())


def create_engine(settings: Settings) -> Engine:
    """An engine for `DATABASE_URL`, or for the embedded server if that is unset."""
    embedded = EmbeddedServer(settings.gatehouse_home) if settings.database_url is None else None
    return Engine(Roles.of(settings), embedded=embedded, pool_size=settings.db_pool_size)
