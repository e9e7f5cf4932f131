"""The time of an answer does not reveal whether an address has an account."""

import statistics
import time
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from tests.domain.accounts.codes import REQUEST_RESET
from tests.domain.tenants.invitations import invite
from tests.support import Api, hire, issue_key, registration

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

TRIES = 60

MAX_RATIO = 1.5
"""Between the medians, on a machine that does other work too. Hashing for one class alone would make it more
than 5."""

Ask = Callable[[Api, str, str], Awaitable[str]]
"""Sends a request about an address with the token of an owner; returns the type of the answer."""


async def sign_in(api: Api, email: str, _token: str) -> str:
    return (await api.login(email, "Wr0ng!password"))["__typename"]


async def request_reset(api: Api, email: str, _token: str) -> str:
    return (await api.data(REQUEST_RESET, e=email))["requestPasswordReset"]["__typename"]


async def invite_staff(api: Api, email: str, token: str) -> str:
    return (await invite(api, token, email=email))["__typename"]


@pytest.mark.usefixtures("real_hashes")
@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (sign_in, "WrongCredentials"),
        (request_reset, "Accepted"),
        (invite_staff, "StaffInvitation"),
    ],
    ids=["login", "requestPasswordReset", "inviteStaff"],
)
async def test_known_and_unknown_addresses_take_the_same_time(
    api: Api, database: asyncpg.Connection, ask: Ask, kind: str
) -> None:
    """By the medians of 60 requests each, in turns, each with an address of its own."""
    owner = (await api.register(registration(await issue_key(database))))["accessToken"]
    elsewhere = (await api.register(registration(await issue_key(database))))["tenant"]["id"]
    stored = await database.fetchval("SELECT password FROM users LIMIT 1")
    await database.execute('UPDATE tenants SET "maxCashiers" = 1000')
    known = [(await hire(database, elsewhere, "CASHIER", password=stored)).email for _ in range(TRIES)]
    unknown = [f"unknown{number}@example.com" for number in range(TRIES)]
    times: dict[bool, list[float]] = {True: [], False: []}
    for email in (known[0], "warm@example.com"):
        await ask(api, email.replace("@", "+warm@"), owner)

    for number, pair in enumerate(zip(known, unknown, strict=True)):
        for email in pair if number % 2 else reversed(pair):
            started = time.perf_counter()
            answer = await ask(api, email, owner)
            times[email in known].append(time.perf_counter() - started)
            assert answer == kind

    medians = [statistics.median(found) for found in times.values()]
    assert max(medians) <= MAX_RATIO * min(medians), medians
