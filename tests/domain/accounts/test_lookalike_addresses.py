"""An address that looks like that of an account makes no second account, wherever it is typed."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.cli.commands import failure
from tests.domain.accounts.codes import REQUEST_VERIFICATION
from tests.domain.tenants.invitations import invite
from tests.support import PASSWORD, Api, issue_key, registration

pytestmark = pytest.mark.anyio

ADDRESS = "coco.ana@example.com"

LOOKALIKES = (
    # One Cyrillic letter, the other ones, and all letters.
    "coco.an\u0430@example.com",
    "c\u043eco.ana@example.com",
    "\u0441\u043e\u0441\u043e.\u0430\u0441\u0430@example.com",
    "\u0441oco.ana@example.com",
    # Greek and Armenian ones, and of mathematics.
    "coc\u03bf.ana@example.com",
    "c\u0585co.ana@example.com",
    "\U0001d41coco.ana@example.com",
    # Letters that are invisible, and a domain.
    "coco\u3164.ana@example.com",
    "coco.ana@ex\u0430mple.com",
    "coco.ana@\u0435\u0445\u0430.com",
)

CREATE_STAFF = """
mutation($i: CreateStaffInput!) { createStaff(input: $i) { __typename
  ... on InvalidInput { fields { code } } } }
"""

CHANGE = """
mutation($e: String!) { requestEmailChange(email: $e) { __typename ... on InvalidInput { fields { code } } } }
"""


def codes_of(answer: dict[str, Any]) -> list[str]:
    assert answer["__typename"] == "InvalidInput", answer
    return [field["code"] for field in answer["fields"]]


@pytest.mark.parametrize("email", LOOKALIKES, ids=ascii)
async def test_no_door_makes_an_account_of_it(api: Api, database: asyncpg.Connection, email: str) -> None:
    """Registration, invitation, creation, a changed address, a code for verification, and the terminal."""
    owner = (await api.register(registration(await issue_key(database), email=ADDRESS)))["accessToken"]
    await database.execute('UPDATE tenants SET "maxCashiers" = 10')
    person = {"email": email, "firstName": "Eva", "lastName": "Sol", "role": "CASHIER", "password": PASSWORD}

    refused = [
        await api.register(registration(await issue_key(database), email=email)),
        (await api.data(CREATE_STAFF, owner, i=person))["createStaff"],
        await invite(api, owner, email=email),
        (await api.data(CHANGE, owner, e=email))["requestEmailChange"],
        (await api.data(REQUEST_VERIFICATION, e=email))["requestEmailVerification"],
    ]
    ended = await asyncio.to_thread(
        failure, "operators", "add", email, "--password-stdin", typed=f"{PASSWORD}\n"
    )

    for answer in refused:
        assert set(codes_of(answer)) <= {"AMBIGUOUS_EMAIL", "INVALID_EMAIL"}
    assert "email" in ended
    assert await database.fetchval("SELECT count(*) FROM users") == 1
    assert await database.fetchval("SELECT count(*) FROM staff_invitations") == 0
    # Nor does it sign in as the person whom it looks like.
    assert (await api.login(email))["__typename"] == "WrongCredentials"


@pytest.mark.parametrize(
    "email",
    [
        "\u0438\u0432\u0430\u043d@example.com",
        "\u03b1\u03b8\u03b7\u03bd\u03b1@example.com",
        "ni\u00f1o@example.com",
    ],
    ids=ascii,
)
async def test_an_address_in_another_script_is_accepted(
    api: Api, database: asyncpg.Connection, email: str
) -> None:
    """Its letters cannot be read as Latin ones."""
    answer = await api.register(registration(await issue_key(database), email=email))

    assert answer["__typename"] == "Registration"
    assert (await api.login(email))["__typename"] == "SignedIn"
