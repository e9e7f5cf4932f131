"""Recovery codes: ten codes, shown once, each of which replaces a lost second factor once.

A code has 78 random bits, so its plain digest cannot be reversed.
"""

import hashlib
import re
import secrets
from uuid import UUID

from api.database.scopes import read_platform
from api.key_shape import ALPHABET
from tables import RecoveryCode

COUNT = 10
SYMBOLS = 16
_SHAPE = re.compile(f"[{ALPHABET}]{{{SYMBOLS}}}")


async def replace_codes(user_id: UUID) -> list[str]:
    """Store new recovery codes of a user in the open transaction, in place of earlier ones; returns them."""
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(SYMBOLS)) for _ in range(COUNT)]
    await delete_codes(user_id)
    await RecoveryCode.raw(
        'INSERT INTO recovery_codes ("userId", "codeDigest") SELECT {}, unnest({}::bytea[])',
        user_id,
        [_digest(user_id, code) for code in codes],
    )
    return ["-".join(code[start : start + 4] for start in range(0, SYMBOLS, 4)) for code in codes]


async def delete_codes(user_id: UUID) -> None:
    """Delete the recovery codes of a user in the open transaction."""
    await RecoveryCode.delete().where(RecoveryCode.user_id == user_id)


def has_shape(code: str) -> bool:
    """Whether a text, which has capitals only, can be a recovery code."""
    return _SHAPE.fullmatch(code) is not None


async def use_recovery_code(user_id: UUID, code: str) -> bool:
    """Use a code up in the open transaction; false if it is wrong or used. `code` has capitals only."""
    if not has_shape(code):
        return False
    used = await RecoveryCode.raw(
        'UPDATE recovery_codes SET "usedAt" = now()'
        ' WHERE "userId" = {} AND "codeDigest" = {} AND "usedAt" IS NULL RETURNING id',
        user_id,
        _digest(user_id, code),
    )
    return bool(used)


async def count_unused(user_id: UUID) -> int:
    """How many recovery codes a user has left."""
    (row,) = await read_platform(
        'SELECT count(*) AS unused FROM recovery_codes WHERE "userId" = {} AND "usedAt" IS NULL', user_id
    )
    return row["unused"]


def _digest(user_id: UUID, code: str) -> bytes:
    return hashlib.sha256(f"{user_id}:{code}".encode()).digest()
