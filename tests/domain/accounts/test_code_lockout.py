"""Strangers who guess one-time codes of a mailbox do not shut its owner out, on any network.

The owner is on a network that is new to the account, and strangers have exhausted the limit of wrong codes.
"""

from typing import Any

import asyncpg
import pytest

from tests.domain.accounts.codes import (
    REQUEST_VERIFICATION,
    VERIFY,
    code_for_reset,
    mailed,
    other_than,
    reset,
)
from tests.domain.accounts.test_email_change import code_for, confirm
from tests.domain.conftest import Clock
from tests.support import Api, Settings, hire

pytestmark = pytest.mark.anyio

OWNER = "192.0.2.1"
MAILBOX = "eva@example.com"
STRANGERS = [f"198.51.{number}.9" for number in range(8)]
WRONG = "12345678"


@pytest.fixture(autouse=True)
def _counting(settings: Settings, clock: Clock) -> None:
    settings(RATE_LIMITS="on", RATE_LIMIT_LOGIN="1000/minute", RATE_LIMIT_WRONG_CODES="4/day")


async def verify(api: Api, code: str) -> Any:
    return (await api.data(VERIFY, e=MAILBOX, c=code))["verifyEmail"]


async def code_for_verification(api: Api, database: asyncpg.Connection) -> str:
    answer = (await api.data(REQUEST_VERIFICATION, e=MAILBOX))["requestEmailVerification"]
    assert answer["__typename"] == "Accepted"
    return (await mailed(database, "verification_code"))[-1]["code"]


async def test_the_owner_verifies_an_email_beside_guessing_strangers(
    api: Api, database: asyncpg.Connection
) -> None:
    guesses = [(await verify(api.at(address), WRONG))["__typename"] for address in STRANGERS]
    assert guesses == ["WrongCode"] * 4 + ["RateLimited"] * 4

    owner = api.at(OWNER)
    code = await code_for_verification(owner, database)

    assert (await verify(api.at(STRANGERS[0]), code))["__typename"] == "RateLimited"
    assert (await verify(owner, other_than(code)))["__typename"] == "WrongCode"
    assert (await verify(owner, code))["__typename"] == "EmailVerified"


async def test_the_owner_resets_the_password_beside_guessing_strangers(
    api: Api, database: asyncpg.Connection
) -> None:
    """Also beside strangers who requested codes of their own, which have five tries each."""
    await hire(database, None, "SUPER_ADMIN", email=MAILBOX)
    requester = api.at("198.51.100.200")
    theirs = await code_for_reset(requester, database, MAILBOX)
    tries = [(await reset(requester, MAILBOX, other_than(theirs)))["__typename"] for _ in range(6)]
    assert tries == ["WrongCode"] * 4 + ["RateLimited"] * 2
    guesses = [(await reset(api.at(address), MAILBOX, WRONG))["__typename"] for address in STRANGERS]
    assert guesses == ["WrongCode"] * 4 + ["RateLimited"] * 4

    owner = api.at(OWNER)
    code = await code_for_reset(owner, database, MAILBOX)

    assert (await reset(api.at(STRANGERS[0]), MAILBOX, code))["__typename"] == "RateLimited"
    assert (await reset(requester, MAILBOX, theirs))["__typename"] == "RateLimited"
    assert (await reset(owner, MAILBOX, code))["__typename"] == "Done"


async def test_the_owner_changes_the_email_beside_guessing_strangers(
    api: Api, database: asyncpg.Connection
) -> None:
    """The strangers are signed in: another user guesses codes for the same new address."""
    ana = await hire(database, None, "SUPER_ADMIN")
    thief = await hire(database, None, "SUPER_ADMIN")
    owner = api.at(OWNER)
    code = await code_for(owner, database, ana.token, MAILBOX)
    guesses = [
        (await confirm(api.at(f"198.51.100.{number}"), thief.token, WRONG, MAILBOX))["__typename"]
        for number in range(14)
    ]
    assert guesses == ["WrongCode"] * 12 + ["RateLimited"] * 2

    # At another address than the one that requested the code, too: the session is the owner's.
    elsewhere = await confirm(api.at("192.0.2.77"), ana.token, other_than(code), MAILBOX)
    changed = await confirm(owner, ana.token, code, MAILBOX)

    assert (elsewhere["__typename"], changed["__typename"]) == ("WrongCode", "User")


async def test_an_exhausted_code_of_ones_own_costs_the_mailbox_nothing(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    """And it compares nothing: the right code is wrong after five tries, on its own network too."""
    settings(RATE_LIMIT_WRONG_CODES="8/day")
    stranger = api.at("198.51.100.200")
    theirs = await code_for_verification(stranger, database)
    kinds = [(await verify(stranger, other_than(theirs)))["__typename"] for _ in range(6)]
    assert kinds == ["WrongCode"] * 6
    assert (await verify(stranger, theirs))["__typename"] == "WrongCode"

    guesses = [(await verify(api.at(f"198.51.100.{n}"), WRONG))["__typename"] for n in range(9)]
    assert guesses == ["WrongCode"] * 8 + ["RateLimited"]


async def test_known_networks_have_three_times_the_guesses_together(
    api: Api, database: asyncpg.Connection
) -> None:
    """A neighbour in the /24 of the owner guessed without any limit of the mailbox."""
    person = await hire(database, None, "SUPER_ADMIN", email=MAILBOX)
    await database.execute(
        """INSERT INTO known_devices ("userId", network, agent) VALUES ($1, '203.0.113.0/24', '')""",
        person.id,
    )
    guesses = [(await reset(api.at(f"203.0.113.{n}"), MAILBOX, WRONG))["__typename"] for n in range(14)]
    assert guesses == ["WrongCode"] * 12 + ["RateLimited"] * 2

    for address in ("203.0.113.99", OWNER):
        owner = api.at(address)
        code = await code_for_reset(owner, database, MAILBOX)
        assert (await reset(owner, MAILBOX, other_than(code)))["__typename"] == "WrongCode"
    assert (await reset(api.at("203.0.113.99"), MAILBOX, code))["__typename"] == "WrongCode"
    assert (await reset(owner, MAILBOX, code))["__typename"] == "Done"


async def test_codes_of_a_guessed_mailbox_have_eight_digits(
    api: Api, database: asyncpg.Connection, clock: Clock
) -> None:
    """Strangers who guess at codes of their own are not refused together, so guesses become less likely."""
    for address in STRANGERS[:2]:
        theirs = await code_for_verification(api.at(address), database)
        assert len(theirs) == 6
        for _ in range(2):
            assert (await verify(api.at(address), other_than(theirs)))["__typename"] == "WrongCode"

    owner = api.at(OWNER)
    code = await code_for_verification(owner, database)

    assert len(code) == 8
    assert (await verify(owner, code))["__typename"] == "EmailVerified"
    clock.now += 24 * 3600
    assert len(await code_for_verification(owner, database)) == 6
