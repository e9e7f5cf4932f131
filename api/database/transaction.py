"""Piccolo's transaction with a scope."""

import asyncio
from types import TracebackType
from typing import Any, Literal

from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

from api.database.driver_errors import UNUSABLE_CONNECTION


class Transaction(PostgresTransaction):
    """A transaction that sets its scope in the round trip of its BEGIN.

    Row security (see `api.database.scopes`) shows it the rows of its scope, and none without a scope.
    A nested transaction joins the outer one. Raises `RuntimeError` if its scope is another one.
    """

    __slots__ = ("scope",)

    def __init__(self, engine: PostgresEngine, scope: str | None = None, allow_nested: bool = True) -> None:
        super().__init__(engine, allow_nested)
        self.scope = scope
        # A tenant scope that joined a platform scope would see the rows of all tenants.
        if isinstance(self._parent, Transaction) and scope is not None and scope != self._parent.scope:
            raise RuntimeError("a transaction with another scope is open already")

    async def __aenter__(self) -> PostgresTransaction:
        if self._parent is not None:
            return self._parent
        self.connection = await self._engine.acquire()
        begin = self._engine.begin
        try:
            await self.connection.execute(begin if self.scope is None else f"{begin}; {self.scope}")
        except BaseException as error:
            self._engine.abandon(self.connection, error)
            raise
        self.context = self.engine.current_transaction.set(self)
        return self

    @property
    def _engine(self) -> Any:
        """An `api.database.engine.Engine`, whose module imports this one."""
        return self.engine

    async def commit(self) -> None:
        # PostgreSQL rolls back a failed transaction on COMMIT, and reports no error.
        if await self.connection.execute(self._engine.commit) != "COMMIT":
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
        is_open = not (self._committed or self._rolled_back)
        if is_open and isinstance(exception, (asyncio.CancelledError, *UNUSABLE_CONNECTION)):
            # A ROLLBACK would wait for the connection that does not respond.
            self._engine.abandon(self.connection, exception)
            return False
        try:
            if is_open and exception is None:
                await self.commit()
            elif is_open:
                await self.rollback()
        except BaseException as error:
            # Its transaction may still be open, so the pool must not use it again.
            self._engine.abandon(self.connection, error)
            raise
        await self._engine.release(self.connection)
        return False
