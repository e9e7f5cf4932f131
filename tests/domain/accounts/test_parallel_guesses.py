"""Fifty guesses at once get no more attempts than the bound, however they are spread."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.account_acts import SECRET, code_now, turn_on
from tests.authenticator import ORIGIN, Device
from tests.domain.accounts.codes import code_for_reset, other_than, reset
from tests.domain.accounts.second_factors.factors import challenge_of, verify, wrong_code
from tests.domain.accounts.second_factors.test_passkeys import Person
from tests.domain.conftest import Clock
from tests.support import PASSWORD, Api, Settings, issue_key, registration

pytestmark = pytest.mark.anyio

HOME = "203.0.113.77"

PARALLEL = 50


@pytest.fixture(autouse=True)
def _counting(settings: Settings, clock: Clock) -> None:
    settings(RATE_LIMITS="on", RATE_LIMIT_LOGIN="1000/minute", PUBLIC_URL=ORIGIN)


@pytest.fixture
async def owner(api: Api, database: asyncpg.Connection) -> str:
    """The token of a user who registered at HOME."""
    form = registration(await issue_key(database), email="ana@example.com")
    return (await api.at(HOME).register(form))["accessToken"]


def kinds(answers: list[Any]) -> dict[str, int]:
    """How many answers there are of each type."""
    found = [answer["__typename"] for answer in answers]
    return {kind: found.count(kind) for kind in sorted(set(found))}


@pytest.mark.usefixtures("owner")
async def test_codes_from_one_network_have_five_tries(api: Api, database: asyncpg.Connection) -> None:
    home = api.at(HOME)
    code = await code_for_reset(home, database, "ana@example.com")
    wrong = other_than(code)

    answers = await asyncio.gather(*(reset(home, "ana@example.com", wrong) for _ in range(PARALLEL)))

    assert kinds(answers) == {"WrongCode": PARALLEL}
    assert await database.fetchval("SELECT attempts FROM one_time_codes") == 5
    assert (await reset(home, "ana@example.com", code))["__typename"] == "WrongCode"


@pytest.mark.usefixtures("owner")
async def test_codes_from_fifty_networks_have_five_tries_and_leave_the_owners(
    api: Api, database: asyncpg.Connection
) -> None:
    code = await code_for_reset(api.at(HOME), database, "ana@example.com")
    strangers = [api.at(f"198.51.100.{number}") for number in range(PARALLEL)]

    wrong = other_than(code)
    answers = await asyncio.gather(*(reset(one, "ana@example.com", wrong) for one in strangers))

    assert kinds(answers) == {"WrongCode": PARALLEL}
    tries = await database.fetchrow('SELECT attempts, "attemptsElsewhere" FROM one_time_codes')
    assert tries is not None
    assert tuple(tries) == (0, 5)
    assert (await reset(strangers[0], "ana@example.com", code))["__typename"] == "WrongCode"
    assert (await reset(api.at(HOME), "ana@example.com", code))["__typename"] == "Done"


@pytest.mark.usefixtures("owner")
async def test_codes_of_a_second_factor_have_five_tries_over_all_challenges(
    api: Api, database: asyncpg.Connection
) -> None:
    """A right one among those that are over the bound opens no session either."""
    await turn_on(database, "ana@example.com")
    challenges = [await challenge_of(api, "ana@example.com") for _ in range(PARALLEL // 5 + 1)]
    guess = wrong_code(SECRET)

    answers = await asyncio.gather(
        *(verify(api, challenges[number // 5], guess) for number in range(PARALLEL))
    )

    assert kinds(answers) == {"RateLimited": PARALLEL - 5, "WrongCode": 5}
    assert (await verify(api, challenges[-1], code_now()))["__typename"] == "RateLimited"


@pytest.mark.usefixtures("owner")
async def test_one_challenge_has_five_tries(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    settings(RATE_LIMITS="off")
    await turn_on(database, "ana@example.com")
    challenge, guess = await challenge_of(api, "ana@example.com"), wrong_code(SECRET)

    answers = await asyncio.gather(*(verify(api, challenge, guess) for _ in range(PARALLEL)))

    ended = ["sign in again" in answer["message"] for answer in answers]
    assert (ended.count(False), ended.count(True)) == (5, PARALLEL - 5)
    refused = "SELECT count(*) FROM audit_events WHERE action = 'second_factor.refused'"
    assert await database.fetchval(refused) == 5
    assert (await verify(api, challenge, code_now()))["__typename"] == "WrongCode"


async def test_responses_of_passkeys_have_five_tries_in_each_challenge(api: Api, owner: str) -> None:
    """They cannot be guessed, so wrong ones in other challenges do not shut the owner out."""
    ana, device = Person(api, "ana@example.com", owner), Device()
    await ana.add(device)
    asked = [await ana.login() for _ in range(PARALLEL // 10)]
    stranger = device.with_changes(key=Device().key)

    answers = await asyncio.gather(
        *(
            ana.verify(one, stranger.get(one["passkeyOptions"]))
            for one in (asked[number // 10] for number in range(PARALLEL))
        )
    )

    ended = ["sign in again" in answer["message"] for answer in answers]
    assert (ended.count(False), ended.count(True)) == (PARALLEL // 2, PARALLEL // 2)
    assert (await ana.sign_in(device))["__typename"] == "SignedIn"


@pytest.mark.usefixtures("owner")
async def test_passwords_from_fifty_networks_all_wait_over_the_limit(
    api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is counted before its password is checked, so sending them at once saves no wait."""
    from api.domain.accounts import password_guesses

    settings(RATE_LIMIT_ACCOUNT_PASSWORDS="10/hour")
    waits: list[float] = []

    class Sleeper:
        @staticmethod
        async def sleep(seconds: float) -> None:
            waits.append(seconds)

    monkeypatch.setattr(password_guesses, "asyncio", Sleeper)
    strangers = [api.at(f"198.51.100.{number}") for number in range(PARALLEL)]

    answers = await asyncio.gather(*(one.login("ana@example.com", "wrong") for one in strangers))

    assert kinds(answers) == {"WrongCredentials": PARALLEL}
    assert sorted(waits) == [0.5 * number for number in range(1, 10)] + [5.0] * (PARALLEL - 19)
    assert (await api.at(HOME).login("ana@example.com", PASSWORD))["__typename"] == "SignedIn"
