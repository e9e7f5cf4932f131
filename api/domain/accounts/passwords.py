"""Password hashes: argon2id for new ones, bcrypt for those of an adopted database."""

import asyncio
import logging
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

logger = logging.getLogger("gatehouse")

P = ParamSpec("P")
T = TypeVar("T")

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane.
_ARGON2 = Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)

_HASHES = PasswordHash((_ARGON2, BcryptHasher()))

BCRYPT_BYTES = 72
"""bcrypt reads no further; the library that made the old hashes cut a longer password off without a word."""


async def hash_password(password: str) -> str:
    return await _off_the_loop(_HASHES.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether `password` made the hash `stored`.

    For a user who does not exist `stored` is None; it takes the same time, so that the time tells nothing.
    """
    try:
        if stored is not None:
            return await _off_the_loop(_verify, password, stored)
    except (UnknownHashError, ValueError, VerificationError):
        # A row that no hasher wrote lets nobody in, and must not be told from a user who does not exist.
        logger.warning("a stored password is not a hash; its user can only sign in after a reset")
    await _off_the_loop(_verify, password, await _hash_of_nobody())
    return False


def is_outdated(stored: str) -> bool:
    """Whether a hash is of another kind, or cheaper, than those that are made now."""
    return not _ARGON2.identify(stored) or _ARGON2.check_needs_rehash(stored)


def _verify(password: str, stored: str) -> bool:
    is_bcrypt = stored.startswith("$2")
    return _HASHES.verify(password.encode()[:BCRYPT_BYTES] if is_bcrypt else password, stored)


_nobody: str | None = None


async def _hash_of_nobody() -> str:
    global _nobody
    if _nobody is None:
        _nobody = await hash_password(os.urandom(16).hex())
    return _nobody


async def _off_the_loop(work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    call = partial(work, *arguments, **options)
    return await asyncio.get_running_loop().run_in_executor(_threads(), call)


@cache
def _threads() -> ThreadPoolExecutor:
    """As many hashes at once as there are cores: more would only make each of them slower."""
    return ThreadPoolExecutor(
        max_workers=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        thread_name_prefix="password",
        initializer=_yield_to_the_event_loop,
    )


def _yield_to_the_event_loop() -> None:
    """Let requests that hash nothing go first; without it a burst of registrations holds them all up."""
    if sys.platform == "linux":
        # On Linux a thread has a priority of its own; without privileges it can only be lowered.
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(10, os.getpriority(os.PRIO_PROCESS, thread)))
