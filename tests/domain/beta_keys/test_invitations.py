"""Sending a beta key to its recipient."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from tests.support import Api, issue_key, one_row, registration

pytestmark = pytest.mark.anyio

SEND = """
mutation($id: ID!, $email: String!) { sendBetaKey(id: $id, email: $email) { __typename
  ... on BetaKey { key status recipientEmail sentAt } ... on InvalidInput { fields { field code } }
  ... on RateLimited { retryAfterSeconds } } }
"""


async def send(api: Api, operator: str, key_id: str, email: str, language: str = "en") -> Any:
    return (await api.data(SEND, operator, language, id=key_id, email=email))["sendBetaKey"]


async def make_key(database: asyncpg.Connection, **columns: Any) -> str:
    """Returns its id."""
    key = await issue_key(database, **columns)
    return (await one_row(database, f"SELECT id::text FROM beta_keys WHERE key = '{key}'"))["id"]


async def count_mails(database: asyncpg.Connection) -> int:
    return (await one_row(database, "SELECT count(*) FROM mails"))["count"]


async def test_a_sent_key_is_mailed_recorded_and_admits_only_that_address(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    key_id = await make_key(database)

    sent = await send(api, operator, key_id, "Ana@Example.com", "es")

    assert (sent["recipientEmail"], sent["status"]) == ("Ana@example.com", "AVAILABLE")
    assert sent["sentAt"] is not None
    mail = await one_row(database, "SELECT * FROM mails")
    assert (mail["template"], mail["recipient"], mail["language"]) == (
        "beta_key_invitation",
        "Ana@example.com",
        "es",
    )
    assert orjson.loads(mail["values"]) == {"key": sent["key"], "expiresAt": None, "link": None}
    event = await one_row(database, "SELECT * FROM audit_events WHERE action = 'beta_key.sent'")
    assert str(event["subjectId"]) == key_id
    assert event["actorEmail"] is not None
    assert sent["key"] not in event["detail"]
    refused = await api.register(registration(sent["key"], email="eva@example.com"))
    assert refused["reason"] == "OTHER_RECIPIENT"


async def test_the_link_leads_to_register_url(
    api: Api, operator: str, database: asyncpg.Connection, settings: Any
) -> None:
    """A key of the old system may contain any character. A mail is not sent once its key has expired."""
    settings(REGISTER_URL="https://shop.example.com/register?from=mail")
    tomorrow = (await one_row(database, "SELECT now() + interval '1 day' AS at"))["at"]
    key_id = await make_key(database, key="a&b c", expiresAt=tomorrow)

    await send(api, operator, key_id, "ana@example.com")

    mail = await one_row(database, "SELECT * FROM mails")
    values = orjson.loads(mail["values"])
    assert values["link"] == "https://shop.example.com/register?from=mail&key=a%26b%20c"
    assert datetime.fromisoformat(values["expiresAt"]) == tomorrow
    assert mail["expiresAt"] == tomorrow


async def test_a_key_is_sent_again_after_a_pause(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    key_id = await make_key(database)
    await send(api, operator, key_id, "ana@example.com")

    again = await send(api, operator, key_id, "ANA@example.com")
    await database.execute("UPDATE beta_keys SET \"sentAt\" = now() - interval '5 minutes'")
    later = await send(api, operator, key_id, "ANA@example.com")

    assert again["__typename"] == "RateLimited"
    assert 290 < again["retryAfterSeconds"] <= 301
    assert later["__typename"] == "BetaKey"
    assert await count_mails(database) == 2


async def test_a_key_that_is_unavailable_or_has_another_recipient_is_not_sent(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    past = (await one_row(database, "SELECT now() - interval '1 day' AS at"))["at"]
    for columns in (
        {"isUsed": True},
        {"revokedAt": past},
        {"expiresAt": past},
        {"recipientEmail": "eva@example.com"},
    ):
        key_id = await make_key(database, **columns)
        assert (await send(api, operator, key_id, "ana@example.com"))["__typename"] == "Conflict"

    assert await count_mails(database) == 0


async def test_an_invalid_address_is_reported(api: Api, operator: str, database: asyncpg.Connection) -> None:
    (problem,) = (await send(api, operator, await make_key(database), "ana"))["fields"]

    assert (problem["field"], problem["code"]) == ("email", "INVALID_EMAIL")
    assert (await send(api, operator, str(uuid4()), "ana@example.com"))["__typename"] == "NotFound"


async def test_at_most_two_hundred_invitations_are_sent_in_an_hour(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    """Also of concurrent requests; those of the hour before do not count."""
    insert = """
INSERT INTO audit_events (action, at) SELECT 'beta_key.sent', now() - interval '1 minute' * n
  FROM generate_series(1, $1::int) n
"""
    await database.execute(f"{insert} WHERE n < 13 OR n >= 60", 300)
    await database.execute(insert.replace("minute' * n", "minute'"), 183)
    ids = [await make_key(database) for _ in range(10)]

    answers = await asyncio.gather(
        *(send(api, operator, key_id, f"ana{n}@example.com") for n, key_id in enumerate(ids))
    )

    limited = [answer for answer in answers if answer["__typename"] == "RateLimited"]
    assert len(limited) == 5
    assert all(47 * 60 < answer["retryAfterSeconds"] <= 48 * 60 + 1 for answer in limited)
    assert await count_mails(database) == 5
    unsent = await one_row(database, 'SELECT count(*) FROM beta_keys WHERE "recipientEmail" IS NULL')
    assert unsent["count"] == 5


async def test_a_key_sent_to_two_addresses_concurrently_is_sent_to_one(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    key_id = await make_key(database)

    answers = await asyncio.gather(
        *(send(api, operator, key_id, f"ana{number}@example.com") for number in range(5))
    )

    assert sorted(answer["__typename"] for answer in answers) == ["BetaKey"] + ["Conflict"] * 4
    assert await count_mails(database) == 1


async def test_an_address_with_an_account_gets_a_key_only_if_the_operator_insists(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    await api.register(registration(await issue_key(database), email="eva@example.com"))
    key_id = await make_key(database)
    insist = """mutation($id: ID!, $e: String!) {
        sendBetaKey(id: $id, email: $e, evenIfRegistered: true) { __typename }
    }"""

    assert (await send(api, operator, key_id, "Eva@example.com"))["__typename"] == "EmailTaken"
    assert (await one_row(database, f"SELECT \"sentAt\" FROM beta_keys WHERE id = '{key_id}'"))[0] is None
    sent = await api.data(insist, operator, id=key_id, e="eva@example.com")
    assert sent["sendBetaKey"]["__typename"] == "BetaKey"
