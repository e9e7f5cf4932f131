"""Operators change and revoke beta keys."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.domain.beta_keys.keys import REVOKE, UPDATE, events, issue_one, soon
from tests.support import Api, issue_key, registration

pytestmark = pytest.mark.anyio


# Changing


async def test_given_fields_are_changed_and_null_clears(
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


async def test_an_expired_key_is_available_again_with_a_later_expiry(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    """Even if its expiry was recorded already."""
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


async def test_a_revoked_key_is_still_listed_and_admits_no_business(
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


async def test_a_reason_that_cannot_be_stored_is_an_invalid_field(api: Api, operator: str) -> None:
    key = await issue_one(api, operator)

    answer = await api.post(REVOKE, operator, id=key["id"], reason="x" * 501)

    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INVALID_ARGUMENT"
    assert "reason" in error["message"]


async def test_of_a_concurrent_revocation_and_registration_one_succeeds(
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
async def test_an_unknown_id_is_not_found(api: Api, operator: str, document: str) -> None:
    for unknown in (str(uuid4()), "\x00"):
        variables = {"input": {}} if document is UPDATE else {}
        (answer,) = (await api.data(document, operator, None, id=unknown, **variables)).values()
        assert answer["__typename"] == "NotFound"
