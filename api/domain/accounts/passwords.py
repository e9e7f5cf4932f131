"""Password hashes: argon2id for new ones, bcrypt for those of an adopted database."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import ParamSpec, TypeVar

from argon2.exceptions import VerificationError
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from api.observability.logs import get_logger

logger = get_logger()

P = ParamSpec("P")
T = TypeVar("T")

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane.
_ARGON2 = Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)

_HASHES = PasswordHash((_ARGON2, BcryptHasher()))

BCRYPT_BYTES = 72
"""bcrypt reads no more of a password. The old system cut the rest off; the library used here raises."""


async def hash_password(password: str) -> str:
    """The argon2id hash of a password."""
    return await _off_the_loop(_HASHES.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether `stored` is the hash of `password`.

    For an unknown user `stored` is None. A hash is verified all the same, so that the time reveals no
    account.
    """
    try:
        if stored is not None:
            return await _off_the_loop(_verify, password, stored)
    except (UnknownHashError, ValueError, VerificationError):
        # An adopted database may contain texts that are not hashes. To the client they are unknown users.
        logger.warning("a stored password is not a hash; its user can only sign in after a reset")
    await _off_the_loop(_verify, password, await _decoy_hash())
    return False


def is_outdated(stored: str) -> bool:
    """Whether a hash has another algorithm, or a lower cost, than `hash_password` uses."""
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


async def _off_the_loop(work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    call = partial(work, *arguments, **options)
    return await asyncio.get_running_loop().run_in_executor(_threads(), call)


@cache
def _threads() -> ThreadPoolExecutor:
    """One thread for each core: more hashes at once would only make each slower."""
    return ThreadPoolExecutor(
        max_workers=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        thread_name_prefix="password",
        initializer=_yield_to_the_event_loop,
    )


def _yield_to_the_event_loop() -> None:
    """Lower the priority of this thread, or a burst of registrations delays requests that hash nothing."""
    if sys.platform == "linux":
        # Linux has a priority for each thread. Without privileges it can only be lowered.
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(10, os.getpriority(os.PRIO_PROCESS, thread)))
