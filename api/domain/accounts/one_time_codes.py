"""One-time codes: six digits, or eight for operators, mailed to an address, that prove control of its
mailbox.

A code is valid for ten minutes and five tries from the network that requested it, and five from all others,
so that a stranger cannot use the tries up. Each network has its newest code only. A plain digest of six
digits is reversed in a second. With argon2id and a salt, trying all codes against a stolen row takes hours of
CPU time, longer than the code is valid.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from api import typed_text
from api.database.clock import NOW
from api.database.scopes import platform_scope
from api.domain.accounts.passwords import hash_password, verify_password
from api.domain.actors import Actor, Client
from api.domain.email_addresses import mailbox_of
from api.domain.errors import WrongCode
from api.domain.guesses import check_guess, settle_guess
from api.domain.overload_errors import ClientGone, Overloaded
from api.domain.rate_limits import (
    KNOWN_FACTOR,
    WRONG_CODES,
    Subject,
    account_of,
    address_of,
    is_tallied,
    networks_of,
    tally,
)
from api.domain.roles import Role
from tables import OneTimeCode

CODE_LIFETIME = timedelta(minutes=10)
MAX_TRIES = 5

MAX_TYPED_CODE = 100
"""Characters of the longest text that is read as a code: with spaces and the like."""


class Purpose(Enum):
    """The only act that a code is accepted for."""

    EMAIL_CHANGE = "EMAIL_CHANGE"
    EMAIL_VERIFICATION = "EMAIL_VERIFICATION"
    PASSKEY_CONFIRMATION = "PASSKEY_CONFIRMATION"
    """Not mailed: the challenge that a passkey signs to confirm who its user is."""
    PASSKEY_REGISTRATION = "PASSKEY_REGISTRATION"
    """Not mailed: the challenge that a new passkey is made for."""
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
        return int(CODE_LIFETIME.total_seconds() // 60)


DIGITS_OF_OPERATORS = 8


async def digits_for(role: str | None, email: str) -> int:
    """How many digits the codes for an address have; `role` is that of its user, None without an account.

    As many as those of operators while the codes of its mailbox are guessed: the networks that request codes
    are not refused together, which would shut the owner out, so guesses must be less likely to succeed.
    """
    is_guessed = await is_tallied(WRONG_CODES, _own_codes(await account_of(email)))
    return DIGITS_OF_OPERATORS if is_guessed or role == Role.SUPER_ADMIN.value else 6


def _own_codes(mailbox: Subject) -> Subject:
    """What the wrong guesses of all networks at codes of their own are tallied for."""
    return Subject(f"{mailbox.name} own codes")


async def make_code(digits: int = 6) -> NewCode:
    """A random code. Called before the transaction, because hashing takes as long as a password's."""
    code = f"{secrets.randbelow(10**digits):0{digits}}"
    return NewCode(code, await hash_password(code))


async def store_code(
    new: NewCode,
    purpose: Purpose,
    email: str,
    client: Client,
    *,
    user_id: UUID | None = None,
    tenant_id: UUID | None = None,
    is_mailed: bool = True,
) -> datetime:
    """Insert a code in the open transaction, in place of earlier ones of the client's network.

    Returns when it expires. A code that is not mailed is not inserted, after the same statement: it could
    only be guessed, and an earlier one that was mailed stays valid.
    """
    (row,) = await OneTimeCode.raw(
        _INSERT,
        CODE_LIFETIME,
        purpose.value,
        mailbox_of(email),
        new.digest,
        user_id,
        tenant_id,
        address_of(client),
        is_mailed,
    )
    return row["expiresAt"]


_INSERT = """
WITH expiry AS (SELECT now() + {}::interval AS at),
     stored AS (
    INSERT INTO one_time_codes
           (purpose, email, "codeDigest", "expiresAt", "userId", "tenantId", network)
    SELECT {}, {}, {}, expiry.at, {}, {}, {} FROM expiry WHERE {})
SELECT at AS "expiresAt" FROM expiry
"""


@dataclass(frozen=True, slots=True)
class ProvenCode:
    """A code that was typed correctly and is not used yet: see `consume_code`."""

    id: UUID
    user_id: UUID | None


_CODE = re.compile(r"(?<![0-9])(?:[0-9]{6}|[0-9]{8})(?![0-9])")
_CODE_IN_GROUPS = re.compile(r"[^0-9]*([0-9](?:[\s.-]*[0-9]){5}(?:(?:[\s.-]*[0-9]){2})?)[^0-9]*")


def _read_code(typed: str) -> str | None:
    """The six or eight digits of a code, which may stand in a sentence: `Código: *123 456*`.

    None if there are no such digits together, or several times: one try is for one code.
    """
    folded = typed_text.fold(typed[:MAX_TYPED_CODE])
    if (grouped := _CODE_IN_GROUPS.fullmatch(folded)) is not None:
        return re.sub("[^0-9]", "", grouped[1])
    codes = set(_CODE.findall(folded))
    return codes.pop() if len(codes) == 1 else None


async def prove_code(
    typed: str,
    purpose: Purpose,
    email: str,
    client: Client,
    *,
    tenant_id: UUID | None = None,
    known_as: str | None = None,
) -> ProvenCode:
    """Check a typed code, in a transaction of its own, so that no rollback of the caller undoes the try.

    `known_as` names those whom the account knows: its networks, or the user of a session. The wrong codes of
    strangers do not matter to them, nor to a network that has requested a code itself. Raises `WrongCode`,
    after the same work whether a code exists or not, and `RateLimited`. A text without a code costs no try.
    """
    code = _read_code(typed)
    # No address contains control characters, and PostgreSQL rejects NUL.
    if code is None or not email.isprintable():
        raise WrongCode
    async with platform_scope():
        rows = await OneTimeCode.raw(_FIND, address_of(client), mailbox_of(email), purpose.value, tenant_id)
    code_id, is_own = (rows[0]["id"], rows[0]["isOwn"]) if rows else (None, False)
    mailbox = await account_of(email)
    subjects = _subjects(mailbox, client, known_as, is_own=is_own)
    actor = Actor(None, mailbox_of(email), client)
    await check_guess(WRONG_CODES, actor, *subjects)
    async with platform_scope():
        rows = await OneTimeCode.raw(_COUNT_TRY, is_own, is_own, code_id, is_own, MAX_TRIES)
    row = rows[0] if rows else None
    wrong = not await _is_code_of(row, code, is_own=is_own)
    if wrong and is_own:
        await tally(WRONG_CODES, _own_codes(mailbox))
    await settle_guess(WRONG_CODES, actor, *subjects, wrong=wrong)
    if row is None or wrong:
        raise WrongCode
    return ProvenCode(row["id"], row["userId"])


def _subjects(mailbox: Subject, client: Client, known_as: str | None, *, is_own: bool) -> tuple[Subject, ...]:
    """What a wrong code is counted for.

    A guess at a code that its network requested counts for that network: strangers who exhaust the limit of
    the mailbox would shut its owner out, wherever the owner requests a code.
    """
    if is_own:
        return tuple(
            Subject(f"{mailbox.name} {network.name}", network.factor) for network in networks_of(client)
        )
    if known_as is not None:
        return (Subject(f"{mailbox.name} {known_as}", KNOWN_FACTOR),)
    return (mailbox,)


# The code that the client's network requested, or the newest one of another network. A code that is older
# than one that was used is not valid any more, whichever network requested it.
_FIND = """
SELECT id, network IS NOT DISTINCT FROM {} AS "isOwn" FROM one_time_codes c
 WHERE email = {} AND purpose = {} AND "tenantId" IS NOT DISTINCT FROM {}
   AND "consumedAt" IS NULL AND "expiresAt" > now() AND NOT EXISTS (
       SELECT FROM one_time_codes used
        WHERE used.email = c.email AND used.purpose = c.purpose
          AND used."tenantId" IS NOT DISTINCT FROM c."tenantId"
          AND used."consumedAt" >= c."createdAt")
 ORDER BY 2 DESC, "createdAt" DESC, id LIMIT 1
"""

# The try is counted before the code is verified, so that concurrent tries cannot exceed the five.
_COUNT_TRY = """
UPDATE one_time_codes
   SET attempts = attempts + {}::boolean::int,
       "attemptsElsewhere" = "attemptsElsewhere" + (NOT {}::boolean)::int
 WHERE id = {} AND "consumedAt" IS NULL AND "expiresAt" > now()
   AND CASE WHEN {}::boolean THEN attempts ELSE "attemptsElsewhere" END < {}
RETURNING id, "userId", "codeDigest"
"""


async def _is_code_of(row: Mapping[str, Any] | None, code: str, *, is_own: bool) -> bool:
    """Whether `code` is the one of `row`. The try is undone if the client does not learn this."""
    try:
        valid = await verify_password(code, row["codeDigest"] if row else None)
    except (Overloaded, ClientGone):
        async with platform_scope():
            await OneTimeCode.raw(_UNDO_TRY, is_own, is_own, row["id"] if row else None)
        raise
    return row is not None and valid


_UNDO_TRY = """
UPDATE one_time_codes
   SET attempts = attempts - {}::boolean::int,
       "attemptsElsewhere" = "attemptsElsewhere" - (NOT {}::boolean)::int
 WHERE id = {}
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
