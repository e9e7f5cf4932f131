"""Races and a crash, against a server process with real connections."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support import REGISTER, GatehouseProcess, issue_key, registration

pytestmark = pytest.mark.anyio

NOTHING_HALF_DONE = {
    "a tenant without its owner": """SELECT count(*) FROM tenants t WHERE NOT EXISTS
        (SELECT FROM users u WHERE u."tenantId" = t.id AND u."isOwner")""",
    "a used key without its tenant": """SELECT count(*) FROM beta_keys
        WHERE "isUsed" <> ("usedByTenantId" IS NOT NULL) OR "isUsed" <> ("usedAt" IS NOT NULL)""",
    "an owner without a tenant": """SELECT count(*) FROM users WHERE "isOwner" AND "tenantId" IS NULL""",
    "a tenant without a used key": """SELECT count(*) FROM tenants t WHERE NOT EXISTS
        (SELECT FROM beta_keys k WHERE k."usedByTenantId" = t.id AND k.key = t."betaKeyUsed")""",
    "a tenant off the record": """SELECT count(*) FROM tenants t WHERE NOT EXISTS
        (SELECT FROM audit_events e WHERE e."tenantId" = t.id AND e.action = 'tenant.registered')""",
}


async def half_done(database: asyncpg.Connection) -> dict[str, int]:
    return {what: count for what, sql in NOTHING_HALF_DONE.items() if (count := await database.fetchval(sql))}


async def register_all(
    gatehouse: GatehouseProcess, forms: list[dict[str, Any]], concurrency: int
) -> list[Any]:
    """The answer to each form, or the error of its connection."""
    turn = asyncio.Semaphore(concurrency)
    limits = httpx.Limits(max_connections=concurrency)
    async with httpx.AsyncClient(base_url=gatehouse.url, timeout=60, limits=limits) as http:

        async def register(form: dict[str, Any]) -> Any:
            async with turn:
                body = {"query": REGISTER, "variables": {"i": form}}
                answer = (await http.post("/graphql", json=body)).json()
                assert "errors" not in answer, answer
                return answer["data"]["register"]

        return await asyncio.gather(*map(register, forms), return_exceptions=True)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_fifty_registrations_with_one_key_admit_one(
    gatehouse: GatehouseProcess, database: asyncpg.Connection, workers: str
) -> None:
    gatehouse.environment["WORKERS"] = workers
    gatehouse.start()
    key = await issue_key(database)

    answers = await register_all(gatehouse, [registration(key) for _ in range(50)], concurrency=50)

    outcomes = Counter((answer["__typename"], answer.get("reason")) for answer in answers)
    assert outcomes == {("Registration", None): 1, ("BetaKeyRejected", "USED"): 49}
    assert await database.fetchval("SELECT count(*) FROM tenants") == 1
    assert await database.fetchval("SELECT count(*) FROM users") == 1
    assert await half_done(database) == {}


async def test_one_registration_sent_many_times_at_once_is_one(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """An impatient client gets the same tenant each time."""
    gatehouse.start()
    form = registration(await issue_key(database))

    answers = await register_all(gatehouse, [form] * 20, concurrency=20)

    assert {answer["__typename"] for answer in answers} == {"Registration"}
    assert len({answer["tenant"]["id"] for answer in answers}) == 1
    assert len({answer["accessToken"] for answer in answers}) == 20
    assert await half_done(database) == {}


async def test_sixty_registrations_with_sixty_keys_all_succeed(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """The system before this one failed 51 of these: its connection pool deadlocked on itself."""
    gatehouse.environment["DB_POOL_SIZE"] = "2"
    gatehouse.start()
    forms = [registration(await issue_key(database)) for _ in range(60)]

    answers = await register_all(gatehouse, forms, concurrency=16)

    assert Counter(answer["__typename"] for answer in answers) == {"Registration": 60}
    assert await database.fetchval("SELECT count(*) FROM tenants") == 60
    assert await half_done(database) == {}


@pytest.mark.parametrize(("shared", "refusal"), [("email", "EmailTaken"), ("nit", "NitTaken")])
async def test_of_two_who_share_an_email_or_a_tax_id_one_is_admitted(
    gatehouse: GatehouseProcess, database: asyncpg.Connection, shared: str, refusal: str
) -> None:
    """The other one's key stays unused."""
    gatehouse.start()
    for _ in range(5):
        forms = [registration(await issue_key(database)) for _ in range(2)]
        forms[1][shared] = forms[0][shared]

        answers = await register_all(gatehouse, forms, concurrency=2)

        assert {answer["__typename"] for answer in answers} == {"Registration", refusal}
    assert await database.fetchval("SELECT count(*) FROM tenants") == 5
    assert await database.fetchval('SELECT count(*) FROM beta_keys WHERE NOT "isUsed"') == 5
    assert await half_done(database) == {}


async def test_a_server_that_is_killed_leaves_nothing_half_done(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """SIGKILL in the middle of 20 registrations; those that broke off succeed when they are sent again."""
    gatehouse.start()
    forms = [registration(await issue_key(database)) for _ in range(20)]
    registering = asyncio.create_task(register_all(gatehouse, forms, concurrency=20))
    while not await database.fetchval("SELECT count(*) >= 3 FROM tenants"):
        await asyncio.sleep(0.001)
    gatehouse.kill()
    answers = await registering

    broken = [answer for answer in answers if isinstance(answer, httpx.TransportError)]
    assert broken, "the kill came too late to break anything off"
    assert await half_done(database) == {}

    gatehouse.start()
    again = await register_all(gatehouse, forms, concurrency=20)

    assert {answer["__typename"] for answer in again} == {"Registration"}
    assert await database.fetchval("SELECT count(*) FROM tenants") == 20
    assert await half_done(database) == {}
