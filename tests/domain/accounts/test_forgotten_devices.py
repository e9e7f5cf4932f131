"""The devices of a thief are forgotten with the sessions: they neither wait less nor sign in unnoticed."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from api.domain.mails import Template
from tests.domain.accounts.codes import REQUEST_RESET, mailed, reset
from tests.domain.accounts.test_account_mails import CHROME, ELSEWHERE, FIREFOX, HOME, mails, sign_in
from tests.support import PASSWORD, Api, hire, issue_key, registration

pytestmark = pytest.mark.anyio

EMAIL = "ana@example.com"
CHANGED = "Zanja-92!maleta"

CHANGE = """mutation($i: ChangePasswordInput!) {
  changePassword(input: $i) { __typename } }"""


@pytest.fixture
async def ana(api: Api, database: asyncpg.Connection) -> str:
    """The token of an owner at HOME; a thief has signed in from ELSEWHERE."""
    home = api.at(HOME)
    home.http.headers["user-agent"] = FIREFOX
    token = (await home.register(registration(await issue_key(database), email=EMAIL)))["accessToken"]
    assert await sign_in(api, address=ELSEWHERE, agent=CHROME) == "SignedIn"
    return token


async def change(api: Api, token: str, _: asyncpg.Connection) -> str:
    # From another network than that of the sign-in: the session's own device is that of its sign-in.
    answer = await api.at("192.0.2.7").data(
        CHANGE, token, i={"currentPassword": PASSWORD, "newPassword": CHANGED}
    )
    assert answer["changePassword"]["__typename"] == "Done"
    return CHANGED


async def reset_by_code(api: Api, _: str, database: asyncpg.Connection) -> str:
    await api.data(REQUEST_RESET, e=EMAIL)
    (mail,) = await mailed(database, "password_reset_code")
    assert (await reset(api, EMAIL, mail["code"], CHANGED))["__typename"] == "Done"
    return CHANGED


async def sign_out_everywhere(api: Api, token: str, _: asyncpg.Connection) -> str:
    await api.data("mutation { signOutEverywhere { __typename } }", token)
    return PASSWORD


End = Callable[[Api, str, asyncpg.Connection], Awaitable[str]]


async def known(database: asyncpg.Connection) -> list[str]:
    rows = await database.fetch('SELECT network FROM known_devices WHERE "forgottenAt" IS NULL')
    return [row["network"] for row in rows]


@pytest.mark.parametrize(
    ("end", "left"),
    [(change, ["203.0.113.0/24"]), (reset_by_code, []), (sign_out_everywhere, [])],
    ids=["changePassword", "resetPassword", "signOutEverywhere"],
)
async def test_other_devices_are_forgotten_and_mailed_when_they_come_back(
    api: Api, database: asyncpg.Connection, ana: str, end: End, left: list[str]
) -> None:
    assert len(await mails(database, Template.NEW_DEVICE)) == 1

    password = await end(api, ana, database)

    assert await known(database) == left
    for _ in range(2):
        assert await sign_in(api, address=ELSEWHERE, agent=CHROME, password=password) == "SignedIn"
        assert len(await mails(database, Template.NEW_DEVICE)) == 2
    assert await sign_in(api, address=HOME, agent=FIREFOX, password=password) == "SignedIn"
    assert len(await mails(database, Template.NEW_DEVICE)) == (2 if left else 3)


async def test_a_reset_by_another_operator_forgets_the_devices(
    api: Api, database: asyncpg.Connection
) -> None:
    one, two = [await hire(database, None, "SUPER_ADMIN") for _ in range(2)]
    await database.execute(
        "INSERT INTO known_devices (\"userId\", network, agent) VALUES ($1, 'x', '')", two.id
    )

    await api.data("mutation($i: ID!) { resetOperatorPassword(id: $i) { __typename } }", one.token, i=two.id)

    assert await known(database) == []
