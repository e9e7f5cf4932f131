"""Signing in, being signed in, and signing out."""

import asyncpg
import bcrypt
import pytest

from tests.support import LOGIN, PASSWORD, Api, issue_key, registration

pytestmark = pytest.mark.anyio


async def test_the_owner_signs_in_however_the_address_is_typed(
    api: Api, database: asyncpg.Connection
) -> None:
    await api.register(registration(await issue_key(database), email="ana@example.com"))

    answer = await api.login(" ANA@Example.COM ")

    assert answer["__typename"] == "SignedIn"
    assert (await api.viewer(answer["accessToken"]))["email"] == "ana@example.com"


@pytest.mark.parametrize("email", ["nobody@example.com", "ana@example.com", "", "a\x00b", "x" * 10_000])
async def test_wrong_credentials_are_told_alike(api: Api, database: asyncpg.Connection, email: str) -> None:
    """Nobody learns from the answer whether an address is known."""
    await api.register(registration(await issue_key(database), email="ana@example.com"))

    answer = await api.login(email, "Wr0ng!password")

    assert answer == {
        "__typename": "WrongCredentials",
        "code": "WRONG_CREDENTIALS",
        "message": "The email or the password is wrong.",
    }


async def test_an_unknown_address_costs_a_hash_too(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time an answer takes must not tell whether an address is known."""
    from api.domain import passwords

    verified: list[str] = []
    original = passwords._HASHES.verify

    def verify(password: str, stored: str) -> bool:
        verified.append(stored)
        return original(password, stored)

    monkeypatch.setattr(passwords._HASHES, "verify", verify)

    await api.login("nobody@example.com")

    assert [stored.split("$")[1:4] for stored in verified] == [["argon2id", "v=19", "m=19456,t=2,p=1"]]


async def test_an_inactive_user_is_told_nothing_else(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    token = (await api.register(form))["accessToken"]
    await database.execute('UPDATE users SET "isActive" = false')

    assert (await api.login(form["email"]))["__typename"] == "WrongCredentials"
    assert await api.viewer(token) is None


async def test_staff_of_a_suspended_business_are_told_why(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    token = (await api.register(form))["accessToken"]
    await database.execute(
        """UPDATE tenants SET "isActive" = false, "suspendedAt" = now(), "suspendedReason" = 'unpaid'"""
    )

    answer = await api.login(form["email"])

    assert (answer["__typename"], answer["reason"]) == ("TenantSuspended", "unpaid")
    assert (await api.login(form["email"], "Wr0ng!password"))["__typename"] == "WrongCredentials"
    assert await api.viewer(token) is None


async def test_after_signing_out_the_token_is_nobodys(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    first = (await api.register(form))["accessToken"]
    second = (await api.login(form["email"]))["accessToken"]

    await api.data("mutation { logout { message } }", first)

    assert await api.viewer(first) is None
    assert (await api.viewer(second))["email"] == form["email"]


async def test_signing_out_needs_somebody_signed_in(api: Api) -> None:
    answer = await api.post("mutation { logout { message } }", language="es")

    (error,) = answer["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert error["message"] == "Primero inicie sesión."


async def test_a_session_ends_when_its_time_is_up(api: Api, database: asyncpg.Connection) -> None:
    token = (await api.register(registration(await issue_key(database))))["accessToken"]
    await database.execute("""UPDATE sessions SET "expiresAt" = now() - interval '1 second'""")

    assert await api.viewer(token) is None


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 10_000, "á" * 43, "a b", "Bearer x"])
async def test_a_token_nobody_was_given_is_nobodys(api: Api, token: str) -> None:
    headers = [(b"authorization", b"Bearer " + token.encode())]
    response = await api.http.post("/graphql", json={"query": "{ viewer { id } }"}, headers=headers)

    assert response.json() == {"data": {"viewer": None}}


async def test_a_device_is_last_seen_when_it_asks(api: Api, database: asyncpg.Connection) -> None:
    token = (await api.register(registration(await issue_key(database))))["accessToken"]
    await database.execute("""UPDATE sessions SET "lastSeenAt" = now() - interval '1 hour'""")

    await api.viewer(token)

    assert await database.fetchval("""SELECT "lastSeenAt" > now() - interval '1 minute' FROM sessions""")


@pytest.mark.parametrize("password", [PASSWORD, "Ñ1!" + "x" * 100], ids=["short", "longer than bcrypt reads"])
async def test_an_old_systems_password_is_verified_and_hashed_anew(
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
async def test_whoever_registers_signs_in_with_the_very_address_they_typed(
    api: Api, database: asyncpg.Connection, typed: str
) -> None:
    """Registration stores an address in its normal form."""
    await api.register(registration(await issue_key(database), email=typed))

    assert (await api.login(typed))["__typename"] == "SignedIn"


@pytest.mark.parametrize("stored", ["", "$2b$garbage", "$argon2id$garbage"])
async def test_a_row_without_a_proper_hash_lets_nobody_in(
    api: Api, database: asyncpg.Connection, stored: str
) -> None:
    form = registration(await issue_key(database))
    await api.register(form)
    await database.execute("UPDATE users SET password = $1", stored)

    assert (await api.login(form["email"]))["__typename"] == "WrongCredentials"


async def test_signing_out_twice_is_on_record_once(api: Api, database: asyncpg.Connection) -> None:
    token = (await api.register(registration(await issue_key(database))))["accessToken"]

    await api.data("mutation { a: logout { message } b: logout { message } }", token)

    closed = "SELECT count(*) FROM audit_events WHERE action = 'session.closed'"
    assert await database.fetchval(closed) == 1


async def test_several_fields_of_one_request_see_one_viewer(api: Api, database: asyncpg.Connection) -> None:
    """Query fields resolve concurrently, and one asyncpg connection cannot."""
    token = (await api.register(registration(await issue_key(database))))["accessToken"]

    answer = await api.data(
        '{ a: viewer { email } b: viewer { email } c: validateBetaKey(key: "x") { valid } }', token
    )

    assert answer["a"] == answer["b"]
    assert answer["c"] == {"valid": False}


async def test_signing_in_is_on_record(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    await api.register(form)

    await api.data(LOGIN, i={"email": form["email"], "password": PASSWORD})

    actions = await database.fetch("SELECT action FROM audit_events ORDER BY at")
    assert [row["action"] for row in actions] == ["tenant.registered", "session.opened"]
