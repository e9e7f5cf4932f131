"""Accounts: registration, sign-in and the signed-in user."""

from http import HTTPStatus
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.domain import registration
from api.domain.accounts import sign_in
from api.domain.forms import Form
from api.http.client import client_of
from api.rest.requests import read_json_object, signed_in
from api.rest.responses import json_response, session_json, user_json


async def register(request: Request) -> Response:
    values = await read_json_object(request)
    opened = await registration.register(values, client_of(request.scope), from_old_client=True)
    return json_response(HTTPStatus.CREATED, session_json(opened))


class _Login(Form):
    email: str
    password: Annotated[str, Field(repr=False)]


async def login(request: Request) -> Response:
    credentials = _Login.read(await read_json_object(request))
    opened = await sign_in.sign_in(credentials.email, credentials.password, client_of(request.scope))
    return json_response(HTTPStatus.OK, session_json(opened))


class _CheckUser(Form):
    identifier: str


async def check_user(request: Request) -> Response:
    """The old front end asks whether an account exists, before it shows the field of the password."""
    asked = _CheckUser.read(await read_json_object(request))
    exists = await sign_in.may_exist(asked.identifier, client_of(request.scope))
    return json_response(HTTPStatus.OK, {"exists": exists})


async def me(request: Request) -> Response:
    viewer = await signed_in(request)
    return json_response(HTTPStatus.OK, user_json(viewer.user))
