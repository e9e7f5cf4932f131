"""A person who has the password cannot shut the owner out by wrong codes of the second factor."""

import asyncio
from datetime import timedelta

import pytest
from asyncpg import Connection

from api.domain.mails import Template
from tests.domain.accounts.codes import mailed
from tests.domain.accounts.second_factors.factors import (
    challenge_of,
    forget_steps,
    set_up,
    unused_code,
    verify,
    wrong_code,
)
from tests.domain.accounts.test_account_mails import age, text_of
from tests.domain.accounts.test_identity_confirmation import confirm
from tests.domain.conftest import Clock
from tests.support import Api, Settings, issue_key, registration

pytestmark = pytest.mark.anyio

EMAIL = "ana@example.com"
HOME, ELSEWHERE, STRANGER = "203.0.113.77", "192.0.2.1", "198.51.100.9"


@pytest.fixture(autouse=True)
def _counting(settings: Settings, clock: Clock) -> None:
    settings(RATE_LIMITS="on", RATE_LIMIT_LOGIN="1000/minute", RATE_LIMIT_ACCOUNT_PASSWORDS="1000/hour")


class Owner:
    """A user who registered at HOME, and has an app."""

    def __init__(self, api: Api, database: Connection, token: str, secret: str, recovery: list[str]) -> None:
        self.api, self.database, self.token = api, database, token
        self.secret, self.recovery = secret, recovery

    async def guess(self, address: str, times: int = 1) -> list[str]:
        """Sign in with the right password and wrong codes, as a stranger does."""
        stranger = self.api.at(address)
        return [
            (await verify(stranger, await challenge_of(stranger, EMAIL), wrong_code(self.secret)))["code"]
            for _ in range(times)
        ]

    async def sign_in(self, address: str, code: str | None = None) -> str:
        """Sign in with a right code, of the app unless given; returns the kind of the answer."""
        device = self.api.at(address)
        if code is None:
            await forget_steps(self.database)
            code = await unused_code(self.database, self.secret)
        return (await verify(device, await challenge_of(device, EMAIL), code))["__typename"]


@pytest.fixture
async def ana(api: Api, database: Connection) -> Owner:
    form = registration(await issue_key(database), email=EMAIL)
    token = (await api.at(HOME).register(form))["accessToken"]
    return Owner(api, database, token, *(await set_up(api.at(HOME), token)))


async def test_wrong_codes_shut_the_account_for_their_network_only(ana: Owner) -> None:
    assert await ana.guess(STRANGER, 7) == ["WRONG_CODE"] * 5 + ["RATE_LIMITED"] * 2

    assert await ana.sign_in(STRANGER) == "RateLimited"
    assert await ana.sign_in(HOME) == "SignedIn"
    assert await ana.sign_in(ELSEWHERE) == "SignedIn"


async def test_many_networks_have_a_bound_together_that_leaves_the_owner_ways_in(
    ana: Owner, clock: Clock
) -> None:
    """Six digits could be guessed from many networks. The owner at home has the app, elsewhere the other
    ways."""
    strangers = [f"198.51.100.{number}" for number in range(25)]
    codes = [code for address in strangers for code in await ana.guess(address)]
    assert codes == ["WRONG_CODE"] * 10 + ["RATE_LIMITED"] * 15

    assert await ana.sign_in(ELSEWHERE) == "RateLimited"
    assert await ana.sign_in(HOME) == "SignedIn"
    assert await ana.sign_in(ELSEWHERE, ana.recovery[0]) == "SignedIn"
    # The account has signed in from there now.
    assert await ana.sign_in(ELSEWHERE) == "SignedIn"
    clock.now += 15 * 60
    assert await ana.sign_in("192.0.3.1") == "SignedIn"


async def test_neighbours_in_a_known_network_have_a_bound_of_their_own(ana: Owner) -> None:
    codes = [code for number in range(12) for code in await ana.guess(f"203.0.113.{number}")]
    assert codes == ["WRONG_CODE"] * 10 + ["RATE_LIMITED"] * 2

    assert await ana.sign_in(ELSEWHERE) == "SignedIn"
    assert await ana.sign_in(HOME, ana.recovery[0]) == "SignedIn"


async def test_concurrent_codes_from_many_networks_get_no_more_answers_than_the_bound(ana: Owner) -> None:
    answers = await asyncio.gather(*(ana.guess(f"198.51.100.{number}") for number in range(30)))

    assert [code for codes in answers for code in codes].count("WRONG_CODE") == 10


async def test_a_session_has_tries_of_its_own(ana: Owner) -> None:
    """Wrong codes of strangers do not shut it, and those of its thief do not shut the sign-in."""
    for number in range(12):
        await ana.guess(f"198.51.100.{number}")
    stolen = ana.api.at(STRANGER)

    kinds = [(await confirm(stolen, ana.token, code=wrong_code(ana.secret)))["__typename"] for _ in range(6)]

    assert kinds == ["WrongCode"] * 5 + ["RateLimited"]
    assert await ana.sign_in(HOME) == "SignedIn"


async def test_the_person_hears_that_another_one_has_the_password(ana: Owner, database: Connection) -> None:
    """With the fifth wrong code in a day, from any networks, and at most once a day."""
    for number in range(4):
        await ana.guess(f"198.51.100.{number}")
    assert await mailed(database, "wrong_second_factors") == []

    await asyncio.gather(*(ana.guess(f"198.51.{number}.1") for number in range(30)))
    assert [mail["recipient"] for mail in await mailed(database, "wrong_second_factors")] == [EMAIL]

    await age(database, timedelta(hours=25))
    for number in range(5):
        await ana.guess(f"203.0.113.{number}")
    assert len(await mailed(database, "wrong_second_factors")) == 2


async def test_wrong_codes_in_a_session_are_mailed_once(ana: Owner, database: Connection) -> None:
    """A person who has the device of another one tries codes there, and the mail says so."""
    for _ in range(6):
        await confirm(ana.api, ana.token, code=wrong_code(ana.secret))

    text = await text_of(database, Template.WRONG_SECOND_FACTORS)
    assert "in an open session" in text
    assert "your password was typed" not in text
    for number in range(5):
        await ana.guess(f"198.51.{number}.1")
    assert len(await mailed(database, "wrong_second_factors")) == 1
