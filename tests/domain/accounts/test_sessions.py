"""Signing in, being signed in, and signing out."""

import asyncio
from datetime import datetime
from typing import Any

import asyncpg
import bcrypt
import pytest

from api.domain.viewer import token_digest
from tests.support import LOGIN, PASSWORD, Api, hire, issue_key, registration

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
        "message": "The email address or the password is incorrect.",
    }


async def test_an_unknown_address_costs_a_hash_too(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time an answer takes must not tell whether an address is known."""
    from api.domain.accounts import passwords

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

    actions = await database.fetch("SELECT action FROM audit_events ORDER BY at, action")
    assert [row["action"] for row in actions] == ["beta_key.used", "tenant.registered", "session.opened"]


@pytest.mark.parametrize("stored", ["argon2id", "bcrypt"])
async def test_an_unknown_address_a_wrong_password_and_an_inactive_user_cost_one_hash_each(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, stored: str
) -> None:
    """So they take alike: what takes time is the hash."""
    from api.domain.accounts import passwords

    form = registration(await issue_key(database))
    await api.register(form)
    if stored == "bcrypt":
        old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        await database.execute("UPDATE users SET password = $1", old)
    await api.login("nobody@example.com")
    hashes: list[str] = []
    original = passwords._off_the_loop

    async def off_the_loop(work: Any, *arguments: Any) -> Any:
        hashes.append(work.__name__)
        return await original(work, *arguments)

    monkeypatch.setattr(passwords, "_off_the_loop", off_the_loop)
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


async def test_first_sign_ins_with_an_old_password_at_once_all_succeed(
    api: Api, database: asyncpg.Connection
) -> None:
    """Each finds the hash outdated, and only one can be the first to replace it."""
    form = registration(await issue_key(database))
    await api.register(form)
    old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    await database.execute("UPDATE users SET password = $1", old)

    answers = await asyncio.gather(*(api.login(form["email"]) for _ in range(8)))

    assert [answer["__typename"] for answer in answers] == ["SignedIn"] * 8
    assert await database.fetchval("SELECT password LIKE '$argon2id$%' FROM users")


# Devices

SESSIONS = "{ sessions { id createdAt lastSeenAt expiresAt userAgent ipAddress isCurrent } }"

REVOKE = """
mutation($id: ID!) { revokeSession(id: $id) { __typename ... on Done { message } ... on Error { code } } }
"""


async def test_a_user_sees_the_devices_that_are_signed_in(api: Api, database: asyncpg.Connection) -> None:
    """This one first, then the one that was seen last; those that have ended are not shown."""
    form = registration(await issue_key(database))
    phone = (await api.register(form))["accessToken"]
    laptop, signed_out, expired = [(await api.login(form["email"]))["accessToken"] for _ in range(3)]
    await api.data("mutation { logout { message } }", signed_out)
    await database.execute(
        """UPDATE sessions SET "expiresAt" = now() - interval '1 second' WHERE "tokenDigest" = $1""",
        token_digest(expired),
    )
    await database.execute(
        """UPDATE sessions SET "userAgent" = 'Phone', "lastSeenAt" = now() - interval '30 s'
            WHERE "tokenDigest" = $1""",
        token_digest(phone),
    )
    await hire(database, None, "SUPER_ADMIN")

    seen = (await api.data(SESSIONS, phone))["sessions"]
    from_laptop = (await api.data(SESSIONS, laptop))["sessions"]

    assert [(session["userAgent"], session["isCurrent"]) for session in seen] == [
        ("Phone", True),
        (seen[1]["userAgent"], False),
    ]
    assert [session["id"] for session in from_laptop] == [session["id"] for session in reversed(seen)]
    assert seen[0]["createdAt"] < seen[0]["expiresAt"]


async def test_the_expiry_that_is_answered_is_the_stored_one(api: Api, database: asyncpg.Connection) -> None:
    answer = await api.register(registration(await issue_key(database)))

    stored = await database.fetchval('SELECT "expiresAt" FROM sessions')
    assert datetime.fromisoformat(answer["expiresAt"]) == stored


async def test_a_lost_device_is_signed_out_from_another(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    lost = (await api.register(form))["accessToken"]
    here = (await api.login(form["email"]))["accessToken"]
    (mine, theirs) = (await api.data(SESSIONS, here))["sessions"]

    told = (await api.data(REVOKE, here, "es", id=theirs["id"]))["revokeSession"]
    again = (await api.data(REVOKE, here, id=theirs["id"]))["revokeSession"]

    assert told == {"__typename": "Done", "message": "Se cerró la sesión en ese dispositivo."}
    assert again == {"__typename": "NotFound", "code": "NOT_FOUND"}
    assert await api.viewer(lost) is None
    assert [session["id"] for session in (await api.data(SESSIONS, here))["sessions"]] == [mine["id"]]
    revoked = await database.fetch(
        """SELECT "subjectId"::text FROM audit_events WHERE action = 'session.revoked'"""
    )
    assert [row["subjectId"] for row in revoked] == [theirs["id"]]


async def test_the_device_that_asks_can_be_signed_out_too(api: Api, database: asyncpg.Connection) -> None:
    operator = await hire(database, None, "SUPER_ADMIN")
    (session,) = (await api.data(SESSIONS, operator.token))["sessions"]

    assert (await api.data(REVOKE, operator.token, id=session["id"]))["revokeSession"]["__typename"] == "Done"
    assert await api.viewer(operator.token) is None


@pytest.mark.parametrize(
    "document",
    [
        SESSIONS,
        'mutation { revokeSession(id: "x") { __typename } }',
        'mutation { changePassword(input: {currentPassword: "x", newPassword: "x"}) { __typename } }',
    ],
)
async def test_devices_and_passwords_are_somebodys(api: Api, document: str) -> None:
    (error,) = (await api.post(document))["errors"]

    assert error["extensions"] == {"code": "UNAUTHENTICATED"}


# The password

CHANGE = """
mutation($i: ChangePasswordInput!) { changePassword(input: $i) { __typename ... on Done { message }
  ... on Error { code message } ... on InvalidInput { fields { field code } } } }
"""
NEW = "N3w!password"


async def change(api: Api, token: str, current: str, new: str = NEW, language: str | None = None) -> Any:
    given = {"currentPassword": current, "newPassword": new}
    return (await api.data(CHANGE, token, language, i=given))["changePassword"]


async def test_another_password_ends_every_other_session(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    others = [(await api.register(form))["accessToken"], (await api.login(form["email"]))["accessToken"]]
    here = (await api.login(form["email"]))["accessToken"]
    bystander = await api.register(registration(await issue_key(database)))

    told = await change(api, here, PASSWORD)

    assert told["__typename"] == "Done"
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


async def test_the_current_password_has_to_be_right(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    token = (await api.register(form))["accessToken"]
    other = (await api.login(form["email"]))["accessToken"]

    told = await change(api, token, "Wr0ng!password")
    spanish = await change(api, token, "Wr0ng!password", language="es")

    assert (told["__typename"], told["message"]) == ("WrongCredentials", "The current password is incorrect.")
    assert spanish["message"] == "La contraseña actual no es correcta."
    assert await api.viewer(other) is not None
    assert (await api.login(form["email"]))["__typename"] == "SignedIn"


async def test_the_new_password_follows_the_rules(api: Api, database: asyncpg.Connection) -> None:
    token = (await api.register(registration(await issue_key(database))))["accessToken"]

    told = await change(api, token, PASSWORD, "weak")

    assert told["fields"] == [{"field": "newPassword", "code": "TOO_SHORT"}]


async def test_an_operator_changes_the_password_too(api: Api, database: asyncpg.Connection) -> None:
    old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    operator = await hire(database, None, "SUPER_ADMIN", password=old)

    assert (await change(api, operator.token, PASSWORD))["__typename"] == "Done"
    assert (await api.login(operator.email, NEW))["__typename"] == "SignedIn"


async def test_of_two_changes_at_once_one_is_made(api: Api, database: asyncpg.Connection) -> None:
    """The session of the other one has ended with it."""
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
    """Somebody signs in; their password is verified, and before the session is opened it changes."""
    from api.domain.accounts import sign_in

    form = registration(await issue_key(database))
    here = (await api.register(form))["accessToken"]
    verified, changed = asyncio.Event(), asyncio.Event()
    original = sign_in.verify_password

    async def verify(password: str, stored: str | None) -> bool:
        outcome = await original(password, stored)
        if not verified.is_set():
            verified.set()
            await changed.wait()
        return outcome

    monkeypatch.setattr(sign_in, "verify_password", verify)
    signing_in = asyncio.create_task(api.login(form["email"]))
    await verified.wait()
    assert (await change(api, here, PASSWORD))["__typename"] == "Done"
    changed.set()

    assert (await signing_in)["__typename"] == "WrongCredentials"
    assert len((await api.data(SESSIONS, here))["sessions"]) == 1
