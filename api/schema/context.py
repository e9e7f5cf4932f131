"""What a resolver knows of the request it works for."""

import asyncio
from typing import TypeAlias

import strawberry
from starlette.requests import Request

from api.domain.audit import Actor, Client
from api.domain.errors import Unauthenticated
from api.domain.operators import as_operator
from api.domain.sessions import Viewer, find_viewer
from api.messages import message
from api.requests import bearer_token, client_of, language_of
from api.schema.loaders import Loaders


class Context:
    """One request: who asks, from where, in which language."""

    __slots__ = ("_loaders", "_viewer", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self._viewer: asyncio.Task[Viewer | None] | None = None
        self._loaders: Loaders | None = None

    @property
    def language(self) -> str:
        return language_of(self.request)

    @property
    def client(self) -> Client:
        return client_of(self.request)

    async def viewer(self) -> Viewer | None:
        """The signed-in user, looked up once and only if somebody asks."""
        if self._viewer is None:
            token = bearer_token(self.request)
            if token is None:
                return None
            self._viewer = asyncio.ensure_future(find_viewer(token))
        return await self._viewer

    async def signed_in(self) -> Viewer:
        """The signed-in user. Raises `Unauthenticated`."""
        viewer = await self.viewer()
        if viewer is None:
            raise Unauthenticated
        return viewer

    async def operator(self) -> Actor:
        """The signed-in operator. Raises `Unauthenticated` and `Forbidden`."""
        return as_operator(await self.signed_in(), self.client)

    @property
    def loaders(self) -> Loaders:
        # Made when they are first asked for, because most requests ask for nothing of a tenant.
        if self._loaders is None:
            self._loaders = Loaders()
        return self._loaders

    def say(self, code: str, **values: object) -> str:
        """The message for a code in the language of the request."""
        return message(code, self.language, **values)


Info: TypeAlias = strawberry.Info[Context, None]
