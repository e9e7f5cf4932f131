"""Tokens of 256 bits that a client gets for a one-time code, each valid for one act within half an hour."""

import hashlib
import secrets
from datetime import timedelta

from api import typed_text
from api.database.scopes import platform_scope
from api.domain.accounts.one_time_codes import Purpose
from api.domain.email_addresses import mailbox_of
from api.domain.errors import WrongCode
from tables import OneTimeCode

LIFETIME = timedelta(minutes=30)

MAX_TYPED_TOKEN = 500
"""Characters of the longest text that is read as a token: with spaces and the like."""


async def store_token(purpose: Purpose, email: str) -> str:
    """Insert a token of 256 bits for an address, in the open transaction; returns the token."""
    token = secrets.token_urlsafe(32)
    await store_known_token(purpose, email, token)
    return token


async def store_known_token(purpose: Purpose, email: str, token: str) -> None:
    """Insert a token that the client presents without having received it, in the open transaction."""
    await OneTimeCode.raw(
        'INSERT INTO one_time_codes (purpose, email, "codeDigest", "expiresAt")'
        " VALUES ({}, {}, {}, now() + {}::interval)",
        purpose.value,
        mailbox_of(email),
        _digest(token),
        LIFETIME,
    )


async def check_token(token: str | None, purpose: Purpose, email: str) -> None:
    """Raises `WrongCode` if `consume_token` would."""
    async with platform_scope():
        rows = await OneTimeCode.raw(
            f"SELECT id FROM one_time_codes WHERE {_IS_VALID}",
            purpose.value,
            mailbox_of(email),
            _digest(token),
        )
    if not rows:
        raise WrongCode


async def consume_token(token: str | None, purpose: Purpose, email: str) -> None:
    """Mark a token used in the open transaction, that of the act it allows. Raises `WrongCode`."""
    consumed = await OneTimeCode.raw(
        f'UPDATE one_time_codes SET "consumedAt" = now() WHERE {_IS_VALID} RETURNING id',
        purpose.value,
        mailbox_of(email),
        _digest(token),
    )
    if not consumed:
        raise WrongCode


_IS_VALID = """purpose = {} AND email = {} AND "codeDigest" = {}
   AND "consumedAt" IS NULL AND "expiresAt" > now()"""


def _digest(token: str | None) -> str:
    typed = typed_text.fold((token or "")[:MAX_TYPED_TOKEN])
    return hashlib.sha256(typed.encode(errors="replace")).hexdigest()
