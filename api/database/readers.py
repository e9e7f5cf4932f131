"""Who reads, and what they must see: a standby may be behind the primary.

A client sees what it has written. Each transaction of a session stores its number in the session, in the
round trip of its COMMIT. Sessions are read from the primary, so every server process knows that number.
"""

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Reader:
    """The client of a request. `session_id` is None if it is signed out."""

    session_id: UUID | None = None
    last_write: int = 0
    """The number of the last transaction in which it wrote."""
    has_written: bool = False
    """Whether this request has written."""


current_reader: ContextVar[Reader | None] = ContextVar("reader", default=None)


def read_as(reader: Reader) -> None:
    """Say who reads in this request. Without it all reads are of the primary."""
    current_reader.set(reader)


def commit_statements() -> str:
    """The statements that end a transaction: they store its number in the session of the request.

    A transaction that has written nothing has no number. The scope ends with the transaction.
    """
    reader = current_reader.get()
    if reader is None or reader.session_id is None:
        return "COMMIT"
    # Before the COMMIT: its outcome may remain unknown.
    reader.has_written = True
    return (
        "SET LOCAL gatehouse.scope = 'platform';"
        ' UPDATE sessions SET "lastWrite" = pg_current_xact_id()::text::bigint'
        f" WHERE id = '{reader.session_id}' AND pg_current_xact_id_if_assigned() IS NOT NULL; COMMIT"
    )


class Call:
    """One call of a function that may read a standby: all its statements read the same one."""

    def __init__(self) -> None:
        self.replica: Any = None


current_call: ContextVar[Call | None] = ContextVar("call", default=None)


def may_read_replica(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """A coroutine function whose statements outside of transactions a standby may answer."""

    @wraps(function)
    async def run(*arguments: P.args, **options: P.kwargs) -> T:
        token = current_call.set(current_call.get() or Call())
        try:
            return await function(*arguments, **options)
        finally:
            current_call.reset(token)

    return run
