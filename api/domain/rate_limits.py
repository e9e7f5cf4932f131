"""How often: which acts are counted, whom for, and what happens to those who do too much.

An act is counted in the domain function that does it, so that no door can forget to.
"""

import hashlib
import math
import unicodedata
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import IPv6Address, ip_address

from api.domain import fields
from api.domain.actors import Client
from api.domain.errors import RateLimited
from api.rate_limit_store import Counter, MemoryCounter, Rate, RedisCounter, rate
from api.settings import get_settings


@dataclass(frozen=True, eq=False)
class Limit:
    """`setting` names the setting that holds the rate."""

    setting: str


VALIDATE = Limit("rate_limit_validate")
WRONG_KEYS = Limit("rate_limit_wrong_keys")
REGISTER = Limit("rate_limit_register")
LOGIN = Limit("rate_limit_login")
WRONG_PASSWORDS = Limit("rate_limit_wrong_passwords")
CODES = Limit("rate_limit_codes")
MAILBOX_CODES = Limit("rate_limit_mailbox_codes")


async def count(limit: Limit, who: str) -> None:
    """Count an act of `who`. Raises `RateLimited`, and then it is not counted and must not be done."""
    counter = _counter()
    if counter is not None and (wait := await counter.hit(_rate(limit), who)):
        raise RateLimited(math.ceil(wait))


async def check(limit: Limit, who: str) -> None:
    """Raises `RateLimited` if `count` would."""
    counter = _counter()
    if counter is not None and (wait := await counter.test(_rate(limit), who)):
        raise RateLimited(math.ceil(wait))


def settle_guess(limit: Limit, who: str, *, wrong: bool) -> Awaitable[None]:
    """Count a guess that turned out wrong, before anybody is told how it turned out.

    Once wrong guesses have used the limit up, this raises `RateLimited` for right ones too, those that were
    made at the same moment included: the answer tells nothing. `check` before the guess saves its work.
    """
    return (count if wrong else check)(limit, who)


async def count_code(client: Client, email: str) -> None:
    """Count a one-time code that somebody asks to be sent to `email`.

    Raises `RateLimited`. It counts alike for addresses that nobody has, and so tells nothing of them.
    """
    await count(CODES, address_of(client))
    await count(MAILBOX_CODES, account_of(email))


def address_of(client: Client) -> str:
    """Where a client counts: its IPv4 address, or the /64 of its IPv6 address, of which it has 2^64."""
    return _network(client.ip_address)


@lru_cache(maxsize=10_000)
def _network(address: str | None) -> str:
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)


def account_of(email: str) -> str:
    """Under which name an address is counted, whether there is such an account or not.

    However an address is written, it counts as one: what PostgreSQL takes for the same, by its own rules
    of capitals, must not have two counts. It is a digest, because the store need not know addresses.
    """
    letters = unicodedata.normalize("NFKD", fields.email_as_registered(email)[:1000]).casefold()
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return hashlib.sha256(plain.encode(errors="replace")).hexdigest()


async def close_counter() -> None:
    """Let go of the store; what is counted later opens it again."""
    counter = _counter()
    _counter.cache_clear()
    _rate.cache_clear()
    if counter is not None:
        await counter.close()


@cache
def _counter() -> Counter | None:
    settings = get_settings()
    if not settings.rate_limits:
        return None
    if settings.rate_limit_storage is None:
        return MemoryCounter()
    return RedisCounter(settings.rate_limit_storage.get_secret_value())


@cache
def _rate(limit: Limit) -> Rate:
    return rate(limit.setting, getattr(get_settings(), limit.setting))
