"""Strangers who request codes for a mailbox do not shut its owner out, flood it, or learn of the account."""

from typing import Any

import asyncpg
import pytest

from tests.domain.accounts.codes import (
    REQUEST_RESET,
    REQUEST_VERIFICATION,
    VERIFY,
    code_for_reset,
    mailed,
    reset,
)
from tests.domain.accounts.test_email_change import code_for, confirm
from tests.domain.conftest import Clock
from tests.support import Api, Settings, hire

pytestmark = pytest.mark.anyio

MAILBOX, UNKNOWN = "eva@example.com", "unknown@example.com"
OWNER, NEIGHBOUR = "192.0.2.1", "203.0.113.5"


@pytest.fixture(autouse=True)
def _counting(settings: Settings, clock: Clock) -> None:
    settings(RATE_LIMITS="on", RATE_LIMIT_MAILBOX_CODES="4/hour", RATE_LIMIT_MAILBOX_FIRST_CODES="6/day")


@pytest.fixture
async def eva(database: asyncpg.Connection) -> str:
    """The token of a user of MAILBOX, whose known network is that of NEIGHBOUR."""
    person = await hire(database, None, "SUPER_ADMIN", email=MAILBOX)
    await database.execute(
        """INSERT INTO known_devices ("userId", network, agent) VALUES ($1, '203.0.113.0/24', '')""",
        person.id,
    )
    return person.token


async def request(api: Api, email: str = MAILBOX) -> Any:
    return (await api.data(REQUEST_RESET, e=email))["requestPasswordReset"]


async def attack(api: Api, email: str = MAILBOX, network: str = "198.51.100") -> list[str]:
    """Three requests of each of three networks: more than the limit of the mailbox."""
    return [
        (await request(api.at(f"{network}.{number}"), email))["__typename"]
        for _ in range(3)
        for number in range(3)
    ]


async def resets(database: asyncpg.Connection) -> int:
    return len(await mailed(database, "password_reset_code"))


@pytest.mark.usefixtures("eva")
@pytest.mark.parametrize("address", [OWNER, NEIGHBOUR], ids=["a new network", "a known network"])
async def test_the_owner_gets_a_code_beside_requesting_strangers(
    api: Api, database: asyncpg.Connection, address: str
) -> None:
    assert await attack(api) == ["Accepted"] * 9
    assert await resets(database) == 4

    code = await code_for_reset(api.at(address), database, MAILBOX)

    assert await resets(database) == 5
    assert (await reset(api.at(address), MAILBOX, code))["__typename"] == "Done"


@pytest.mark.usefixtures("eva")
async def test_requests_from_many_networks_do_not_flood_the_mailbox(
    api: Api, database: asyncpg.Connection, clock: Clock
) -> None:
    """The first of each network is mailed, up to a limit for a day."""
    kinds = [(await request(api.at(f"198.51.{number}.1")))["__typename"] for number in range(20)]
    assert kinds == ["Accepted"] * 20
    assert await resets(database) == 4 + 6

    site = [(await request(api.at(f"2001:db8:7:{n:x}::1")))["__typename"] for n in range(20)]
    assert site == ["Accepted"] * 20
    assert await resets(database) == 4 + 6
    clock.now += 3600
    await request(api.at(OWNER))
    assert await resets(database) == 4 + 6 + 1


@pytest.mark.usefixtures("eva")
@pytest.mark.parametrize("network", ["192.0.2", "203.0.113"], ids=["a new network", "a neighbour"])
async def test_the_answers_do_not_reveal_an_account(api: Api, network: str) -> None:
    """A client is refused for its own network alone, with and without an account."""
    await attack(api, MAILBOX)
    await attack(api, UNKNOWN, "198.51.101")
    seen = [
        [{**await request(api.at(f"{network}.{number}"), email), "expiresAt": None} for _ in range(4)]
        for number, email in enumerate((MAILBOX, UNKNOWN))
    ]

    assert seen[0] == seen[1]
    assert [answer["__typename"] for answer in seen[0]] == ["Accepted"] * 3 + ["RateLimited"]


@pytest.mark.usefixtures("eva")
async def test_a_code_that_was_mailed_outlives_one_that_was_not(
    api: Api, database: asyncpg.Connection
) -> None:
    """And one that was not mailed cannot be guessed: it is not stored."""
    owner = api.at(OWNER)
    code = await code_for_reset(owner, database, MAILBOX)
    await attack(api)
    before = await resets(database), await database.fetchval("SELECT count(*) FROM one_time_codes")

    assert (await request(owner))["__typename"] == "Accepted"

    assert (await resets(database), await database.fetchval("SELECT count(*) FROM one_time_codes")) == before
    assert (await reset(owner, MAILBOX, code))["__typename"] == "Done"


async def test_the_owner_verifies_an_email_beside_requesting_strangers(
    api: Api, database: asyncpg.Connection
) -> None:
    await attack(api)
    owner = api.at(OWNER)

    asked = (await owner.data(REQUEST_VERIFICATION, e=MAILBOX))["requestEmailVerification"]
    (mail,) = await mailed(database, "verification_code")
    verified = await owner.data(VERIFY, e=MAILBOX, c=mail["code"])

    assert (asked["__typename"], verified["verifyEmail"]["__typename"]) == ("Accepted", "EmailVerified")


async def test_the_owner_changes_the_email_beside_requesting_strangers(
    api: Api, database: asyncpg.Connection
) -> None:
    ana = await hire(database, None, "SUPER_ADMIN")
    await attack(api, "new@example.com")
    owner = api.at(OWNER)

    code = await code_for(owner, database, ana.token, "new@example.com")

    assert (await confirm(owner, ana.token, code, "new@example.com"))["__typename"] == "User"
