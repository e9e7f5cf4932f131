"""Guessing passwords is slow, and a stranger who does it cannot lock the owner out."""

import asyncio
import time
from typing import Any

import asyncpg
import httpx
import pytest

from api.domain.accounts import password_guesses
from tests.domain.accounts.codes import NEW_PASSWORD, code_for_reset, other_than, reset
from tests.domain.accounts.test_password_change import change
from tests.domain.conftest import Clock
from tests.support import LOGIN, PASSWORD, Api, GatehouseProcess, Settings, issue_key, registration

pytestmark = pytest.mark.anyio

HOME = "203.0.113.77"
STRANGER = "198.51.100.9"


@pytest.fixture(autouse=True)
def _counting(settings: Settings, clock: Clock) -> None:
    settings(RATE_LIMITS="on", RATE_LIMIT_LOGIN="1000/minute")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of tries, which take no time in these tests."""
    waits: list[float] = []

    class Sleeper:
        @staticmethod
        async def sleep(seconds: float) -> None:
            waits.append(seconds)

    monkeypatch.setattr(password_guesses, "asyncio", Sleeper)
    return waits


@pytest.fixture
async def owner(api: Api, database: asyncpg.Connection) -> dict[str, Any]:
    """A user who registered at HOME, with one session."""
    form = registration(await issue_key(database), email="ana@example.com")
    return {**form, "token": (await api.at(HOME).register(form))["accessToken"]}


async def kinds(api: Api, email: str, password: str, times: int = 1) -> list[str]:
    return [(await api.login(email, password))["__typename"] for _ in range(times)]


# Each network for itself


async def test_five_wrong_passwords_shut_the_account_for_their_network_only(
    api: Api, owner: dict[str, Any], clock: Clock
) -> None:
    """In any spelling of the address."""
    stranger = api.at(STRANGER)
    ana, full_width = owner["email"], "ａna@example.com"
    for email in (ana, ana.upper(), f"  {ana} ", "Ana@Example.COM", full_width):
        assert await kinds(stranger, email, "wrong") == ["WrongCredentials"]

    assert await kinds(stranger, owner["email"], PASSWORD) == ["RateLimited"]
    assert await kinds(api.at(HOME), owner["email"], PASSWORD) == ["SignedIn"]
    assert await kinds(api.at("192.0.2.1"), owner["email"], PASSWORD) == ["SignedIn"]
    clock.now += 15 * 60
    assert await kinds(stranger, owner["email"], PASSWORD) == ["SignedIn"]


async def test_a_site_of_ipv6_has_ten_times_the_tries_of_one_network(
    api: Api, owner: dict[str, Any], settings: Settings
) -> None:
    """A provider gives a customer 65,536 networks, and each was counted for itself."""
    settings(RATE_LIMIT_WRONG_PASSWORDS="2/15 minutes")

    answers = [
        kind
        for network in range(15)
        for kind in await kinds(api.at(f"2001:db8:7:{network:x}::1"), owner["email"], "wrong", 3)
    ]

    assert answers.count("WrongCredentials") == 20
    assert await kinds(api.at("2001:db8:8::1"), owner["email"], "wrong") == ["WrongCredentials"]


async def test_concurrent_wrong_passwords_of_a_network_get_no_more_answers_than_the_limit(
    api: Api, owner: dict[str, Any]
) -> None:
    stranger = api.at(STRANGER)

    answers = await asyncio.gather(*(stranger.login(owner["email"], "wrong") for _ in range(50)))

    assert [answer["__typename"] for answer in answers].count("WrongCredentials") == 5


async def test_the_right_password_is_not_counted_as_a_guess(api: Api, owner: dict[str, Any]) -> None:
    home = api.at(HOME)

    assert await kinds(home, owner["email"], PASSWORD, 6) == ["SignedIn"] * 6
    assert await kinds(home, owner["email"], "wrong", 4) == ["WrongCredentials"] * 4
    assert await kinds(home, owner["email"], PASSWORD) == ["SignedIn"]
    assert await kinds(home, owner["email"], "wrong") == ["WrongCredentials"]
    assert await kinds(home, owner["email"], PASSWORD) == ["RateLimited"]


async def test_a_repeated_registration_with_a_wrong_password_counts_as_a_guess(
    api: Api, owner: dict[str, Any]
) -> None:
    form = {name: value for name, value in owner.items() if name != "token"}
    for _ in range(5):
        answer = await api.register(form | {"password": "Wr0ng!secret"})
        assert answer["__typename"] == "BetaKeyRejected"

    assert (await api.register(form))["__typename"] == "RateLimited"
    assert await kinds(api, owner["email"], PASSWORD) == ["RateLimited"]
    assert await kinds(api.at(HOME), owner["email"], PASSWORD) == ["SignedIn"]


async def test_a_new_password_starts_without_wrong_tries(
    api: Api, database: asyncpg.Connection, owner: dict[str, Any], waits: list[float], settings: Settings
) -> None:
    """Those of a stranger, and those of the owner in each network, were about the old one."""
    settings(RATE_LIMIT_ACCOUNT_PASSWORDS="5/hour")
    mobile, stranger = api.at("192.0.2.1"), api.at(STRANGER)
    for network in (mobile, stranger):
        assert await kinds(network, owner["email"], "wrong", 6) == ["WrongCredentials"] * 5 + ["RateLimited"]
    assert waits

    code = await code_for_reset(mobile, database, owner["email"])
    assert (await reset(mobile, owner["email"], code))["__typename"] == "Done"
    waits.clear()

    assert await kinds(mobile, owner["email"], NEW_PASSWORD) == ["SignedIn"]
    assert await kinds(stranger, owner["email"], "wrong") == ["WrongCredentials"]
    assert waits == []


# All networks together


async def test_tries_wait_longer_with_each_over_the_limit_of_the_account(
    api: Api, owner: dict[str, Any], waits: list[float], settings: Settings, clock: Clock
) -> None:
    settings(RATE_LIMIT_ACCOUNT_PASSWORDS="10/hour")

    for number in range(25):
        assert await kinds(api.at(f"198.51.100.{number}"), owner["email"], "wrong") == ["WrongCredentials"]

    assert waits == [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5, 5, 5, 5, 5]
    clock.now += 3600
    waits.clear()
    await kinds(api.at(STRANGER), owner["email"], "wrong")
    assert waits == []


async def test_the_owner_waits_on_a_new_network_only(
    api: Api, owner: dict[str, Any], waits: list[float], settings: Settings
) -> None:
    """A neighbour in the same /24 has the known network too, and hears no sooner that a guess is wrong."""
    settings(RATE_LIMIT_ACCOUNT_PASSWORDS="10/hour")
    for number in range(30):
        await kinds(api.at(f"198.51.100.{number}"), owner["email"], "wrong")
    waits.clear()

    assert await kinds(api.at(HOME), owner["email"], PASSWORD) == ["SignedIn"]
    assert waits == []
    assert await kinds(api.at("192.0.2.1"), owner["email"], PASSWORD) == ["SignedIn"]
    assert waits == [5]
    assert await kinds(api.at("192.0.2.1"), owner["email"], PASSWORD) == ["SignedIn"]
    assert waits == [5]
    assert await kinds(api.at("203.0.113.1"), owner["email"], "wrong") == ["WrongCredentials"]
    assert waits == [5, 5]


@pytest.mark.parametrize("known", [False, True], ids=["elsewhere", "where the account signs in"])
async def test_an_unknown_address_is_refused_and_waits_like_a_known_one(
    api: Api, owner: dict[str, Any], waits: list[float], settings: Settings, known: bool
) -> None:
    settings(RATE_LIMIT_ACCOUNT_PASSWORDS="2/hour")
    network = api.at(HOME if known else STRANGER)
    seen: list[tuple[list[str], list[float]]] = []
    for email in (owner["email"], "nobody@example.com"):
        waits.clear()
        seen.append((await kinds(network, email, "wrong", 7), list(waits)))

    assert seen[0] == seen[1] == (["WrongCredentials"] * 5 + ["RateLimited"] * 2, [2.5, 5, 5])


# A session


async def test_wrong_current_passwords_count_for_their_session_alone(
    api: Api, owner: dict[str, Any], clock: Clock
) -> None:
    """A stranger spends none of them, and the thief of a session spends none of the sign-in's."""
    thief, home = api.at(STRANGER), api.at(HOME)
    assert await kinds(thief, owner["email"], "wrong", 6) == ["WrongCredentials"] * 5 + ["RateLimited"]
    stolen = (await home.login(owner["email"]))["accessToken"]

    answers = await asyncio.gather(*(change(thief, stolen, "wrong", "0ther!Secret") for _ in range(9)))

    found = [answer["__typename"] for answer in answers]
    assert (found.count("WrongCredentials"), found.count("RateLimited")) == (5, 4)
    assert (await change(thief, stolen, PASSWORD, "0ther!Secret"))["__typename"] == "RateLimited"
    assert await kinds(home, owner["email"], PASSWORD) == ["SignedIn"]
    assert (await change(home, owner["token"], PASSWORD, "0ther!Secret"))["__typename"] == "Done"


# Codes


async def test_a_stranger_uses_up_no_tries_of_the_owners_code(
    api: Api, database: asyncpg.Connection, owner: dict[str, Any]
) -> None:
    """Also with codes of the stranger's own, and with wrong codes from everywhere."""
    home = api.at(HOME)
    code = await code_for_reset(home, database, owner["email"])
    await code_for_reset(api.at(STRANGER), database, owner["email"])
    for number in range(12):
        wrong = await reset(api.at(f"198.51.100.{number}"), owner["email"], other_than(code))
        assert wrong["__typename"] == "WrongCode"

    assert (await reset(home, owner["email"], code))["__typename"] == "Done"


async def test_wrong_codes_are_limited_for_a_mailbox_and_a_day_over_all_codes(
    api: Api, database: asyncpg.Connection, owner: dict[str, Any], settings: Settings
) -> None:
    """An unknown address is refused in the same way; the owner at home is not."""
    settings(RATE_LIMIT_WRONG_CODES="6/day")
    for email in (owner["email"], "nobody@example.com"):
        found = [
            (await reset(api.at(f"198.51.100.{number}"), email, "12345678"))["__typename"]
            for number in range(8)
        ]
        assert found == ["WrongCode"] * 6 + ["RateLimited"] * 2

    code = await code_for_reset(api.at(HOME), database, owner["email"])
    assert (await reset(api.at(STRANGER), owner["email"], code))["__typename"] == "RateLimited"
    assert (await reset(api.at(HOME), owner["email"], code))["__typename"] == "Done"
    # The reset forgets the wrong codes.
    assert (await reset(api.at(STRANGER), owner["email"], code))["__typename"] == "WrongCode"


# Side by side


@pytest.mark.slow
async def test_an_attack_from_many_networks_makes_the_owner_wait_seconds_at_most(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """The waiting tries hold nothing that other people need."""
    gatehouse.environment |= {
        "RATE_LIMITS": "on",
        "RATE_LIMIT_ACCOUNT_PASSWORDS": "10/hour",
        "TRUSTED_PROXIES": "127.0.0.1",
        "DB_POOL_SIZE": "2",
    }
    gatehouse.start()
    async with httpx.AsyncClient(base_url=gatehouse.url, timeout=30, limits=httpx.Limits()) as http:

        async def sign_in(address: str, email: str, password: str) -> tuple[str, float]:
            started = time.monotonic()
            body = {"query": LOGIN, "variables": {"i": {"email": email, "password": password}}}
            answer = await http.post("/graphql", json=body, headers={"x-forwarded-for": address})
            return answer.json()["data"]["login"]["__typename"], time.monotonic() - started

        for email in ("ana@example.com", "eva@example.com"):
            form = registration(await issue_key(database), email=email)
            registered = await http.post("/api/auth/register", json=form, headers={"x-forwarded-for": HOME})
            assert registered.status_code == 201
        attack = [
            asyncio.create_task(sign_in(f"198.51.{n % 4}.{n}", "ana@example.com", "wrong"))
            for n in range(120)
        ]
        await asyncio.sleep(1)

        moving = asyncio.create_task(sign_in("192.0.2.1", "ana@example.com", PASSWORD))
        home = await sign_in(HOME, "ana@example.com", PASSWORD)
        other = await sign_in("192.0.2.2", "eva@example.com", PASSWORD)
        still_waiting = sum(not task.done() for task in attack)
        moved = await moving
        attacked = await asyncio.gather(*attack)

    assert (home[0], other[0], moved[0]) == ("SignedIn", "SignedIn", "SignedIn")
    # They are answered while the attack still waits, at most MAX_WAIT for each try.
    assert still_waiting > 100
    assert moved[1] < password_guesses.MAX_WAIT + 4 + 20 * other[1], (moved, other)
    assert {kind for kind, _ in attacked} == {"WrongCredentials"}
    assert sum(seconds > 4.5 for _, seconds in attacked) > 90
