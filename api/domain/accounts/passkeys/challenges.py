"""Challenges that a device signs: random, for one user and one purpose, valid once and for ten minutes."""

import hashlib
import secrets
from datetime import timedelta

from api.domain.accounts.one_time_codes import Purpose
from api.domain.email_addresses import mailbox_of
from tables import OneTimeCode, User

LIFETIME = timedelta(minutes=10)


async def store_challenge(purpose: Purpose, user: User) -> bytes:
    """A new challenge in the open transaction, in place of earlier ones of the user for this purpose."""
    challenge = secrets.token_bytes(32)
    await OneTimeCode.delete().where(OneTimeCode.user_id == user.id, OneTimeCode.purpose == purpose.value)
    await OneTimeCode.raw(
        'INSERT INTO one_time_codes (purpose, email, "codeDigest", "expiresAt", "userId")'
        " VALUES ({}, {}, {}, now() + {}::interval, {})",
        purpose.value,
        mailbox_of(user.email),
        _digest(challenge),
        LIFETIME,
        user.id,
    )
    return challenge


async def use_challenge(purpose: Purpose, user: User, challenge: bytes) -> bool:
    """Use a challenge up in the open transaction; false if it was used, has expired or is of another user."""
    used = await OneTimeCode.raw(
        """UPDATE one_time_codes SET "consumedAt" = now()
            WHERE "userId" = {} AND purpose = {} AND "codeDigest" = {} AND "consumedAt" IS NULL
              AND "expiresAt" > clock_timestamp() RETURNING id""",
        user.id,
        purpose.value,
        _digest(challenge),
    )
    return bool(used)


def _digest(challenge: bytes) -> str:
    return hashlib.sha256(challenge).hexdigest()
