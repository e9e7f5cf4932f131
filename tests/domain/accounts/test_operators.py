"""Operators who leave: their access ends at the next request, and one operator always remains."""

import asyncio
import re
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api.domain.accounts import operator_access
from api.domain.actors import SYSTEM_ACTOR
from api.domain.errors import NotFound
from tests.cli.commands import failure, printed
from tests.domain.accounts.codes import mailed, reset
from tests.support import PASSWORD, Api, Person, hire, one_row, until_waiting

pytestmark = pytest.mark.anyio


async def act(api: Api, operator: Person, name: str, subject_id: str) -> Any:
    """The result of a mutation on an operator."""
    document = f"mutation($id: ID!) {{ {name}(id: $id) {{ __typename ... on Error {{ code message }} }} }}"
    return (await api.data(document, operator.token, id=subject_id))[name]


async def actions(database: asyncpg.Connection) -> list[tuple[str, str]]:
    rows = await database.fetch(
        """SELECT action, detail->>'email' AS email FROM audit_events
            WHERE action LIKE 'operator.%' ORDER BY at"""
    )
    return [(row["action"].removeprefix("operator."), row["email"]) for row in rows]


async def test_access_ends_at_the_next_request_and_is_given_back(
    api: Api, database: asyncpg.Connection
) -> None:
    one, two = [await hire(database, None, "SUPER_ADMIN") for _ in range(2)]

    assert (await act(api, one, "deactivateOperator", two.id))["__typename"] == "User"
    assert await api.viewer(two.token) is None
    assert (await act(api, one, "deactivateOperator", two.id))["code"] == "CONFLICT"
    assert (await act(api, one, "resetOperatorPassword", two.id))["code"] == "CONFLICT"
    assert (await act(api, one, "reactivateOperator", two.id))["__typename"] == "User"
    assert (await act(api, one, "reactivateOperator", two.id))["code"] == "CONFLICT"
    assert await api.viewer(two.token) is None, "sessions of before stay ended"
    assert (await act(api, one, "removeOperator", two.id))["__typename"] == "Done"
    assert (await act(api, one, "removeOperator", two.id))["code"] == "NOT_FOUND"
    listed = (await api.data("{ operators { email isActive } }", one.token))["operators"]
    assert listed == [{"email": one.email, "isActive": True}]
    assert await actions(database) == [
        (action, two.email) for action in ("deactivated", "reactivated", "removed")
    ]


async def test_a_reset_mails_a_code_and_ends_the_sessions(api: Api, database: asyncpg.Connection) -> None:
    one = await hire(database, None, "SUPER_ADMIN")
    printed("operators", "add", "two@example.com", "--password-stdin", typed=f"{PASSWORD}\n")
    token = (await api.login("two@example.com"))["accessToken"]
    user = await one_row(database, "SELECT id::text FROM users WHERE email = 'two@example.com'")

    assert (await act(api, one, "resetOperatorPassword", user["id"]))["__typename"] == "Accepted"

    assert await api.viewer(token) is None
    assert (await api.login("two@example.com"))["__typename"] == "WrongCredentials"
    (mail,) = await mailed(database, "password_reset_code")
    assert (await reset(api, mail["recipient"], mail["code"]))["__typename"] == "Done"
    assert ("password_reset", "two@example.com") in await actions(database)


async def test_operators_do_none_of_it_to_themselves_or_to_others_than_operators(
    api: Api, database: asyncpg.Connection
) -> None:
    one = await hire(database, None, "SUPER_ADMIN")
    early = await hire(database, None, "CASHIER")
    last = await act(api, one, "removeOperator", one.id)
    assert (last["code"], "last active operator" in last["message"]) == ("CONFLICT", True)
    await hire(database, None, "SUPER_ADMIN")

    for name in ("removeOperator", "deactivateOperator", "reactivateOperator", "resetOperatorPassword"):
        own = await act(api, one, name, one.id)
        assert (own["code"], "your own account" in own["message"]) == ("CONFLICT", True)
        assert (await act(api, one, name, early.id))["code"] == "NOT_FOUND"
        assert (await act(api, one, name, "no id"))["code"] == "NOT_FOUND"
    assert await database.fetchval("SELECT count(*) FROM users") == 3


@pytest.mark.parametrize("name", ["removeOperator", "deactivateOperator"])
async def test_of_operators_who_end_each_others_access_one_remains(
    api: Api, database: asyncpg.Connection, name: str
) -> None:
    one, two = [await hire(database, None, "SUPER_ADMIN") for _ in range(2)]
    document = f"mutation($id: ID!) {{ {name}(id: $id) {{ __typename }} }}"

    async with database.transaction():
        await database.execute("SELECT FROM users FOR UPDATE")
        both = [
            asyncio.create_task(api.post(document, actor.token, id=subject.id))
            for actor, subject in ((one, two), (two, one))
        ]
        await until_waiting(database, 2)
    answers = await asyncio.gather(*both)

    refused = [answer["errors"][0]["extensions"]["code"] for answer in answers if "errors" in answer]
    assert refused == ["UNAUTHENTICATED"]
    assert await database.fetchval('SELECT count(*) FROM users WHERE "isActive"') == 1
    assert len(await actions(database)) == 1


async def test_no_password_is_hashed_for_an_account_that_is_no_operator(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await hire(database, None, "SUPER_ADMIN")
    early = await hire(database, None, "CASHIER")

    async def refuse(_: str) -> str:
        raise AssertionError("a password was hashed")

    monkeypatch.setattr(operator_access, "hash_password", refuse)

    assert (await act(api, one, "resetOperatorPassword", early.id))["code"] == "NOT_FOUND"
    with pytest.raises(NotFound):
        await operator_access.set_operator_password(SYSTEM_ACTOR, UUID(early.id), PASSWORD)


async def test_commands_do_the_same_without_an_account(api: Api, database: asyncpg.Connection) -> None:
    one = await hire(database, None, "SUPER_ADMIN", email="one@example.com")
    two = await hire(database, None, "SUPER_ADMIN", email="two@example.com")
    early = await hire(database, None, "CASHIER")

    assert printed("operators", "deactivate", "TWO@example.com") == "operator two@example.com deactivated\n"
    assert await api.viewer(two.token) is None
    assert "already inactive" in failure("operators", "deactivate", two.id)
    for words in (["deactivate"], ["remove", "--yes"]):
        assert "the last active one" in failure("operators", *words, "one@example.com")
    assert "not found" in failure("operators", "remove", early.email, "--yes")
    assert printed("operators", "reactivate", "two@example.com") == "operator two@example.com reactivated\n"
    assert "not deactivated" in failure("operators", "reactivate", "two@example.com")

    output = printed("operators", "reset-password", "one@example.com")
    (password,) = re.findall(r"^password: (\S+)$", output, re.MULTILINE)
    assert await api.viewer(one.token) is None
    assert (await api.login("one@example.com", password))["__typename"] == "SignedIn"
    weak = failure("operators", "reset-password", "one@example.com", "--password-stdin", typed="weak\n")
    assert weak.startswith("password: ")
    assert [mail["recipient"] for mail in await mailed(database, "password_changed")] == ["one@example.com"]

    assert printed("operators", "remove", "one@example.com", "--yes") == "operator one@example.com removed\n"
    assert [action for action, _ in await actions(database)] == [
        "deactivated", "reactivated", "password_reset", "removed"
    ]  # fmt: skip
    actors = await database.fetch(
        "SELECT DISTINCT \"actorId\" FROM audit_events WHERE action LIKE 'operator.%'"
    )
    assert [row["actorId"] for row in actors] == [None]
