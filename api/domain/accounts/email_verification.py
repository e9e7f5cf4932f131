"""Verifying an email address: a mailed code is exchanged for a token, which registration requires."""

from datetime import datetime

from api.database.scopes import platform_scope
from api.domain import email_addresses, fields, rate_limits
from api.domain.accounts.one_time_codes import (
    Purpose,
    consume_code,
    make_code,
    prove_code,
    store_code,
    store_token,
)
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import record_event
from api.domain.mails import Template, queue_mail


async def request_email_verification(email: str, client: Client) -> datetime:
    """Mail a code to an address, registered or not; returns when the code expires.

    Raises `InvalidInput` and `RateLimited`.
    """
    address = fields.input_field("email", email_addresses.user_email, email)
    await rate_limits.count_code(client, address)
    new = await make_code()
    async with platform_scope():
        expires_at = await store_code(new, Purpose.EMAIL_VERIFICATION, address)
        await queue_mail(
            Template.VERIFICATION_CODE,
            to=address,
            language=client.language,
            expires_at=expires_at,
            code=new.code,
            minutes=new.minutes,
        )
        await record_event("email.verification_requested", Actor(None, address, client))
    return expires_at


async def verify_email(email: str, code: str, client: Client) -> str:
    """Exchange a code for a token, with which one registration of this address succeeds.

    Raises `WrongCode` and `RateLimited`.
    """
    await rate_limits.count(rate_limits.LOGIN, rate_limits.address_of(client))
    address = email_addresses.as_registered(email)
    proven = await prove_code(code, Purpose.EMAIL_VERIFICATION, address)
    async with platform_scope():
        await consume_code(proven)
        await record_event("email.verified", Actor(None, address, client))
        return await store_token(Purpose.VERIFIED_EMAIL, address)
