"""One-time codes: six digits, mailed to an address, that prove control of its mailbox.

A code is valid for ten minutes and five tries, and only the newest one of an address is accepted. A plain
digest of six digits is reversed in a second. With argon2id and a salt, trying all codes against a stolen row
takes hours of CPU time, longer than the code is valid.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from api import typed_text
from api.database.clock import NOW
from api.database.scopes import platform_scope
from api.domain.accounts.passwords import hash_password, verify_password
from api.domain.email_addresses import mailbox_of
from api.domain.errors import WrongCode
from tables import OneTimeCode

CODE_LIFETIME = timedelta(minutes=10)
TOKEN_LIFETIME = timedelta(minutes=30)
MAX_TRIES = 5

MAX_TYPED_CODE = 100
MAX_TYPED_TOKEN = 500
"""Characters of the longest texts that are read as a code or a token: with spaces and the like."""


class Purpose(Enum):
    """The only act that a code is accepted for."""

    EMAIL_VERIFICATION = "EMAIL_VERIFICATION"
    PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105
    SECOND_FACTOR = "SECOND_FACTOR"
    """Not mailed: the challenge of a sign-in that waits for the second factor."""
    TENANT_DELETION = "TENANT_DELETION"
    TENANT_SUSPENSION = "TENANT_SUSPENSION"
    VERIFIED_EMAIL = "VERIFIED_EMAIL"
    """Not mailed: the token that is returned for a code of `EMAIL_VERIFICATION`."""
    VERIFIED_EMAIL_OF_CLIENT = "VERIFIED_EMAIL_OF_CLIENT"
    """Not mailed: the same for a client that carries no token. The digest is of its network address."""


@dataclass(frozen=True, slots=True)
class NewCode:
    """A code to mail. `code` exists only here; the database stores its digest."""

    code: str
    digest: str

    @property
    def minutes(self) -> int:
        """How long the code is valid."""
        return int(CODE_LIFETIME.total_seconds() // 60)


async def make_code() -> NewCode:
    """A random code. Called before the transaction, because hashing takes as long as a password's."""
    code = f"{secrets.randbelow(1_000_000):06}"
    return NewCode(code, await hash_password(code))


async def store_code(
    new: NewCode,
    purpose: Purpose,
    email: str,
    *,
    user_id: UUID | None = None,
    tenant_id: UUID | None = None,
) -> datetime:
    """Insert a code in the open transaction, in place of earlier ones; returns when it expires."""
    return await _insert(purpose, email, new.digest, CODE_LIFETIME, user_id, tenant_id)


async def _insert(
    purpose: Purpose,
    email: str,
    digest: str,
    lifetime: timedelta,
    user_id: UUID | None = None,
    tenant_id: UUID | None = None,
) -> datetime:
    (row,) = await OneTimeCode.raw(
        'INSERT INTO one_time_codes (purpose, email, "codeDigest", "expiresAt", "userId", "tenantId")'
        ' VALUES ({}, {}, {}, now() + {}::interval, {}, {}) RETURNING "expiresAt"',
        purpose.value,
        mailbox_of(email),
        digest,
        lifetime,
        user_id,
        tenant_id,
    )
    return row["expiresAt"]


@dataclass(frozen=True, slots=True)
class ProvenCode:
    """A code that was typed correctly and is not used yet: see `consume_code`."""

    id: UUID
    user_id: UUID | None


_CODE = re.compile(r"(?<![0-9])[0-9]{6}(?![0-9])")
_CODE_IN_GROUPS = re.compile(r"[^0-9]*([0-9](?:[\s.-]*[0-9]){5})[^0-9]*")


def _read_code(typed: str) -> str | None:
    """The six digits of a code, which may stand in a sentence: `Código: *123 456*`.

    None if there are no six digits together, or several times: one try is for one code.
    """
    folded = typed_text.fold(typed[:MAX_TYPED_CODE])
    if (grouped := _CODE_IN_GROUPS.fullmatch(folded)) is not None:
        return re.sub("[^0-9]", "", grouped[1])
    codes = set(_CODE.findall(folded))
    return codes.pop() if len(codes) == 1 else None


async def prove_code(
    typed: str, purpose: Purpose, email: str, *, tenant_id: UUID | None = None
) -> ProvenCode:
    """Check a typed code, in a transaction of its own, so that no rollback of the caller undoes the try.

    Raises `WrongCode`, after the same work whether a code exists or not. A text without a code costs no
    try.
    """
    code = _read_code(typed)
    # No address contains control characters, and PostgreSQL rejects NUL.
    if code is None or not email.isprintable():
        raise WrongCode
    async with platform_scope():
        rows = await OneTimeCode.raw(_COUNT_TRY, mailbox_of(email), purpose.value, tenant_id, MAX_TRIES)
    row = rows[0] if rows else None
    valid = await verify_password(code, row["codeDigest"] if row else None)
    if row is None or not valid:
        raise WrongCode
    return ProvenCode(row["id"], row["userId"])


# The try is counted before the code is verified, so that concurrent tries cannot exceed the five.
_COUNT_TRY = """
UPDATE one_time_codes SET attempts = attempts + 1
 WHERE id = (SELECT id FROM one_time_codes WHERE email = {} AND purpose = {}
                AND "tenantId" IS NOT DISTINCT FROM {} ORDER BY "createdAt" DESC, id LIMIT 1)
   AND "consumedAt" IS NULL AND "expiresAt" > now() AND attempts < {}
RETURNING id, "userId", "codeDigest"
"""


async def consume_code(proven: ProvenCode) -> None:
    """Mark a code used in the open transaction, that of the act it allows.

    Raises `WrongCode` if it was used or has expired meanwhile.
    """
    consumed = await (
        OneTimeCode.update({OneTimeCode.consumed_at: NOW})
        .where(OneTimeCode.id == proven.id, OneTimeCode.consumed_at.is_null(), OneTimeCode.expires_at > NOW)
        .returning(OneTimeCode.id)
    )
    if not consumed:
        raise WrongCode


async def store_token(purpose: Purpose, email: str) -> str:
    """Insert a token of 256 bits for an address, in the open transaction; returns the token."""
    token = secrets.token_urlsafe(32)
    await store_known_token(purpose, email, token)
    return token


async def store_known_token(purpose: Purpose, email: str, token: str) -> None:
    """Insert a token that the client presents without having received it, in the open transaction."""
    await _insert(purpose, email, _digest(token), TOKEN_LIFETIME)


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
