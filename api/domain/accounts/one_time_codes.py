"""One-time codes: six digits that are mailed, and show that whoever types them reads that mailbox.

What keeps a code safe: it lasts ten minutes and five tries, and only the newest one of an address is any
good. Of six digits a digest hides little; argon2id with a salt of its own makes going through all of them
take hours of a core, so that whoever gets hold of the rows cannot use them in time.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

from api.database.scopes import platform_scope
from api.domain.accounts.passwords import hash_password, verify_password
from api.domain.errors import WrongCode
from tables import OneTimeCode

CODE_LASTS = timedelta(minutes=10)
TOKEN_LASTS = timedelta(minutes=30)
MAX_TRIES = 5


class Purpose(Enum):
    """What a code is good for; it is good for nothing else."""

    EMAIL_VERIFICATION = "EMAIL_VERIFICATION"
    PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105
    TENANT_DELETION = "TENANT_DELETION"
    VERIFIED_EMAIL = "VERIFIED_EMAIL"
    """Not mailed: the token that a code of `EMAIL_VERIFICATION` is changed for."""


@dataclass(frozen=True, slots=True)
class NewCode:
    """A code to be mailed. It is told here and never again."""

    code: str
    digest: str
    expires_at: datetime

    @property
    def minutes(self) -> int:
        return int(CODE_LASTS.total_seconds() // 60)


async def make_code() -> NewCode:
    """A new code; made before the transaction, because its digest takes as long as a password's."""
    code = f"{secrets.randbelow(1_000_000):06}"
    return NewCode(code, await hash_password(code), datetime.now(UTC) + CODE_LASTS)


async def store_code(
    new: NewCode,
    purpose: Purpose,
    email: str,
    *,
    user_id: UUID | None = None,
    tenant_id: UUID | None = None,
) -> None:
    """Add a code to the transaction that is open. It takes the place of earlier ones."""
    await _insert(purpose, email, new.digest, new.expires_at, user_id, tenant_id)


async def _insert(
    purpose: Purpose,
    email: str,
    digest: str,
    expires_at: datetime,
    user_id: UUID | None,
    tenant_id: UUID | None,
) -> None:
    await OneTimeCode.raw(
        'INSERT INTO one_time_codes (purpose, email, "codeDigest", "expiresAt", "userId", "tenantId")'
        " VALUES ({}, lower({}), {}, {}, {}, {})",
        purpose.value,
        email,
        digest,
        expires_at,
        user_id,
        tenant_id,
    )


@dataclass(frozen=True, slots=True)
class ProvenCode:
    """A code that was typed right. It is still to be used: see `consume_code`."""

    id: UUID
    user_id: UUID | None


# A try is counted before it is known how it ends: of many at the same time each takes one of the five.
_TRY = """
UPDATE one_time_codes SET attempts = attempts + 1
 WHERE id = (SELECT id FROM one_time_codes WHERE email = lower({}) AND purpose = {}
                AND "tenantId" IS NOT DISTINCT FROM {} ORDER BY "createdAt" DESC, id LIMIT 1)
   AND "consumedAt" IS NULL AND "expiresAt" > now() AND attempts < {}
RETURNING id, "userId", "codeDigest"
"""


_SIX_DIGITS = re.compile(r"[0-9]{6}")


async def prove_code(code: str, purpose: Purpose, email: str, *, tenant_id: UUID | None = None) -> ProvenCode:
    """Try a code, in a transaction of its own, so that a wrong try stays counted.

    Raises `WrongCode`, after the same work whether there is a code or not. What cannot be one costs no try.
    """
    # PostgreSQL cannot even be asked about NUL, and no address holds control characters.
    if not (_SIX_DIGITS.fullmatch(code.strip()) and email.isprintable()):
        raise WrongCode
    async with platform_scope():
        rows = await OneTimeCode.raw(_TRY, email, purpose.value, tenant_id, MAX_TRIES)
    row = rows[0] if rows else None
    right = await verify_password(code.strip(), row["codeDigest"] if row else None)
    if row is None or not right:
        raise WrongCode
    return ProvenCode(row["id"], row["userId"])


async def consume_code(proven: ProvenCode) -> None:
    """Use a code up in the transaction that is open, for what is done there. Raises `WrongCode` if it was."""
    used = await OneTimeCode.raw(
        'UPDATE one_time_codes SET "consumedAt" = now()'
        ' WHERE id = {} AND "consumedAt" IS NULL AND "expiresAt" > now() RETURNING id',
        proven.id,
    )
    if not used:
        raise WrongCode


async def store_token(purpose: Purpose, email: str) -> str:
    """A token of 256 bits that is bound to an address, in the transaction that is open."""
    token = secrets.token_urlsafe(32)
    await _insert(purpose, email, _digest(token), datetime.now(UTC) + TOKEN_LASTS, None, None)
    return token


_UNUSED = """purpose = {} AND email = lower({}) AND "codeDigest" = {}
   AND "consumedAt" IS NULL AND "expiresAt" > now()"""


async def check_token(token: str | None, purpose: Purpose, email: str) -> None:
    """Raises `WrongCode` if `consume_token` would."""
    async with platform_scope():
        found = await OneTimeCode.raw(
            f"SELECT id FROM one_time_codes WHERE {_UNUSED}", purpose.value, email, _digest(token or "")
        )
    if not found:
        raise WrongCode


async def consume_token(token: str | None, purpose: Purpose, email: str) -> None:
    """Use a token up in the transaction that is open, for what is done there. Raises `WrongCode`."""
    used = await OneTimeCode.raw(
        f'UPDATE one_time_codes SET "consumedAt" = now() WHERE {_UNUSED} RETURNING id',
        purpose.value,
        email,
        _digest(token or ""),
    )
    if not used:
        raise WrongCode


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
