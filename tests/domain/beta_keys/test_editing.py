"""What operators do with beta keys over GraphQL: issue, change, revoke."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from api.domain.beta_keys import issue as issue_module
from tests.support import Api, hire, issue_key, registration

pytestmark = pytest.mark.anyio

KEY = """
id key status notes batch recipientEmail expiresAt sentAt usedAt usedBy { businessName }
revokedAt revokedReason createdAt
"""
ISSUE = f"""
mutation($input: IssueBetaKeysInput!) {{ issueBetaKeys(input: $input) {{ __typename
  ... on IssuedBetaKeys {{ keys {{ {KEY} }} }} ... on InvalidInput {{ fields {{ field code }} }} }} }}
"""
UPDATE = f"""
mutation($id: ID!, $input: UpdateBetaKeyInput!) {{ updateBetaKey(id: $id, input: $input) {{ __typename
  ... on BetaKey {{ {KEY} }} ... on InvalidInput {{ fields {{ field code }} }} }} }}
"""
REVOKE = f"""
mutation($id: ID!, $reason: String) {{ revokeBetaKey(id: $id, reason: $reason) {{ __typename
  ... on BetaKey {{ {KEY} }} }} }}
"""
FIND = f"query($id: ID!) {{ betaKey(id: $id) {{ {KEY} }} }}"


@pytest.fixture
async def operator(database: asyncpg.Connection) -> str:
    return (await hire(database, None, "SUPER_ADMIN")).token


async def issue(api: Api, operator: str, **fields: Any) -> Any:
    return (await api.data(ISSUE, operator, input=fields))["issueBetaKeys"]


async def issue_one(api: Api, operator: str, **fields: Any) -> Any:
    (key,) = (await issue(api, operator, **fields))["keys"]
    return key


async def events(database: asyncpg.Connection, action: str) -> list[Any]:
    rows = await database.fetch(
        """SELECT "actorEmail", "subjectId"::text, detail FROM audit_events WHERE action = $1 ORDER BY at""",
        action,
    )
    return [(row["actorEmail"], row["subjectId"], orjson.loads(row["detail"])) for row in rows]


def soon(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat()


# Issuing


async def test_an_issued_key_is_as_it_was_asked_for_and_admits_a_business(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    key = await issue_one(
        api, operator, notes="Feria", batch="launch", expiresAt=soon(days=3), recipientEmail="Ana@Example.com"
    )

    assert (key["status"], key["notes"], key["batch"]) == ("AVAILABLE", "Feria", "launch")
    assert key["recipientEmail"] == "Ana@example.com"
    assert (await api.data(FIND, operator, id=key["id"]))["betaKey"] == key
    ((actor, subject, detail),) = await events(database, "beta_key.issued")
    assert actor is not None
    assert subject == key["id"]
    assert (detail["count"], detail["batch"]) == (1, "launch")
    assert key["key"] not in str(detail)
    registered = await api.register(registration(key["key"], email="ANA@example.com"))
    assert registered["__typename"] == "Registration"
    found = (await api.data(FIND, operator, id=key["id"]))["betaKey"]
    assert (found["status"], found["usedBy"]["businessName"]) == (
        "USED",
        registered["tenant"]["businessName"],
    )


async def test_ten_thousand_are_issued_at_once(api: Api, operator: str, database: asyncpg.Connection) -> None:
    issued = await issue(api, operator, count=10_000, batch="launch")

    assert len({key["key"] for key in issued["keys"]}) == 10_000
    assert (
        await database.fetchval("SELECT count(DISTINCT key) FROM beta_keys WHERE batch = 'launch'") == 10_000
    )
    ((_, subject, detail),) = await events(database, "beta_key.issued")
    assert (subject, detail["count"]) == (None, 10_000)


async def test_all_that_is_wrong_is_told_at_once(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    refused = await issue(
        api,
        operator,
        count=10_001,
        notes="x" * 501,
        batch="\x00",
        expiresAt=soon(days=-1),
        recipientEmail="ana",
    )

    assert {field["field"]: field["code"] for field in refused["fields"]} == {
        "count": "TOO_LARGE",
        "notes": "TOO_LONG",
        "batch": "INVALID_CHARACTERS",
        "expiresAt": "IN_THE_PAST",
        "recipientEmail": "INVALID_EMAIL",
    }
    assert await database.fetchval("SELECT count(*) FROM beta_keys") == 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"count": 0}, "TOO_SMALL"), ({"count": 2, "recipientEmail": "a@b.co"}, "ONE_KEY_EACH")],
)
async def test_a_wrong_count_is_refused(api: Api, operator: str, fields: dict[str, Any], code: str) -> None:
    (problem,) = (await issue(api, operator, **fields))["fields"]

    assert problem["code"] == code


async def test_a_key_that_is_there_already_is_drawn_again(
    api: Api, operator: str, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none of those that were drawn with it is lost."""
    await issue_key(database, key="BETA-22222-22222")
    draws = iter([["BETA-33333-33333", "BETA-22222-22222"], ["BETA-44444-44444", "BETA-55555-55555"]])
    monkeypatch.setattr(issue_module, "generate_keys", lambda _count: next(draws))

    issued = await issue(api, operator, count=2)

    assert [key["key"] for key in issued["keys"]] == ["BETA-44444-44444", "BETA-55555-55555"]
    assert await database.fetchval("SELECT count(*) FROM beta_keys") == 3


async def test_a_recipients_key_admits_nobody_else(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    """It validates, as nobody can tell there who asks; registering with it does not use it up."""
    key = await issue_one(api, operator, recipientEmail="ana@example.com")

    assert (await api.validate(key["key"]))["valid"]
    refused = await api.register(registration(key["key"], email="eva@example.com"))

    assert (refused["__typename"], refused["reason"]) == ("BetaKeyRejected", "OTHER_RECIPIENT")
    by_rest = await api.http.post(
        "/api/auth/register", json=registration(key["key"], email="eva@example.com")
    )
    assert (by_rest.status_code, by_rest.json()["code"]) == (400, "BETA_KEY_REJECTED")
    assert await database.fetchval("SELECT count(*) FROM tenants") == 0
    assert (await api.data(FIND, operator, id=key["id"]))["betaKey"]["status"] == "AVAILABLE"
    theirs = await api.register(registration(key["key"], email="ANA@Example.com"))
    assert theirs["__typename"] == "Registration"


async def test_a_key_that_becomes_somebodys_meanwhile_admits_nobody_else(
    api: Api, database: asyncpg.Connection
) -> None:
    """A registration looks its key up long before it uses it, as a password is hashed in between."""
    key = await issue_key(database)
    async with database.transaction():
        await database.execute("UPDATE beta_keys SET \"recipientEmail\" = 'ana@example.com'")
        registering = asyncio.create_task(api.register(registration(key, email="eva@example.com")))
        while not registering.done() and not await database.fetchval(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"
        ):
            await asyncio.sleep(0.01)

    assert (await registering)["reason"] == "OTHER_RECIPIENT"
    assert await database.fetchval("SELECT count(*) FROM tenants") == 0


# Changing


async def test_what_is_given_is_changed_and_null_clears(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    key = await issue_one(api, operator, notes="one", expiresAt=soon(days=1))

    async def update(**fields: Any) -> Any:
        return (await api.data(UPDATE, operator, id=key["id"], input=fields))["updateBetaKey"]

    assert (await update(notes="two"))["expiresAt"] == key["expiresAt"]
    cleared = await update(expiresAt=None)
    assert (cleared["notes"], cleared["expiresAt"]) == ("two", None)
    assert (await update())["notes"] == "two"
    past = await update(notes="x" * 501, expiresAt=soon(seconds=-1))
    assert [(field["field"], field["code"]) for field in past["fields"]] == [
        ("notes", "TOO_LONG"),
        ("expiresAt", "IN_THE_PAST"),
    ]
    changes = [detail["changes"] for _, _, detail in await events(database, "beta_key.updated")]
    assert changes[0] == {"notes": ["one", "two"]}
    assert [set(change) for change in changes] == [{"notes"}, {"expiresAt"}]


async def test_an_expired_key_lives_on_with_another_expiry(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    """Even if its end has been noticed already."""
    past = await database.fetchval("SELECT now() - interval '1 day'")
    key = await issue_key(database, expiresAt=past, expiredAt=past)
    key_id = await database.fetchval("SELECT id::text FROM beta_keys")

    changed = (await api.data(UPDATE, operator, id=key_id, input={"expiresAt": soon(days=1)}))[
        "updateBetaKey"
    ]

    assert changed["status"] == "AVAILABLE"
    assert (await api.validate(key))["valid"]
    available = "{ betaKeys(filter: {status: AVAILABLE}) { edges { node { key } } } }"
    listed = await api.data(available, operator)
    assert listed["betaKeys"]["edges"] == [{"node": {"key": key}}]


# Revoking


async def test_a_revoked_key_stays_on_record_and_admits_nobody(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    key = await issue_one(api, operator)

    revoked = (await api.data(REVOKE, operator, id=key["id"], reason="leaked"))["revokeBetaKey"]

    assert (revoked["status"], revoked["revokedReason"]) == ("REVOKED", "leaked")
    assert (await api.validate(key["key"]))["reason"] == "REVOKED"
    again = (await api.data(REVOKE, operator, id=key["id"]))["revokeBetaKey"]
    assert again["__typename"] == "Conflict"
    assert [detail for _, _, detail in await events(database, "beta_key.revoked")] == [{"reason": "leaked"}]


async def test_a_used_key_cannot_be_revoked(api: Api, operator: str) -> None:
    key = await issue_one(api, operator)
    await api.register(registration(key["key"]))

    answer = await api.data(REVOKE, operator, id=key["id"])

    assert answer["revokeBetaKey"]["__typename"] == "Conflict"


async def test_a_reason_that_cannot_be_stored_is_told_by_its_name(api: Api, operator: str) -> None:
    key = await issue_one(api, operator)

    answer = await api.post(REVOKE, operator, id=key["id"], reason="x" * 501)

    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INVALID_ARGUMENT"
    assert "reason" in error["message"]


async def test_of_revoking_and_registering_at_once_one_wins(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    outcomes = []
    for _ in range(8):
        key = await issue_one(api, operator)
        registered, revoked = await asyncio.gather(
            api.register(registration(key["key"])), api.data(REVOKE, operator, id=key["id"])
        )
        outcomes.append((registered["__typename"], revoked["revokeBetaKey"]["__typename"]))

    assert set(outcomes) <= {("Registration", "Conflict"), ("BetaKeyRejected", "BetaKey")}


@pytest.mark.parametrize("document", [UPDATE, REVOKE])
async def test_an_id_that_nothing_has_is_not_found(api: Api, operator: str, document: str) -> None:
    for unknown in (str(uuid4()), "\x00"):
        variables = {"input": {}} if document is UPDATE else {}
        (answer,) = (await api.data(document, operator, None, id=unknown, **variables)).values()
        assert answer["__typename"] == "NotFound"
