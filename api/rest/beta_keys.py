"""Beta keys: their validation."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from api.domain.beta_keys import lookup
from api.http.client import client_of
from api.messages import message
from api.rest.responses import json_response


async def validate_beta_key(request: Request) -> Response:
    client = client_of(request.scope)
    reason = await lookup.validate_key(request.path_params["key"], client)
    text = message(lookup.message_code(reason), client.language)
    return json_response(HTTPStatus.OK, {"valid": reason is None, "message": text})
