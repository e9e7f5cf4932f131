"""Listings of keys over REST."""

from typing import Any

import asyncpg
import pytest

from api.rest import listing
from tests.support import Api, issue_key, registration

pytestmark = pytest.mark.anyio

ISSUE = """
INSERT INTO beta_keys (key, "createdAt") SELECT 'KEY-' || n, now() - n * interval '1 second'
  FROM generate_series(1, $1) n
"""


async def test_a_listing_has_all_keys_the_newest_first(
    api: Api, database: asyncpg.Connection, operator: str
) -> None:
    count = 2 * listing.PAGE + 1
    await database.execute(ISSUE, count)

    response = await api.http.get("/api/beta-keys", headers={"authorization": f"Bearer {operator}"})

    assert [key["key"] for key in response.json()] == [f"KEY-{number}" for number in range(1, count + 1)]


async def test_a_listing_ends_at_its_maximum(
    api: Api, database: asyncpg.Connection, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_ROWS", 2 * listing.PAGE)
    await database.execute(ISSUE, 3 * listing.PAGE)

    response = await api.http.get("/api/beta-keys", headers={"authorization": f"Bearer {operator}"})

    assert len(response.json()) == 2 * listing.PAGE


async def test_revoked_keys_are_neither_listed_nor_counted(
    api: Api, database: asyncpg.Connection, operator: str
) -> None:
    available = await issue_key(database)
    expired = await issue_key(database, expiresAt=await database.fetchval("SELECT now() - interval '1 day'"))
    await issue_key(database, revokedAt=await database.fetchval("SELECT now()"))
    headers = {"authorization": f"Bearer {operator}"}

    keys = (await api.http.get("/api/beta-keys", headers=headers)).json()
    stats = (await api.http.get("/api/beta-keys/stats", headers=headers)).json()

    assert {key["key"]: key["status"] for key in keys} == {available: "AVAILABLE", expired: "EXPIRED"}
    assert stats == {"total": 2, "used": 0, "available": 1, "expired": 1, "usagePercentage": 0.0}


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
@pytest.mark.parametrize("key_id", ["x", "00000000-0000-0000-0000-000000000000", "%00"])
async def test_an_unknown_key_is_not_found(api: Api, operator: str, method: str, key_id: str) -> None:
    response = await api.http.request(
        method,
        f"/api/beta-keys/{key_id}",
        json={"notes": "x"},
        headers={"authorization": f"Bearer {operator}"},
    )

    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("count", [None, "3", 2.5, True, 0, 10_001])
async def test_the_number_of_new_keys_is_checked(api: Api, operator: str, count: object) -> None:
    response = await api.http.post(
        "/api/beta-keys/bulk", json={"count": count}, headers={"authorization": f"Bearer {operator}"}
    )

    (problem,) = response.json()["fields"]
    assert (response.status_code, problem["field"]) == (400, "count")
    assert problem["code"] in ("REQUIRED", "NOT_NUMBER", "TOO_SMALL", "TOO_LARGE")
    assert response.json()["message"] == [f"Number of keys: {problem['message']}"]


async def test_notes_are_checked_and_may_be_cleared(
    api: Api, database: asyncpg.Connection, operator: str
) -> None:
    await issue_key(database, notes="Ana")
    key_id = await database.fetchval("SELECT id FROM beta_keys")
    headers = {"authorization": f"Bearer {operator}"}

    for notes, status, stored in (
        ("x" * 501, 400, "Ana"),
        (7, 400, "Ana"),
        ("Eva", 200, "Eva"),
        (None, 200, None),
    ):
        response = await api.http.patch(
            f"/api/beta-keys/{key_id}/notes", json={"notes": notes}, headers=headers
        )
        assert response.status_code == status, notes
        assert await database.fetchval("SELECT notes FROM beta_keys") == stored


async def test_an_address_with_an_account_is_sent_a_key_only_if_the_operator_insists(
    api: Api, database: asyncpg.Connection, operator: str
) -> None:
    """`evenIfRegistered` is true, and nothing that resembles it."""
    await api.register(registration(await issue_key(database), email="eva@example.com"))
    await database.execute("DELETE FROM mails")
    await issue_key(database)
    key_id = await database.fetchval('SELECT id FROM beta_keys WHERE NOT "isUsed"')

    async def send(**options: object) -> tuple[int, Any, Any]:
        response = await api.http.post(
            f"/api/beta-keys/{key_id}/send-invitation",
            json={"email": "Eva@example.com", **options},
            headers={"authorization": f"Bearer {operator}"},
        )
        mails = await database.fetchval("SELECT count(*) FROM mails")
        return response.status_code, response.json().get("code"), mails

    for refused in ({}, {"evenIfRegistered": False}, {"evenIfRegistered": "true"}, {"evenIfRegistered": 1}):
        assert await send(**refused) == (409, "EMAIL_TAKEN", 0), refused
    assert await send(evenIfRegistered=True) == (200, None, 1)
