"""Lets the domain notice that the client of a request goes away."""

from starlette.types import Receive

from api.domain.accounts.hash_queue import client_leaves


class watched_client:  # noqa: N801
    """A block in which the domain can wait until the client of the current request goes away.

    Nothing listens until the domain does: most requests end before. A class, because a generator takes three
    times as long, and nearly every request runs this.
    """

    __slots__ = ("_receive", "_token")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    def __enter__(self) -> None:
        self._token = client_leaves.set(self._leaves)

    def __exit__(self, *_: object) -> None:
        client_leaves.reset(self._token)

    async def _leaves(self) -> None:
        # A request whose body was not read, such as a GET, has one event before.
        while (await self._receive())["type"] != "http.disconnect":
            pass
