"""Rate limits: which acts are counted, and for which address or account.

An act is counted in the domain function that performs it, so that every interface is limited.
"""

import hashlib
import math
import unicodedata
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import IPv6Address, ip_address

from api.domain import email_addresses
from api.domain.actors import Client
from api.domain.errors import RateLimited
from api.rate_limit_store import Counter, MemoryCounter, Rate, RedisCounter, rate
from api.settings import get_settings


@dataclass(frozen=True, eq=False)
class Limit:
    """An act that is counted. Its rate is the setting of the name `setting`."""

    setting: str


VALIDATE = Limit("rate_limit_validate")
WRONG_KEYS = Limit("rate_limit_wrong_keys")
REGISTER = Limit("rate_limit_register")
LOGIN = Limit("rate_limit_login")
WRONG_PASSWORDS = Limit("rate_limit_wrong_passwords")
WRONG_SECOND_FACTORS = Limit("rate_limit_wrong_second_factors")
CODES = Limit("rate_limit_codes")
MAILBOX_CODES = Limit("rate_limit_mailbox_codes")


async def count(limit: Limit, subject: str) -> None:
    """Count an act of `subject`, an `address_of` or an `account_of`.

    Raises `RateLimited` over the limit: the act is then not counted, and the caller must not perform it.
    """
    counter = _counter()
    if counter is not None and (wait := await counter.hit(_rate(limit), subject)):
        raise RateLimited(math.ceil(wait))


async def check(limit: Limit, subject: str) -> None:
    """Raises `RateLimited` if `count` would."""
    counter = _counter()
    if counter is not None and (wait := await counter.test(_rate(limit), subject)):
        raise RateLimited(math.ceil(wait))


def settle_guess(limit: Limit, subject: str, *, wrong: bool) -> Awaitable[None]:
    """Count a wrong guess. Called before the client gets the outcome of any guess.

    When wrong guesses have exhausted the limit, right ones raise `RateLimited` too, also those that began
    before: the answer reveals nothing more. A `check` before the guess saves its work.
    """
    return (count if wrong else check)(limit, subject)


async def count_code(client: Client, email: str) -> None:
    """Count a request for a one-time code, for the client and for the mailbox.

    Raises `RateLimited`. Unknown addresses are counted too, so that the limit reveals no account.
    """
    await count(CODES, address_of(client))
    await count(MAILBOX_CODES, account_of(email))


def address_of(client: Client) -> str:
    """The network that a client is counted by: its IPv4 address, or the /64 of its IPv6 address."""
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
    """The name that an email address is counted by, whether the account exists or not.

    All spellings of an address share one count: two that `lower()` of PostgreSQL makes equal must not have
    two. The name is a digest, so that the store contains no addresses.
    """
    letters = unicodedata.normalize("NFKD", email_addresses.as_registered(email)[:1000]).casefold()
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return hashlib.sha256(plain.encode(errors="replace")).hexdigest()


async def close_counter() -> None:
    """Close the connections to the store. The next count opens new ones."""
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
