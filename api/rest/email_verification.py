"""Verification of an email address by a one-time code, before registration."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from api.domain.accounts import email_verification
from api.domain.forms import Form
from api.http.client import client_of
from api.messages import message
from api.rest.requests import read_json_object
from api.rest.responses import json_response


class _RequestOtp(Form):
    email: str


async def request_otp(request: Request) -> Response:
    asked = _RequestOtp.read(await read_json_object(request))
    client = client_of(request.scope)
    expires_at = await email_verification.request_email_verification(asked.email, client)
    text = message("CODE_REQUESTED", client.language)
    return json_response(HTTPStatus.OK, {"message": text, "expiresAt": expires_at})


class _VerifyOtp(Form):
    email: str
    otp_code: str


async def verify_otp(request: Request) -> Response:
    """The old front end gets no token: `register` recognises its address."""
    typed = _VerifyOtp.read(await read_json_object(request))
    client = client_of(request.scope)
    await email_verification.verify_email_for_client(typed.email, typed.otp_code, client)
    text = message("EMAIL_VERIFIED", client.language)
    return json_response(HTTPStatus.OK, {"verified": True, "message": text, "email": typed.email})
