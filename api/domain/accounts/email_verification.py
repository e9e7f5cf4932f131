"""Verifying an email address: a mailed code is exchanged for a proof, which registration requires.

The proof is a token. For the web front end of the old system, which carries no token, it is the network
address of the client. Either is valid for 30 minutes, for one registration of the email address.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

from api.database.scopes import platform_scope
from api.domain import email_addresses, fields, rate_limits
from api.domain.accounts.hash_queue import Share, takes_turns
from api.domain.accounts.one_time_codes import (
    Purpose,
    consume_code,
    digits_for,
    make_code,
    prove_code,
    store_code,
)
from api.domain.accounts.one_time_tokens import store_known_token, store_token
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import record_event
from api.domain.mails import Template, queue_mail


@takes_turns(Share.CODE)
async def request_email_verification(email: str, client: Client) -> datetime:
    """Mail a code to an address, registered or not, within its limit; returns when the code expires.

    Raises `InvalidInput` and `RateLimited`.
    """
    address = fields.input_field("email", email_addresses.user_email, email)
    is_mailed = await rate_limits.count_code(client, address)
    new = await make_code(await digits_for(None, address))
    async with platform_scope():
        expires_at = await store_code(new, Purpose.EMAIL_VERIFICATION, address, client, is_mailed=is_mailed)
        await queue_mail(
            Template.VERIFICATION_CODE,
            to=address if is_mailed else None,
            language=client.language,
            expires_at=expires_at,
            code=new.code,
            minutes=new.minutes,
        )
        await record_event("email.verification_requested", Actor(None, address, client))
    return expires_at


@takes_turns(Share.CODE)
async def verify_email(email: str, code: str, client: Client) -> str:
    """Exchange a code for a token, with which one registration of this address succeeds.

    Raises `WrongCode` and `RateLimited`.
    """
    async with _verified(email, code, client) as address:
        return await store_token(Purpose.VERIFIED_EMAIL, address)


@takes_turns(Share.CODE)
async def verify_email_for_client(email: str, code: str, client: Client) -> None:
    """As `verify_email`, for a client that carries no token: its network address takes the token's place.

    Other clients behind the same address, as behind a NAT, share the proof, if they know the email address.
    Raises `WrongCode` and `RateLimited`.
    """
    async with _verified(email, code, client) as address:
        if client.ip_address is not None:
            network = rate_limits.address_of(client)
            await store_known_token(Purpose.VERIFIED_EMAIL_OF_CLIENT, address, network)


@asynccontextmanager
async def _verified(email: str, code: str, client: Client) -> AsyncIterator[str]:
    """A transaction that has used the code up, for the address that it verifies."""
    await rate_limits.count(rate_limits.LOGIN, *rate_limits.networks_of(client))
    address = email_addresses.as_registered(email)
    proven = await prove_code(code, Purpose.EMAIL_VERIFICATION, address, client)
    async with platform_scope():
        await consume_code(proven)
        await record_event("email.verified", Actor(None, address, client))
        yield address


class EmailProof(NamedTuple):
    """What a registration shows as the proof that its email was verified."""

    purpose: Purpose
    token: str | None

    @classmethod
    def of(cls, token: str | None, client: Client, *, accept_address: bool) -> "EmailProof":
        """The token, or with `accept_address` the network address of a client without one."""
        if token is None and accept_address and client.ip_address is not None:
            return cls(Purpose.VERIFIED_EMAIL_OF_CLIENT, rate_limits.address_of(client))
        return cls(Purpose.VERIFIED_EMAIL, token)
