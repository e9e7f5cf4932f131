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
from typing import NamedTuple
from uuid import UUID

from api.domain import email_addresses
from api.domain.actors import Client
from api.domain.errors import RateLimited
from api.observability.request_outcome import record_wrong_guess
from api.rate_limit_store import Counter, MemoryCounter, Rate, RedisCounter, rate
from api.settings import get_settings


@dataclass(frozen=True, eq=False)
class Limit:
    """An act that is counted. Its rate is the setting of the name `setting`."""

    setting: str

    @property
    def guessed(self) -> str:
        """What a limit of wrong guesses is about: keys, codes, passwords or second_factors."""
        return self.setting.removeprefix("rate_limit_wrong_")


VALIDATE = Limit("rate_limit_validate")
WRONG_KEYS = Limit("rate_limit_wrong_keys")
REGISTER = Limit("rate_limit_register")
LOGIN = Limit("rate_limit_login")
WRONG_PASSWORDS = Limit("rate_limit_wrong_passwords")
WRONG_SECOND_FACTORS = Limit("rate_limit_wrong_second_factors")
ACCOUNT_PASSWORDS = Limit("rate_limit_account_passwords")
CODES = Limit("rate_limit_codes")
MAILBOX_CODES = Limit("rate_limit_mailbox_codes")
MAILBOX_FIRST_CODES = Limit("rate_limit_mailbox_first_codes")
WRONG_CODES = Limit("rate_limit_wrong_codes")
NEW_STAFF = Limit("rate_limit_new_staff")
MAILBOX_INVITATIONS = Limit("rate_limit_mailbox_invitations")


class Subject(NamedTuple):
    """What an act is counted for: a network, an account, a user, or a combination. `factor` multiplies the
    amount of the setting."""

    name: str
    factor: int = 1


async def count(limit: Limit, *subjects: Subject) -> None:
    """Count an act of all `subjects`: `networks_of`, and `account_of` or what it is combined with.

    Raises `RateLimited` if one is over the limit: the caller must not perform the act.
    """
    for subject in subjects:
        if _is_on() and (wait := await _counter().hit(_rate(limit, subject.factor), subject.name)):
            raise RateLimited(math.ceil(wait))


async def check(limit: Limit, *subjects: Subject) -> None:
    """Raises `RateLimited` if `count` would."""
    for subject in subjects:
        if _is_on() and (wait := await _counter().test(_rate(limit, subject.factor), subject.name)):
            raise RateLimited(math.ceil(wait))


def settle_guess(limit: Limit, *subjects: Subject, wrong: bool) -> Awaitable[None]:
    """Count a wrong guess. Called before the client gets the outcome of any guess.

    When wrong guesses have exhausted the limit, right ones raise `RateLimited` too, also those that began
    before: the answer reveals nothing more. A `check` before the guess saves its work.
    """
    if wrong:
        record_wrong_guess(limit.guessed)
    return (count if wrong else check)(limit, *subjects)


async def is_first_refusal(limit: Limit, subject: Subject) -> bool:
    """Whether this was not called for the limit and the subject in the last hour."""
    return await _counter().tally(_REFUSALS, f"{limit.setting} {subject.name}") == 1


_REFUSALS = rate("refusals", "1/hour")


async def tally(limit: Limit, subject: Subject) -> tuple[int, int]:
    """Count an act that is never refused; returns how many there are in the period, and the amount of the
    limit."""
    rate = _rate(limit, subject.factor)
    return (await _counter().tally(rate, subject.name) if _is_on() else 0), rate.amount


async def is_tallied(limit: Limit, subject: Subject) -> bool:
    """Whether `tally` has counted as many acts as the limit allows in the period."""
    rate = _rate(limit, subject.factor)
    return _is_on() and await _counter().total(rate, subject.name) >= rate.amount


KNOWN_FACTOR = 3
"""How many times the limit of all strangers those together have whom an account knows."""


async def count_code(client: Client, email: str, *, is_known: bool = False) -> bool:
    """Count a request for a one-time code, for the client and for the mailbox; returns whether to mail one.

    With `is_known`, from a network that the account has signed in from, the requests of strangers do not
    matter. Raises `RateLimited` for the client alone: a refusal for the mailbox would shut its owner out, and
    reveal to a neighbour in a known network that the account exists. Over the limit of the mailbox the first
    request of a network in an hour is mailed, within a limit of its own: it may be the owner's.
    """
    await count(CODES, *networks_of(client))
    mailbox = await account_of(email)
    if not _is_on():
        return True
    # Of IPv6 the /48: one customer has 65,536 of the smaller networks.
    network = f"{mailbox.name} {networks_of(client)[-1].name}"
    is_first = await _counter().tally(_FIRST_REQUESTS, network) == 1
    subject = Subject(f"{mailbox.name} known networks", KNOWN_FACTOR) if is_known else mailbox
    return await count_silently(MAILBOX_CODES, subject) or (
        is_first and await count_silently(MAILBOX_FIRST_CODES, subject)
    )


_FIRST_REQUESTS = rate("first requests", "1/hour")


async def count_silently(limit: Limit, subject: Subject) -> bool:
    """Count an act as `count` does; returns whether it is within the limit, in the place of raising."""
    return not (_is_on() and await _counter().hit(_rate(limit, subject.factor), subject.name))


async def count_own_code(client: Client, user_id: UUID | None) -> None:
    """Count a request for a one-time code to the mailbox of a signed-in user, which strangers cannot shut.

    Raises `RateLimited`.
    """
    await count(CODES, *networks_of(client))
    await count(MAILBOX_CODES, Subject(f"user {user_id}"))


SITE_FACTOR = 10
"""How many times the limit of a /64 the /48 around it has. Providers give a /48 to one customer, who has
65,536 networks of /64 then."""


def networks_of(client: Client) -> tuple[Subject, ...]:
    """What a client is counted by: its IPv4 address, or the /64 and the /48 of its IPv6 address."""
    return _networks(client.ip_address)


@lru_cache(maxsize=10_000)
def _networks(address: str | None) -> tuple[Subject, ...]:
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return (Subject("unknown"),)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return (Subject(str(parsed.ipv4_mapped)),)
        # The narrow network first: one that is refused counts nothing for the other networks of its site.
        return Subject(_prefix(parsed, 64)), Subject(_prefix(parsed, 48), SITE_FACTOR)
    return (Subject(str(parsed)),)


def _prefix(address: IPv6Address, bits: int) -> str:
    return f"{IPv6Address(int(address) >> 128 - bits << 128 - bits)}/{bits}"


def address_of(client: Client) -> str:
    """The smallest network that a client is counted by."""
    return networks_of(client)[0].name


async def account_of(email: str) -> Subject:
    """What an email address is counted by, whether the account exists or not."""
    digest = account_digest(email)
    epoch = await _counter().total(_EPOCHS, digest)
    return Subject(f"{digest} {epoch}" if epoch else digest)


async def start_anew(email: str) -> None:
    """Forget what was counted for an account, when its owner has proved to be the owner.

    The counts for the account and a network cannot be listed, so later ones have another name.
    """
    await _counter().tally(_EPOCHS, account_digest(email))


_EPOCHS = rate("epochs", "1/30 days")
"""Longer than the period of any count for an account."""


def account_digest(email: str) -> str:
    """The name of an account, which all spellings of its address share.

    Two that `lower()` of PostgreSQL makes equal must not have two. The name is a digest, so that the store
    contains no addresses.
    """
    letters = unicodedata.normalize("NFKD", email_addresses.as_registered(email)[:1000]).casefold()
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return hashlib.sha256(plain.encode(errors="replace")).hexdigest()


async def close_counter() -> None:
    """Close the connections to the store. The next count opens new ones."""
    counter = _counter()
    _counter.cache_clear()
    _rate.cache_clear()
    await counter.close()


def _is_on() -> bool:
    return get_settings().rate_limits


@cache
def _counter() -> Counter:
    storage = get_settings().rate_limit_storage
    return MemoryCounter() if storage is None else RedisCounter(storage.get_secret_value())


@cache
def _rate(limit: Limit, factor: int) -> Rate:
    return rate(limit.setting, getattr(get_settings(), limit.setting), factor)
