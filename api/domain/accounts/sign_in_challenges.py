"""Challenges: what a user with a second factor gets for the right password, to continue the sign-in with."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from api.database.scopes import platform_scope
from api.domain.accounts.one_time_codes import MAX_TRIES, Purpose
from api.domain.accounts.passkeys.passkeys import options_of
from api.domain.email_addresses import mailbox_of
from api.domain.errors import ExpiredChallenge
from tables import OneTimeCode, User

LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A sign-in that waits for the second factor. `token` exists only here; the database has its digest."""

    token: str
    expires_at: datetime
    passkey_options: str | None


async def store_challenge(user: User, password_hash: str) -> Challenge:
    """Insert a challenge in the open transaction.

    The digest contains the hash of the password: a challenge is not valid for another password.
    """
    challenge_id, secret = uuid4(), secrets.token_bytes(16)
    (row,) = await OneTimeCode.raw(
        'INSERT INTO one_time_codes (id, purpose, email, "codeDigest", "expiresAt", "userId")'
        ' VALUES ({}, {}, {}, {}, now() + {}::interval, {}) RETURNING "expiresAt"',
        challenge_id,
        Purpose.SECOND_FACTOR.value,
        mailbox_of(user.email),
        _digest(secret, password_hash),
        LIFETIME,
        user.id,
    )
    token = base64.urlsafe_b64encode(challenge_id.bytes + secret).decode().rstrip("=")
    options = await options_of(user.id, _passkey_challenge(secret))
    return Challenge(token, row["expiresAt"], options)


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A challenge whose try was counted; `matches` says whether it is that of the user."""

    id: UUID
    user_id: UUID
    secret: bytes
    digest: str

    @property
    def passkey_challenge(self) -> bytes:
        """What a passkey signs to continue this sign-in."""
        return _passkey_challenge(self.secret)

    def matches(self, user: User) -> bool:
        return hmac.compare_digest(_digest(self.secret, user.password), self.digest)


async def count_try(token: str) -> PendingSignIn:
    """Count a try of a challenge, in a transaction of its own. Raises `ExpiredChallenge`."""
    try:
        decoded = base64.b64decode(f"{token[:100]}=", altchars=b"-_", validate=True)
        challenge_id, secret = UUID(bytes=decoded[:16]), decoded[16:]
    except ValueError:
        raise ExpiredChallenge from None
    async with platform_scope():
        rows = await OneTimeCode.raw(_COUNT_TRY, challenge_id, Purpose.SECOND_FACTOR.value, MAX_TRIES)
    if not rows:
        raise ExpiredChallenge
    return PendingSignIn(challenge_id, rows[0]["userId"], secret, rows[0]["codeDigest"])


# The try is counted before the code is verified, so that concurrent tries cannot exceed the five.
_COUNT_TRY = """
UPDATE one_time_codes SET attempts = attempts + 1
 WHERE id = {} AND purpose = {} AND "consumedAt" IS NULL AND "expiresAt" > now() AND attempts < {}
RETURNING "userId", "codeDigest"
"""


async def consume_challenge(pending: PendingSignIn) -> None:
    """Mark a challenge used in the open transaction. Raises `ExpiredChallenge` if it was used meanwhile."""
    consumed = await OneTimeCode.raw(
        'UPDATE one_time_codes SET "consumedAt" = now() WHERE id = {} AND "consumedAt" IS NULL RETURNING id',
        pending.id,
    )
    if not consumed:
        raise ExpiredChallenge


def _passkey_challenge(secret: bytes) -> bytes:
    """Derived, so that the sign-in and the challenge of its passkey are used up and expire together."""
    return hashlib.sha256(b"passkey" + secret).digest()


def _digest(secret: bytes, password_hash: str) -> str:
    return hashlib.sha256(secret + password_hash.encode()).hexdigest()
