"""Sessions: their ends, and the list of signed-in devices."""

from datetime import datetime

import asyncpg
import pytest

from api.domain.viewer import token_digest
from tests.support import SESSIONS, Api, hire, issue_key, registration

pytestmark = pytest.mark.anyio


async def test_a_token_is_invalid_after_sign_out(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    first = (await api.register(form))["accessToken"]
    second = (await api.login(form["email"]))["accessToken"]

    await api.data("mutation { logout { message } }", first)

    assert await api.viewer(first) is None
    assert (await api.viewer(second))["email"] == form["email"]


async def test_sign_out_requires_a_session(api: Api) -> None:
    answer = await api.post("mutation { logout { message } }", language="es")

    (error,) = answer["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert error["message"] == "Primero inicie sesión."


async def test_a_session_ends_when_it_expires(api: Api, database: asyncpg.Connection) -> None:
    token = (await api.register(registration(await issue_key(database))))["accessToken"]
    await database.execute("""UPDATE sessions SET "expiresAt" = now() - interval '1 second'""")

    assert await api.viewer(token) is None


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 10_000, "á" * 43, "a b", "Bearer x"])
async def test_an_unknown_token_has_no_viewer(api: Api, token: str) -> None:
    headers = [(b"authorization", b"Bearer " + token.encode())]
    response = await api.http.post("/graphql", json={"query": "{ viewer { id } }"}, headers=headers)

    assert response.json() == {"data": {"viewer": None}}


async def test_a_request_updates_last_seen_of_its_device(api: Api, database: asyncpg.Connection) -> None:
    token = (await api.register(registration(await issue_key(database))))["accessToken"]
    await database.execute("""UPDATE sessions SET "lastSeenAt" = now() - interval '1 hour'""")

    await api.viewer(token)

    assert await database.fetchval("""SELECT "lastSeenAt" > now() - interval '1 minute' FROM sessions""")


async def test_signing_out_twice_records_one_event(api: Api, database: asyncpg.Connection) -> None:
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


# Devices

REVOKE = """
mutation($id: ID!) { revokeSession(id: $id) { __typename ... on Done { message } ... on Error { code } } }
"""


async def test_a_user_sees_the_devices_that_are_signed_in(api: Api, database: asyncpg.Connection) -> None:
    """The current one first, then the most recently seen; ended sessions are not listed."""
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


async def test_the_response_has_the_stored_expiry(api: Api, database: asyncpg.Connection) -> None:
    answer = await api.register(registration(await issue_key(database)))

    stored = await database.fetchval('SELECT "expiresAt" FROM sessions')
    assert datetime.fromisoformat(answer["expiresAt"]) == stored


async def test_a_lost_device_is_signed_out_from_another(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    lost = (await api.register(form))["accessToken"]
    here = (await api.login(form["email"]))["accessToken"]
    (mine, theirs) = (await api.data(SESSIONS, here))["sessions"]

    answer = (await api.data(REVOKE, here, "es", id=theirs["id"]))["revokeSession"]
    again = (await api.data(REVOKE, here, id=theirs["id"]))["revokeSession"]

    assert answer == {"__typename": "Done", "message": "Se cerró la sesión en ese dispositivo."}
    assert again == {"__typename": "NotFound", "code": "NOT_FOUND"}
    assert await api.viewer(lost) is None
    assert [session["id"] for session in (await api.data(SESSIONS, here))["sessions"]] == [mine["id"]]
    revoked = await database.fetch(
        """SELECT "subjectId"::text FROM audit_events WHERE action = 'session.revoked'"""
    )
    assert [row["subjectId"] for row in revoked] == [theirs["id"]]


async def test_the_current_device_can_be_signed_out(api: Api, database: asyncpg.Connection) -> None:
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
async def test_devices_and_passwords_require_a_session(api: Api, document: str) -> None:
    (error,) = (await api.post(document))["errors"]

    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
