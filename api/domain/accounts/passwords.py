"""Password hashes: argon2id for new ones, bcrypt for those of an adopted database."""

import os
from functools import partial
from typing import NamedTuple

from argon2.exceptions import VerificationError
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from api.domain.accounts.hash_queue import run_in_turn
from api.domain.opaque_strings import opaque_string
from api.observability.logs import get_logger

logger = get_logger()

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane.
_ARGON2 = Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)

_HASHES = PasswordHash((_ARGON2, BcryptHasher()))

BCRYPT_BYTES = 72
"""bcrypt reads no more of a password. The old system cut the rest off; the library used here raises."""


async def hash_password(password: str) -> str:
    """The argon2id hash of a password, in its normal form. Raises `Overloaded` and `ClientGone`."""
    return await run_in_turn(partial(_HASHES.hash, _forms(password)[0]))


def _forms(password: str) -> list[str]:
    """The forms in which the password may have been hashed: the normal one first, and the one that was typed.

    Until passwords were normalised, they were hashed as typed.
    """
    normal = opaque_string(password)
    return [password] if normal is None or normal == password else [normal, password]


class PasswordCheck(NamedTuple):
    is_valid: bool
    is_outdated: bool
    """Whether a valid password should be hashed again: its hash has another algorithm, a lower cost, or was
    made of another form of the password than `hash_password` uses."""


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether `stored` is the hash of `password`: see `check_password`."""
    return (await check_password(password, stored)).is_valid


async def check_password(password: str, stored: str | None) -> PasswordCheck:
    """Compare a typed password with a stored hash.

    For an unknown user `stored` is None. A hash is verified all the same, so that the time reveals no
    account. Raises `Overloaded` and `ClientGone`.
    """
    forms = _forms(password)
    try:
        if stored is not None:
            form = await run_in_turn(partial(_find_form, forms, stored))
            return PasswordCheck(form is not None, form != forms[0] or _is_outdated(stored))
    except (UnknownHashError, ValueError, VerificationError):
        # An adopted database may contain texts that are not hashes. To the client they are unknown users.
        logger.warning("a stored password is not a hash; its user can only sign in after a reset")
    await run_in_turn(partial(_find_form, forms, await _decoy_hash()))
    return PasswordCheck(is_valid=False, is_outdated=False)


def _find_form(forms: list[str], stored: str) -> str | None:
    return next((form for form in forms if _verify(form, stored)), None)


def _is_outdated(stored: str) -> bool:
    return not _ARGON2.identify(stored) or _ARGON2.check_needs_rehash(stored)


def _verify(password: str, stored: str) -> bool:
    is_bcrypt = stored.startswith("$2")
    return _HASHES.verify(password.encode()[:BCRYPT_BYTES] if is_bcrypt else password, stored)


_decoy: str | None = None


async def _decoy_hash() -> str:
    global _decoy
    if _decoy is None:
        _decoy = await hash_password(os.urandom(16).hex())
    return _decoy
