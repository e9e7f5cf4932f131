"""Password hashes of the lowest cost.

A real hash takes 20 ms, and most tests only need users who can sign in. With real hashes the suite spends
more than half of its processor time on them.
"""

import argon2
import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from api.domain.accounts import passwords

REAL = (passwords._ARGON2, passwords._HASHES)

_LOWEST = Argon2Hasher(memory_cost=argon2.profiles.CHEAPEST.memory_cost, time_cost=1, parallelism=1)


def use_lowest_cost() -> None:
    """For this process and its forks; other programs that tests start hash as in production."""
    passwords._ARGON2 = _LOWEST
    passwords._HASHES = PasswordHash((_LOWEST, BcryptHasher()))


def use_real_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(("_ARGON2", "_HASHES"), REAL, strict=True):
        monkeypatch.setattr(passwords, name, value)
    monkeypatch.setattr(passwords, "_decoy", None)
