"""The clean-up deletes expired sessions, codes, mails and devices."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.domain.accounts.codes import verified
from tests.support import Api

pytestmark = pytest.mark.anyio


async def test_expired_rows_are_deleted(api: Api, database: asyncpg.Connection, ana: dict[str, Any]) -> None:
    """And no other rows."""
    from api.domain.cleanup import clean_up

    await api.login(ana["email"])
    await verified(api, database, "eva@example.com")
    await database.execute(
        """
        UPDATE sessions SET "expiresAt" = now() - interval '1 second'
         WHERE id = (SELECT id FROM sessions ORDER BY "createdAt" LIMIT 1);
        UPDATE one_time_codes SET "expiresAt" = now() WHERE purpose = 'EMAIL_VERIFICATION';
        INSERT INTO one_time_codes (purpose, email, "codeDigest", "expiresAt")
        SELECT 'VERIFIED_EMAIL', 'x', 'x', now() - interval '1 second' FROM generate_series(1, 2500);
        INSERT INTO mails (template, recipient, language, "failedAt")
        SELECT 'welcome', 'x', 'en', now() - age FROM unnest(ARRAY[interval '89 days', '91 days']) AS age;
        INSERT INTO known_devices ("userId", network, agent, "lastSeenAt")
        SELECT id, network, '', now() - interval '401 days'
          FROM users, unnest(ARRAY['old', 'new']) AS network WHERE email = 'ana@example.com';
        UPDATE known_devices SET "lastSeenAt" = now() - interval '399 days' WHERE network = 'new';
        INSERT INTO users (email, password, "firstName", "lastName") VALUES ('luz@example.com', '', 'x', 'x');
        INSERT INTO known_devices ("userId", network, agent, "lastSeenAt")
        SELECT id, 'only', '', now() - interval '401 days' FROM users WHERE email = 'luz@example.com';
        """
    )
    (queued,) = await database.fetch('SELECT count(*) FROM mails WHERE "failedAt" IS NULL')

    await asyncio.gather(clean_up(), clean_up())

    left = "SELECT array_agg(purpose) FROM one_time_codes"
    assert await database.fetchval("SELECT count(*) FROM sessions") == 1
    assert await database.fetchval(left) == ["VERIFIED_EMAIL"]
    assert await database.fetchval("SELECT count(*) FROM mails") == queued[0] + 1
    networks = await database.fetch("SELECT network FROM known_devices ORDER BY network")
    assert [row["network"] for row in networks] == ["127.0.0.0/24", "new", "only"]


@pytest.mark.slow
async def test_a_table_that_is_locked_does_not_stop_the_clean_up_of_others(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    """And its lag is measured."""
    from api.domain.cleanup import clean_up, cleanup_lags

    await api.login(ana["email"])
    await verified(api, database, "eva@example.com")
    await database.execute(
        """
        UPDATE sessions SET "expiresAt" = now() - interval '1 hour';
        UPDATE one_time_codes SET "expiresAt" = now() - interval '1 hour';
        """
    )
    assert (await cleanup_lags())["sessions"] > 3599
    async with database.transaction():
        await database.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        await clean_up()

    lags = await cleanup_lags()
    assert lags["sessions"] > 3599
    assert lags["one_time_codes"] == 0
    await clean_up()
    assert set((await cleanup_lags()).values()) == {0.0}
