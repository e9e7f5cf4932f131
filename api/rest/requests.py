"""What an endpoint reads from its request: the JSON body, ids, and who sent it."""

from typing import Any
from uuid import UUID

from starlette.requests import Request

from api import typed_text
from api.domain.accounts.operators import as_operator
from api.domain.actors import Actor
from api.domain.errors import NotFound
from api.domain.viewer import Viewer, find_viewer, require_viewer
from api.http.body import HttpError, parse_json, read_body, refuse_compression, require_json
from api.http.client import bearer_token, client_of
from api.http.limits import MAX_BODY_BYTES


async def read_json_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises `HttpError` if the body is anything else.

    Until the body is whole, `request.state.is_incomplete` is True.
    """
    headers = request.headers
    require_json(headers.get("content-type", "").encode("latin-1"))
    refuse_compression(headers.get("content-encoding", "").encode("latin-1"))
    request.state.is_incomplete = True
    body = await read_body(request.receive, headers.get("content-length", "").encode(), MAX_BODY_BYTES)
    request.state.is_incomplete = False
    values = parse_json(body)
    if not isinstance(values, dict):
        raise HttpError(400, "HTTP.NOT_OBJECT")
    return values


async def signed_in(request: Request) -> Viewer:
    """The signed-in user: see `require_viewer`."""
    token = bearer_token(request.scope)
    return require_viewer(None if token is None else await find_viewer(token, client_of(request.scope)))


async def operator(request: Request) -> Actor:
    """The signed-in operator. Raises `Unauthenticated` and `Forbidden`."""
    return as_operator(await signed_in(request))


def read_id(text: str) -> UUID:
    """An id of the path or the body. Raises `NotFound` for a text that is no UUID, as for an unknown id."""
    read = typed_text.read_uuid(text)
    if read is None:
        raise NotFound
    return read
