"""Signing in."""

import asyncio
from typing import Any

import asyncpg
import bcrypt
import pytest

from tests.support import LOGIN, PASSWORD, Api, issue_key, registration

pytestmark = pytest.mark.anyio


async def test_the_owner_signs_in_with_any_spelling_of_the_address(
    api: Api, database: asyncpg.Connection
) -> None:
    await api.register(registration(await issue_key(database), email="ana@example.com"))

    answer = await api.login(" ANA@Example.COM ")

    assert answer["__typename"] == "SignedIn"
    assert (await api.viewer(answer["accessToken"]))["email"] == "ana@example.com"


@pytest.mark.parametrize("email", ["nobody@example.com", "ana@example.com", "", "a\x00b", "x" * 10_000])
async def test_an_unknown_address_and_a_wrong_password_get_the_same_error(
    api: Api, database: asyncpg.Connection, email: str
) -> None:
    """The response does not reveal whether an account exists."""
    await api.register(registration(await issue_key(database), email="ana@example.com"))

    answer = await api.login(email, "Wr0ng!password")

    assert answer == {
        "__typename": "WrongCredentials",
        "code": "WRONG_CREDENTIALS",
        "message": "The email address or the password is incorrect.",
    }


@pytest.mark.usefixtures("real_hashes")
async def test_an_unknown_address_costs_a_hash_too(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response time must not reveal whether an account exists."""
    from api.domain.accounts import passwords

    verified: list[str] = []
    original = passwords._HASHES.verify

    def verify(password: str, stored: str) -> bool:
        verified.append(stored)
        return original(password, stored)

    monkeypatch.setattr(passwords._HASHES, "verify", verify)

    await api.login("nobody@example.com")

    assert [stored.split("$")[1:4] for stored in verified] == [["argon2id", "v=19", "m=19456,t=2,p=1"]]


async def test_an_inactive_user_gets_the_same_error(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    token = (await api.register(form))["accessToken"]
    await database.execute('UPDATE users SET "isActive" = false')

    assert (await api.login(form["email"]))["__typename"] == "WrongCredentials"
    assert await api.viewer(token) is None


async def test_staff_of_a_suspended_business_read_the_reason(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    token = (await api.register(form))["accessToken"]
    await database.execute(
        """UPDATE tenants SET "isActive" = false, "suspendedAt" = now(), "suspendedReason" = 'unpaid'"""
    )

    answer = await api.login(form["email"])

    assert (answer["__typename"], answer["reason"]) == ("TenantSuspended", "unpaid")
    assert (await api.login(form["email"], "Wr0ng!password"))["__typename"] == "WrongCredentials"
    assert await api.viewer(token) is None


@pytest.mark.parametrize("password", [PASSWORD, "Ñ1!" + "x" * 100], ids=["short", "longer than bcrypt reads"])
async def test_a_password_of_the_old_system_is_verified_and_rehashed(
    api: Api, database: asyncpg.Connection, password: str
) -> None:
    old = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    await database.execute(
        """INSERT INTO users (email, password, "firstName", "lastName", role)
        VALUES ('Root@Example.com', $1, 'Root', 'Operator', 'SUPER_ADMIN')""",
        old,
    )

    wrong = await api.login("root@example.com", "Wr0ng!password")
    first = await api.login("root@example.com", password)
    rehashed = await database.fetchval("SELECT password LIKE '$argon2id$%' FROM users")
    second = await api.login("root@example.com", password)

    assert wrong["__typename"] == "WrongCredentials"
    assert (first["__typename"], second["__typename"]) == ("SignedIn", "SignedIn")
    assert first["user"] == {"email": "Root@Example.com", "tenant": None}
    assert rehashed


@pytest.mark.parametrize("typed", ["ana@xn--exmple-cua.com", "ana@\uff45xample.com", "e\u0301na@example.com"])
async def test_the_owner_signs_in_with_the_address_as_it_was_registered(
    api: Api, database: asyncpg.Connection, typed: str
) -> None:
    """Registration stores an address in its normal form."""
    await api.register(registration(await issue_key(database), email=typed))

    assert (await api.login(typed))["__typename"] == "SignedIn"


@pytest.mark.parametrize("stored", ["", "$2b$garbage", "$argon2id$garbage"])
async def test_a_row_without_a_valid_hash_admits_no_password(
    api: Api, database: asyncpg.Connection, stored: str
) -> None:
    form = registration(await issue_key(database))
    await api.register(form)
    await database.execute("UPDATE users SET password = $1", stored)

    assert (await api.login(form["email"]))["__typename"] == "WrongCredentials"


async def test_signing_in_records_an_event(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    await api.register(form)

    await api.data(LOGIN, i={"email": form["email"], "password": PASSWORD})

    actions = await database.fetch("SELECT action FROM audit_events ORDER BY at, action")
    assert [row["action"] for row in actions] == ["beta_key.used", "tenant.registered", "session.opened"]


@pytest.mark.parametrize("stored", ["argon2id", "bcrypt"])
async def test_an_unknown_address_a_wrong_password_and_an_inactive_user_cost_one_hash_each(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, stored: str
) -> None:
    """So their response times are equal: the hash takes most of the time."""
    from api.domain.accounts import passwords

    form = registration(await issue_key(database))
    await api.register(form)
    if stored == "bcrypt":
        old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        await database.execute("UPDATE users SET password = $1", old)
    await api.login("nobody@example.com")
    hashes: list[str] = []
    original = passwords.run_in_turn

    async def run_in_turn(work: Any) -> Any:
        hashes.append(work.func.__name__)
        return await original(work)

    monkeypatch.setattr(passwords, "run_in_turn", run_in_turn)
    costs = []
    for email, password in (
        (form["email"], "wrong"),
        ("nobody@example.com", PASSWORD),
        (form["email"], PASSWORD),
    ):
        if password == PASSWORD:
            await database.execute('UPDATE users SET "isActive" = false')
        assert (await api.login(email, password))["__typename"] == "WrongCredentials"
        costs.append(len(hashes))
        hashes.clear()

    assert costs == [1, 1, 1]


async def test_concurrent_first_sign_ins_with_an_old_password_all_succeed(
    api: Api, database: asyncpg.Connection
) -> None:
    """Each finds the outdated hash, and only one can replace it first."""
    form = registration(await issue_key(database))
    await api.register(form)
    old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    await database.execute("UPDATE users SET password = $1", old)

    answers = await asyncio.gather(*(api.login(form["email"]) for _ in range(8)))

    assert [answer["__typename"] for answer in answers] == ["SignedIn"] * 8
    assert await database.fetchval("SELECT password LIKE '$argon2id$%' FROM users")
