"""The context of a request, which every resolver gets as `info.context`."""

import asyncio
from typing import TypeAlias

import strawberry
from starlette.types import Scope

from api.domain.accounts.operators import as_operator
from api.domain.actors import Actor, Client
from api.domain.viewer import Viewer, find_viewer, require_viewer
from api.http.client import bearer_token, client_of
from api.messages import message
from api.schema.loaders import Loaders


class Context:
    """The client, the viewer and the data loaders of one request, each made on first use."""

    __slots__ = ("_client", "_loaders", "_scope", "_viewer")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._client: Client | None = None
        self._viewer: asyncio.Task[Viewer | None] | None = None
        self._loaders: Loaders | None = None

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = client_of(self._scope)
        return self._client

    @property
    def has_token(self) -> bool:
        """Whether the request sends a token, valid or not."""
        return bearer_token(self._scope) is not None

    async def viewer(self) -> Viewer | None:
        """The signed-in user; None without a valid token. Looked up at most once a request."""
        if self._viewer is None:
            token = bearer_token(self._scope)
            if token is None:
                return None
            self._viewer = asyncio.ensure_future(find_viewer(token, self.client))
        return await self._viewer

    async def signed_in(self, *, to_set_up: bool = False) -> Viewer:
        """The signed-in user: see `require_viewer`."""
        return require_viewer(await self.viewer(), to_set_up=to_set_up)

    async def operator(self) -> Actor:
        """The signed-in operator. Raises `Unauthenticated` and `Forbidden`."""
        return as_operator(await self.signed_in())

    @property
    def loaders(self) -> Loaders:
        if self._loaders is None:
            self._loaders = Loaders()
        return self._loaders

    def message(self, code: str, **values: object) -> str:
        """The message for a code in the language of the request."""
        return message(code, self.client.language, **values)


Info: TypeAlias = strawberry.Info[Context, None]
