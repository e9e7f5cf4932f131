"""Users whom an adopted database had before it had tenants: a registration makes them owners."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.domain.accounts.codes import verified
from tests.support import PASSWORD, Api, Settings, hire, issue_key, one_row, registration

pytestmark = pytest.mark.anyio

OLD_PASSWORD = "OldP@ssw0rd"

# Of OLD_PASSWORD, at the lowest cost of bcrypt.
HASH = "$2b$04$SmiONGVQGCCu8KyDBrNZmO0btpmV2PuZsXWiBKFby.CswhoGYwK5u"


async def early_user(database: asyncpg.Connection, **columns: Any) -> Any:
    """A user without a tenant, who has not signed in for years."""
    values = {"email": "Eva@Example.com", "password": HASH, **columns}
    await hire(database, None, values.pop("role", "CASHIER"), **values)
    return await one_row(database, "SELECT * FROM users")


def form(key: str, **changes: Any) -> dict[str, Any]:
    return registration(key, email="eva@example.com", **{"password": OLD_PASSWORD, **changes})


async def test_an_early_user_registers_and_owns_the_tenant(api: Api, database: asyncpg.Connection) -> None:
    """The account stays the same; the password gets a hash of today, and the form may be repeated."""
    early = await early_user(database)
    request = form(await issue_key(database), firstName="Eva", phoneNumber="300 123 4567")

    answer = await api.register(request)
    again = await api.register(request)

    assert (answer["__typename"], again["__typename"]) == ("Registration", "Registration"), (answer, again)
    assert answer["user"] == {
        "id": str(early["id"]),
        "email": "Eva@Example.com",
        "role": "ADMIN",
        "isOwner": True,
    }
    assert (await api.viewer(answer["accessToken"]))["tenant"] == answer["tenant"] == again["tenant"]
    user = await one_row(database, "SELECT * FROM users")
    assert (user["firstName"], user["phoneNumber"]) == ("Eva", "+573001234567")
    assert user["password"].startswith("$argon2id$")
    assert (await api.login("eva@example.com", OLD_PASSWORD))["__typename"] == "SignedIn"
    actions = [
        row["action"] for row in await database.fetch("SELECT action FROM audit_events ORDER BY at, id")
    ]
    assert actions.count("user.attached") == actions.count("tenant.registered") == 1


async def test_the_address_may_have_to_be_verified(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    """As it is typed: the stored spelling differs."""
    await early_user(database)
    request = form(await issue_key(database))
    token = await verified(api, database, "eva@example.com")
    settings(REQUIRE_VERIFIED_EMAIL="true")

    refused = await api.register(request)
    answer = await api.register({**request, "emailVerificationToken": token})

    assert (refused["__typename"], answer["__typename"]) == ("WrongCode", "Registration")
    assert answer["user"]["email"] == "Eva@Example.com"


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a wrong password": ({}, {"password": PASSWORD}),
    "an inactive user": ({"isActive": False}, {}),
    "an operator": ({"role": "SUPER_ADMIN"}, {}),
    "no hash": ({"password": "x"}, {}),
}


@pytest.mark.parametrize(("columns", "changes"), REFUSED.values(), ids=REFUSED)
async def test_others_are_refused_as_if_the_email_were_taken(
    api: Api, database: asyncpg.Connection, columns: dict[str, Any], changes: dict[str, Any]
) -> None:
    """With the same answer as for staff of a tenant; nothing is stored, and the key stays unused."""
    await early_user(database, **columns)
    before = await database.fetch("SELECT * FROM users")
    key = await issue_key(database)
    other = await api.register(registration(await issue_key(database)))

    answer = await api.register(form(key, **changes))

    taken = await api.register(registration(key, email=other["user"]["email"]))
    assert answer == taken
    assert answer["__typename"] == "EmailTaken"
    assert (await database.fetch("SELECT * FROM users WHERE id = $1", before[0]["id"])) == before
    assert (await api.validate(key))["valid"]
    assert await database.fetchval("SELECT count(*) FROM tenants") == 1


async def test_passwords_cannot_be_guessed(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    """Wrong ones count with those at sign-in; a key that is not valid tells nothing, and hashes nothing."""
    settings(RATE_LIMITS="on", RATE_LIMIT_WRONG_PASSWORDS="2/minute", RATE_LIMIT_REGISTER="100/minute")
    await early_user(database)
    key = await issue_key(database)

    assert (await api.register(form("BETA-AAAAA-22222")))["__typename"] == "BetaKeyRejected"
    guesses = [(await api.register(form(key, password=PASSWORD)))["__typename"] for _ in range(2)]
    limited = await api.register(form(key))

    assert guesses == ["EmailTaken", "EmailTaken"]
    assert limited["__typename"] == "RateLimited"
    assert (await api.login("eva@example.com", OLD_PASSWORD))["__typename"] == "RateLimited"


async def test_of_attempts_at_the_same_time_one_succeeds(api: Api, database: asyncpg.Connection) -> None:
    """With the same key and form all get the same tenant; with other keys the email is taken."""
    await early_user(database)
    request = form(await issue_key(database))
    others = [form(await issue_key(database)) for _ in range(4)]

    answers = await asyncio.gather(*(api.register(one) for one in [request, request, request, *others]))

    tenants = {answer["tenant"]["id"] for answer in answers if answer["__typename"] == "Registration"}
    assert len(tenants) == 1
    refused = [answer["__typename"] for answer in answers if answer["__typename"] != "Registration"]
    assert set(refused) == {"EmailTaken"}
    assert await database.fetchval("SELECT count(*) FROM tenants") == 1
    assert await database.fetchval('SELECT count(*) FROM beta_keys WHERE "isUsed"') == 1
