"""Operators issue keys."""

import asyncio
from typing import Any

import asyncpg
import pytest

from api.domain.beta_keys import issue as issue_module
from tests.domain.beta_keys.keys import FIND, events, issue, issue_one, soon
from tests.support import Api, issue_key, registration

pytestmark = pytest.mark.anyio


async def test_an_issued_key_has_the_requested_fields_and_admits_a_business(
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


async def test_ten_thousand_keys_are_issued_at_once(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    issued = await issue(api, operator, count=10_000, batch="launch")

    assert len({key["key"] for key in issued["keys"]}) == 10_000
    assert (
        await database.fetchval("SELECT count(DISTINCT key) FROM beta_keys WHERE batch = 'launch'") == 10_000
    )
    ((_, subject, detail),) = await events(database, "beta_key.issued")
    assert (subject, detail["count"]) == (None, 10_000)


async def test_all_invalid_fields_are_reported_at_once(
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


async def test_a_key_that_exists_is_generated_again(
    api: Api, operator: str, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And all other keys of the statement are issued."""
    await issue_key(database, key="BETA-22222-22222")
    draws = iter([["BETA-33333-33333", "BETA-22222-22222"], ["BETA-44444-44444", "BETA-55555-55555"]])
    monkeypatch.setattr(issue_module, "generate_keys", lambda _count: next(draws))

    issued = await issue(api, operator, count=2)

    assert [key["key"] for key in issued["keys"]] == ["BETA-44444-44444", "BETA-55555-55555"]
    assert await database.fetchval("SELECT count(*) FROM beta_keys") == 3


async def test_a_key_with_a_recipient_admits_no_other_address(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    """Validation accepts it, because it knows no address; a refused registration leaves it unused."""
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


async def test_a_key_that_gets_a_recipient_during_a_registration_admits_no_other_address(
    api: Api, database: asyncpg.Connection
) -> None:
    """A registration looks its key up long before it claims it, because it hashes the password in between."""
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
