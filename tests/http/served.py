"""A view over a small schema, as an HTTP client sees it."""

import asyncio
from collections.abc import Iterable
from typing import Any

import httpx
import strawberry
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Scope
from strawberry.scalars import JSON

from api.http.graphql_view import GraphQLView

PLAIN = "application/json"

GRAPHQL_RESPONSE = "application/graphql-response+json"

HELLO = '{"query": "{ hello }"}'

WORLD = {"data": {"hello": "Hello, world!"}}


class Context:
    """The context of one request."""

    def __init__(self, scope: Scope) -> None:
        self.path = scope["path"]
        self.rang = asyncio.Event()
        self.words: list[str] = []


class Taken(Exception):
    """An exception of a domain."""


@strawberry.type
class NameTaken:
    message: str


@strawberry.type
class Named:
    name: str


class TakenHandler(strawberry.ExceptionHandler[Taken, NameTaken]):
    def handle(self, exception: Taken, *, field: Any, info: strawberry.Info) -> NameTaken:
        return NameTaken(message=str(exception))


class Nobody(strawberry.BasePermission):
    message = "Nobody may."
    error_extensions = {"code": "FORBIDDEN"}  # noqa: RUF012

    def has_permission(self, *_args: Any, **_kwargs: Any) -> bool:
        return False


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"Hello, {name}!"

    @strawberry.field
    async def path(self, info: strawberry.Info[Context]) -> str:
        return info.context.path

    @strawberry.field
    def extensions(self, info: strawberry.Info[Context]) -> JSON:
        return JSON(info.input_extensions)

    @strawberry.field
    async def waits(self, info: strawberry.Info[Context]) -> bool:
        return await asyncio.wait_for(info.context.rang.wait(), 5)

    @strawberry.field
    async def rings(self, info: strawberry.Info[Context]) -> bool:
        info.context.rang.set()
        return True

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("The password is hunter2.")

    @strawberry.field
    def required(self) -> str:
        raise RuntimeError("The password is hunter2.")

    @strawberry.field
    def unencodable(self) -> JSON:
        return JSON({1, 2})

    @strawberry.field
    def unencodable_error(self) -> str | None:
        raise GraphQLError("The set is:", extensions={"set": {1, 2}})

    @strawberry.field(permission_classes=[Nobody])
    def secret(self) -> str | None:
        return "secret"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def take(self, name: str) -> Named | NameTaken:
        if name == "taken":
            raise Taken("It is taken.")
        return Named(name=name)

    @strawberry.mutation
    async def say(self, info: strawberry.Info[Context], word: str, pause: float = 0) -> str:
        """All words of this request up to now."""
        await asyncio.sleep(pause)
        info.context.words.append(word)
        return " ".join(info.context.words)


SCHEMA = strawberry.Schema(Query, Mutation, exception_handlers=[TakenHandler()])


class Served:
    """A view behind an HTTP client, and the errors that its error hook got."""

    def __init__(self, **options: Any) -> None:
        self.shown: list[GraphQLError] = []
        options = {"get_context": Context, "on_errors": self.mask, "plan_first_request": True, **options}
        self.view = GraphQLView(SCHEMA, **options)
        app = Starlette(routes=[Route("/graphql", self.view)])
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://view.test",
            headers={"accept": PLAIN},
        )

    def mask(self, context: Context, errors: list[GraphQLError]) -> Iterable[GraphQLError]:
        assert context.path == "/graphql"
        self.shown += errors
        for error in errors:
            is_the_clients = error.original_error is None or isinstance(error.original_error, GraphQLError)
            yield error if is_the_clients else GraphQLError("masked", path=error.path)

    async def post(self, query: str, *, accept: str = PLAIN, **parameters: Any) -> httpx.Response:
        return await self.client.post(
            "/graphql", json={"query": query, **parameters}, headers={"accept": accept}
        )

    async def post_body(self, body: Any, content_type: str | None = PLAIN, **headers: str) -> httpx.Response:
        if content_type is not None:
            headers["content-type"] = content_type
        return await self.client.post("/graphql", content=body, headers=headers)

    async def get(self, accept: str = PLAIN, **parameters: str) -> httpx.Response:
        return await self.client.get("/graphql", params=parameters, headers={"accept": accept})


def fail(*_: Any) -> Any:
    raise RuntimeError("The password is hunter2.")


def assert_refused(response: httpx.Response, status: int, says: str, media_type: str = PLAIN) -> None:
    """Check that a refusal is well-formed JSON with one message and no data."""
    assert response.status_code == status
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.json().keys() == {"errors"}
    (error,) = response.json()["errors"]
    assert says in error["message"]
