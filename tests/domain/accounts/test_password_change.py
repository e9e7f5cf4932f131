"""A signed-in user changes the password."""

import asyncio
from typing import Any

import asyncpg
import bcrypt
import pytest

from api.domain.accounts.passwords import PasswordCheck
from tests.support import PASSWORD, SESSIONS, Api, hire, issue_key, registration

pytestmark = pytest.mark.anyio


CHANGE = """
mutation($i: ChangePasswordInput!) { changePassword(input: $i) { __typename ... on Done { message }
  ... on Error { code message } ... on InvalidInput { fields { field code } } } }
"""

NEW = "N3w!password"


async def change(api: Api, token: str, current: str, new: str = NEW, language: str | None = None) -> Any:
    given = {"currentPassword": current, "newPassword": new}
    return (await api.data(CHANGE, token, language, i=given))["changePassword"]


async def test_a_password_change_ends_every_other_session(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    others = [(await api.register(form))["accessToken"], (await api.login(form["email"]))["accessToken"]]
    here = (await api.login(form["email"]))["accessToken"]
    bystander = await api.register(registration(await issue_key(database)))

    answer = await change(api, here, PASSWORD)

    assert answer["__typename"] == "Done"
    assert [await api.viewer(token) for token in others] == [None, None]
    assert await api.viewer(here) is not None
    assert await api.viewer(bystander["accessToken"]) is not None
    assert (await api.login(form["email"]))["__typename"] == "WrongCredentials"
    assert (await api.login(form["email"], NEW))["__typename"] == "SignedIn"
    events = await database.fetch("SELECT * FROM audit_events WHERE action = 'password.changed'")
    assert len(events) == 1
    assert NEW not in str(dict(events[0]))
    assert "argon2" not in str(dict(events[0]))
    mails = await database.fetch("SELECT recipient FROM mails WHERE template = 'password_changed'")
    assert [mail["recipient"] for mail in mails] == [form["email"]]


async def test_a_wrong_current_password_is_refused(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    token = (await api.register(form))["accessToken"]
    other = (await api.login(form["email"]))["accessToken"]

    answer = await change(api, token, "Wr0ng!password")
    spanish = await change(api, token, "Wr0ng!password", language="es")

    assert (answer["__typename"], answer["message"]) == (
        "WrongCredentials",
        "The current password is incorrect.",
    )
    assert spanish["message"] == "La contraseña actual no es correcta."
    assert await api.viewer(other) is not None
    assert (await api.login(form["email"]))["__typename"] == "SignedIn"


async def test_the_new_password_follows_the_rules(api: Api, database: asyncpg.Connection) -> None:
    token = (await api.register(registration(await issue_key(database))))["accessToken"]

    answer = await change(api, token, PASSWORD, "weak")

    assert answer["fields"] == [{"field": "newPassword", "code": "TOO_SHORT"}]


async def test_an_operator_changes_the_password_too(api: Api, database: asyncpg.Connection) -> None:
    old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    operator = await hire(database, None, "SUPER_ADMIN", password=old)

    assert (await change(api, operator.token, PASSWORD))["__typename"] == "Done"
    assert (await api.login(operator.email, NEW))["__typename"] == "SignedIn"


async def test_of_two_concurrent_changes_one_succeeds(api: Api, database: asyncpg.Connection) -> None:
    """The first change ends the session of the second."""
    form = registration(await issue_key(database))
    tokens = [(await api.register(form))["accessToken"], (await api.login(form["email"]))["accessToken"]]

    answers = await asyncio.gather(*(change(api, token, PASSWORD) for token in tokens))

    assert sorted(answer["__typename"] for answer in answers) == ["Done", "WrongCredentials"]
    winner = [answer["__typename"] for answer in answers].index("Done")
    assert await api.viewer(tokens[winner]) is not None
    assert await api.viewer(tokens[1 - winner]) is None


async def test_no_session_opened_with_the_old_password_outlives_the_change(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password changes after a sign-in has verified it and before it opens the session."""
    from api.domain.accounts import password_guesses

    form = registration(await issue_key(database))
    here = (await api.register(form))["accessToken"]
    verified, changed = asyncio.Event(), asyncio.Event()
    original = password_guesses.check_password

    async def verify(password: str, stored: str | None) -> PasswordCheck:
        outcome = await original(password, stored)
        if not verified.is_set():
            verified.set()
            await changed.wait()
        return outcome

    monkeypatch.setattr(password_guesses, "check_password", verify)
    signing_in = asyncio.create_task(api.login(form["email"]))
    await verified.wait()
    assert (await change(api, here, PASSWORD))["__typename"] == "Done"
    changed.set()

    assert (await signing_in)["__typename"] == "WrongCredentials"
    assert len((await api.data(SESSIONS, here))["sessions"]) == 1
