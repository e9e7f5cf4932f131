"""Guessed beta keys and one-time codes leave a trace: an audit event an hour, and a counter."""

import json

import asyncpg
import pytest

from tests.domain.accounts.codes import REQUEST_RESET, reset
from tests.support import Api, Settings, hire

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> None:
    settings(RATE_LIMITS="on", RATE_LIMIT_WRONG_KEYS="3/minute", RATE_LIMIT_WRONG_CODES="2/day")


async def refused(database: asyncpg.Connection) -> list[tuple[str | None, str]]:
    rows = await database.fetch(
        """SELECT "actorEmail" AS email, detail FROM audit_events WHERE action = 'guesses.refused'"""
    )
    return [(row["email"], json.loads(row["detail"])["of"]) for row in rows]


async def test_keys_that_a_network_guesses_are_recorded_once_an_hour(
    api: Api, database: asyncpg.Connection
) -> None:
    guesser = api.at("203.0.113.77")
    document = 'query {{ validateBetaKey(key: "BETA-ZZZZ{}-ZZZZZ") {{ valid }} }}'
    answers = [await guesser.post(document.format(number % 8 + 2)) for number in range(9)]

    assert ["errors" in answer for answer in answers] == [False] * 3 + [True] * 6
    assert await refused(database) == [(None, "keys")]


async def test_codes_that_are_guessed_for_a_mailbox_are_recorded_once_an_hour(
    api: Api, database: asyncpg.Connection
) -> None:
    person = await hire(database, None, "SUPER_ADMIN")
    await api.data(REQUEST_RESET, e=person.email)
    answers = [await reset(api.at(f"203.0.113.{n}"), person.email, "99999999") for n in range(5)]

    assert [answer["code"] for answer in answers] == ["WRONG_CODE"] * 2 + ["RATE_LIMITED"] * 3
    assert await refused(database) == [(person.email, "codes")]
