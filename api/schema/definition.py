"""Who may read the schema, and the schema as text."""

from functools import cache

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.domain.errors import Forbidden, Unauthenticated
from api.schema.context import Context
from api.schema.schema import schema
from api.settings import get_settings


async def may_read_schema(context: Context) -> bool:
    """Whether INTROSPECTION lets this client read it."""
    allowed = get_settings().introspects
    if allowed != "operators":
        return allowed == "on"
    try:
        await context.operator()
    except (Unauthenticated, Forbidden):
        return False
    return True


async def schema_definition(request: Request) -> Response:
    """GET /graphql/schema.graphql: the schema in GraphQL's schema definition language."""
    if not await may_read_schema(Context(request.scope)):
        raise HTTPException(404)
    return PlainTextResponse(_print_schema(), headers={"cache-control": "no-cache"})


@cache
def _print_schema() -> str:
    return f"{schema.as_str()}\n"
