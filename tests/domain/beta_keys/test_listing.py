"""Pages of beta keys with filters, and counts."""

import random
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api.domain.beta_keys import listing
from api.domain.beta_keys.expiry import mark_expired
from api.domain.beta_keys.listing import KeyFilter
from api.domain.beta_keys.status import BetaKeyStatus
from api.domain.pagination import Position
from tests.support import Api, issue_key, one_row, registration

pytestmark = pytest.mark.anyio

PAGE = """
query($first: Int!, $after: String, $filter: BetaKeyFilter) {
  betaKeys(first: $first, after: $after, filter: $filter) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { key status } } } }
"""


@pytest.fixture
async def keys(api: Api, database: asyncpg.Connection) -> list[dict[str, Any]]:
    """Keys of every status and of two batches, some with the same time; the newest first."""
    made: list[dict[str, Any]] = []
    now = (await one_row(database, "SELECT now()"))["now"]
    chance = random.Random(1)
    kinds = list(product([*BetaKeyStatus, "NOTICED"], [None, "a", "b"])) * 4
    for number, (status, batch) in enumerate(kinds):
        past, future = now - timedelta(days=1), now + timedelta(days=1)
        columns: dict[str, Any] = {
            BetaKeyStatus.AVAILABLE: {"expiresAt": chance.choice([None, future])},
            BetaKeyStatus.USED: {"isUsed": True, "usedAt": past, "expiresAt": chance.choice([None, past])},
            BetaKeyStatus.EXPIRED: {"expiresAt": past},
            "NOTICED": {"expiresAt": past, "expiredAt": past},
            BetaKeyStatus.REVOKED: {"revokedAt": past, "expiresAt": chance.choice([None, past])},
        }[status]
        columns |= {
            "batch": batch,
            "createdAt": now - timedelta(hours=number // 7),
            "notes": chance.choice([None, "Feria 100%", "feria_norte"]),
            "recipientEmail": chance.choice([None, f"ana{number}@example.com"]),
        }
        key = await issue_key(database, **columns)
        key_id = await database.fetchval("SELECT id FROM beta_keys WHERE key = $1", key)
        seen = status if isinstance(status, BetaKeyStatus) else BetaKeyStatus.EXPIRED
        made.append({**columns, "key": key, "id": key_id, "status": seen.name})
    return sorted(made, key=lambda key: (key["createdAt"], key["id"]), reverse=True)


async def walk(api: Api, operator: str, first: int, wanted: dict[str, Any]) -> AsyncIterator[Any]:
    after = None
    while True:
        page = (await api.data(PAGE, operator, None, first=first, after=after, filter=wanted))["betaKeys"]
        yield page
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def words_of(key: dict[str, Any]) -> list[str]:
    texts = (key["key"], key["notes"], key["recipientEmail"])
    return [word for text in texts if text for word in re.split("[^a-z0-9]+", text.lower())]


@pytest.mark.parametrize("status", [None, *(status.name for status in BetaKeyStatus)])
@pytest.mark.parametrize("batch", [None, "b", "none such"])
async def test_pages_contain_each_key_of_a_filter_once_newest_first(
    api: Api, operator: str, keys: list[dict[str, Any]], status: str | None, batch: str | None
) -> None:
    first, second = keys[5]["key"].split("-")[1:]
    for search in (None, "FERIA", "100% feria", "norte", "ana1", f"{first[:3].lower()}", second[:4]):
        wanted = {"status": status, "batch": batch, "search": search}
        expected = [
            {"key": key["key"], "status": key["status"]}
            for key in keys
            if status in (None, key["status"])
            and batch in (None, key["batch"])
            and all(
                any(word.startswith(part) for word in words_of(key))
                for part in re.findall("[a-z0-9]+", (search or "").lower())
            )
        ]
        pages = [page async for page in walk(api, operator, 7, wanted)]

        assert [edge["node"] for page in pages for edge in page["edges"]] == expected
        assert {page["totalCount"] for page in pages} == {len(expected)}
        assert [page["pageInfo"]["hasPreviousPage"] for page in pages] == [False] + [True] * (len(pages) - 1)


async def test_text_that_cannot_be_stored_is_not_found(api: Api, operator: str, keys: list[Any]) -> None:
    for wanted in ({"search": "\x00"}, {"batch": "\x00"}):
        (page,) = [page async for page in walk(api, operator, 5, wanted)]
        assert (page["edges"], page["totalCount"]) == ([], 0)


@pytest.mark.parametrize("arguments", ["first: 0", "first: 101", 'after: "x"'])
async def test_a_wrong_page_is_an_error_that_names_the_argument(
    api: Api, operator: str, arguments: str
) -> None:
    answer = await api.post(f"{{ betaKeys({arguments}) {{ totalCount }} }}", operator)

    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INVALID_ARGUMENT"
    assert arguments.partition(":")[0] in error["message"]


async def test_stats_count_all_keys_or_those_of_one_batch(
    api: Api, operator: str, keys: list[dict[str, Any]], database: asyncpg.Connection
) -> None:
    await database.execute("UPDATE beta_keys SET \"sentAt\" = now() WHERE batch = 'a'")
    document = """query($batch: String) { betaKeyStats(batch: $batch) {
      total available used expired revoked sent usagePercentage } }"""

    for batch in (None, "a", "none such"):
        of_batch = [key["status"] for key in keys if batch in (None, key["batch"])]
        stats = (await api.data(document, operator, None, batch=batch))["betaKeyStats"]
        sent = len([key for key in keys if key["batch"] == "a" and batch in (None, "a")])
        assert stats == {
            "total": len(of_batch),
            **{status.name.lower(): of_batch.count(status.name) for status in BetaKeyStatus},
            "sent": sent,
            "usagePercentage": round(100 * of_batch.count("USED") / len(of_batch), 2) if of_batch else 0,
        }


async def test_a_key_whose_business_is_deleted_stays_used(
    api: Api, operator: str, database: asyncpg.Connection
) -> None:
    await api.register(registration(await issue_key(database)))
    await database.execute('UPDATE tenants SET "deletedAt" = now()')

    document = "{ betaKeys { edges { node { status usedBy { id } } } } }"
    (edge,) = (await api.data(document, operator))["betaKeys"]["edges"]

    assert edge["node"] == {"status": "USED", "usedBy": None}


async def test_expired_keys_are_marked_in_batches(
    keys: list[dict[str, Any]], database: asyncpg.Connection
) -> None:
    unnoticed = [key for key in keys if key["status"] == "EXPIRED" and "expiredAt" not in key]

    noticed = [await mark_expired(5) for _ in range(4)]

    assert noticed == [5, 5, len(unnoticed) - 10, 0]
    rows = await database.fetch('SELECT key FROM beta_keys WHERE "expiredAt" IS NOT NULL')
    assert {row["key"] for row in rows} == {key["key"] for key in keys if key["status"] == "EXPIRED"}


# Cost


@pytest.fixture
async def crowd(database: asyncpg.Connection) -> None:
    """So many keys that PostgreSQL uses an index for a page; the old ones have expired."""
    await database.execute(
        """INSERT INTO beta_keys (key, batch, "createdAt", "expiresAt", "expiredAt", "isUsed", "revokedAt")
        SELECT 'K' || n, 'b' || n % 10, now() - n * interval '1 minute', ends,
               CASE WHEN ends < now() THEN now() END, n % 100 = 93, CASE WHEN n % 100 = 83 THEN now() END
          FROM generate_series(1, 30000) n, LATERAL (
               SELECT CASE WHEN n > 15000 THEN now() - interval '1 day' END AS ends) e"""
    )
    await database.execute("VACUUM ANALYZE beta_keys")


async def plan(database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, work: Any) -> str:
    """The query plan of the one statement that `work` sends."""
    asked: list[tuple[str, tuple[Any, ...]]] = []

    async def catch(query: str, *values: Any) -> list[Any]:
        asked.append((query, values))
        return []

    monkeypatch.setattr(listing, "read_platform", catch)
    await work
    ((query, values),) = asked
    numbered = query.format(*(f"${place}" for place in range(1, len(values) + 1)))
    rows = await database.fetch(f"EXPLAIN {numbered}", *values)
    return "\n".join(row[0] for row in rows)


NOTED = (BetaKeyStatus.USED, BetaKeyStatus.EXPIRED, BetaKeyStatus.REVOKED)


@pytest.mark.parametrize("status", [None, *BetaKeyStatus])
@pytest.mark.parametrize("batch", [None, "b3"])
async def test_a_page_is_read_from_an_index_in_its_order(
    database: asyncpg.Connection,
    crowd: None,
    monkeypatch: pytest.MonkeyPatch,
    status: BetaKeyStatus | None,
    batch: str | None,
) -> None:
    """So a deep page costs as much as the first: rows outside of the filter are not read."""
    row = await one_row(database, "SELECT now() - interval '25000 minutes' AS at")
    deep = Position(row["at"], UUID(int=0))

    explained = await plan(database, monkeypatch, listing.list_keys(KeyFilter(status, batch), 20, deep))

    by = "created" if batch is None else "batch"
    names = {None: "", BetaKeyStatus.AVAILABLE: "_open"} | {s: f"_{s.name.lower()}" for s in NOTED}
    state = names[status]
    assert re.search(rf"Index Scan (Backward using|on) beta_keys_{by}{state}\b", explained)
    assert "Seq Scan on beta_keys" not in explained


@pytest.mark.parametrize(
    "query", ["count", "count of a batch", "count of a status", "stats", "stats of a batch"]
)
async def test_counting_reads_only_an_index(database: asyncpg.Connection, crowd: None, query: str) -> None:
    conditions = {
        "count": "SELECT count(*) FROM beta_keys WHERE true",
        "count of a batch": "SELECT count(*) FROM beta_keys WHERE true AND batch = 'b3'",
        "count of a status": f"SELECT count(*) FROM beta_keys WHERE {listing.STATUS} = 'USED'",
        "stats": listing._STATS,
        "stats of a batch": f"{listing._STATS} WHERE batch = 'b3'",
    }
    rows = await database.fetch(f"EXPLAIN {conditions[query]}")

    explained = "\n".join(row[0] for row in rows)
    assert "Index Only Scan" in explained
    assert "Seq Scan" not in explained
