"""Races and a crash, against a server process with real connections."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support import LOGIN, PASSWORD, REGISTER, GatehouseProcess, Person, hire, issue_key, registration

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
    """The response to each form, or the error of its connection."""
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


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
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


async def test_one_registration_sent_many_times_concurrently_creates_one_tenant(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """An impatient client gets the same tenant each time."""
    form = registration(await issue_key(database))

    answers = await register_all(serving, [form] * 20, concurrency=20)

    assert {answer["__typename"] for answer in answers} == {"Registration"}
    assert len({answer["tenant"]["id"] for answer in answers}) == 1
    assert len({answer["accessToken"] for answer in answers}) == 20
    assert await half_done(database) == {}


async def test_sixty_registrations_with_sixty_keys_all_succeed(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """The old system failed 51 of these: its connection pool deadlocked on itself."""
    gatehouse.environment["DB_POOL_SIZE"] = "2"
    gatehouse.start()
    forms = [registration(await issue_key(database)) for _ in range(60)]

    answers = await register_all(gatehouse, forms, concurrency=16)

    assert Counter(answer["__typename"] for answer in answers) == {"Registration": 60}
    assert await database.fetchval("SELECT count(*) FROM tenants") == 60
    assert await half_done(database) == {}


@pytest.mark.parametrize(("shared", "refusal"), [("email", "EmailTaken"), ("nit", "NitTaken")])
async def test_of_two_registrations_with_one_email_or_tax_id_one_succeeds(
    serving: GatehouseProcess, database: asyncpg.Connection, shared: str, refusal: str
) -> None:
    """The key of the other one stays unused."""
    for _ in range(5):
        forms = [registration(await issue_key(database)) for _ in range(2)]
        forms[1][shared] = forms[0][shared]

        answers = await register_all(serving, forms, concurrency=2)

        assert {answer["__typename"] for answer in answers} == {"Registration", refusal}
    assert await database.fetchval("SELECT count(*) FROM tenants") == 5
    assert await database.fetchval('SELECT count(*) FROM beta_keys WHERE NOT "isUsed"') == 5
    assert await half_done(database) == {}


async def test_a_killed_server_leaves_nothing_half_done(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """SIGKILL during 200 registrations; those without a response succeed when they are sent again."""
    gatehouse.start()
    forms = [registration(await issue_key(database)) for _ in range(200)]
    registering = asyncio.create_task(register_all(gatehouse, forms, concurrency=60))
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
    assert await database.fetchval("SELECT count(*) FROM tenants") == 200
    assert await half_done(database) == {}


# Seats

CREATE_STAFF = """
mutation($i: CreateStaffInput!) { createStaff(input: $i) { __typename } }
"""

UPDATE_STAFF = """
mutation($id: ID!, $i: UpdateStaffInput!) { updateStaff(id: $id, input: $i) { __typename } }
"""


async def ask_all(gatehouse: GatehouseProcess, asked: list[tuple[str, str, dict[str, Any]]]) -> list[Any]:
    """The responses to concurrent requests; each request is a document, a token and its variables."""
    limits = httpx.Limits(max_connections=len(asked))
    async with httpx.AsyncClient(base_url=gatehouse.url, timeout=60, limits=limits) as http:

        async def ask(query: str, token: str, variables: dict[str, Any]) -> Any:
            body = {"query": query, "variables": variables}
            answer = (
                await http.post("/graphql", json=body, headers={"authorization": f"Bearer {token}"})
            ).json()
            if answer.get("errors"):
                return answer["errors"][0]["extensions"]["code"]
            (result,) = answer["data"].values()
            return result["__typename"]

        return await asyncio.gather(*(ask(*one) for one in asked))


async def open_business(gatehouse: GatehouseProcess, database: asyncpg.Connection) -> Person:
    """The owner of a business with seats for two cashiers; `id` is that of the business."""
    (answer,) = await register_all(gatehouse, [registration(await issue_key(database))], concurrency=1)
    return Person(answer["tenant"]["id"], answer["user"]["email"], answer["accessToken"])


def cashier(number: int) -> dict[str, Any]:
    name = {"firstName": "Eva", "lastName": "Sol", "role": "CASHIER", "password": PASSWORD}
    return {"i": {"email": f"eva{number}@example.com", **name}}


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
async def test_of_twenty_concurrent_hires_for_two_seats_two_succeed(
    gatehouse: GatehouseProcess, database: asyncpg.Connection, workers: str
) -> None:
    gatehouse.environment["WORKERS"] = workers
    gatehouse.start()
    owner = await open_business(gatehouse, database)

    answers = await ask_all(gatehouse, [(CREATE_STAFF, owner.token, cashier(n)) for n in range(20)])

    assert Counter(answers) == {"User": 2, "NoSeat": 18}
    assert await database.fetchval("SELECT count(*) FROM users WHERE role = 'CASHIER'") == 2
    assert await database.fetchval("SELECT count(*) FROM audit_events WHERE action = 'staff.created'") == 2


async def test_concurrent_reactivations_fill_no_more_than_the_seats(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """Concurrently, others are hired and change roles."""
    owner = await open_business(serving, database)
    away = [await hire(database, owner.id, "CASHIER", isActive=False) for _ in range(6)]
    manager = await hire(database, owner.id, "MANAGER")
    asked = [(UPDATE_STAFF, owner.token, {"id": person.id, "i": {"isActive": True}}) for person in away]
    asked += [(CREATE_STAFF, owner.token, cashier(n)) for n in range(6)]
    asked += [(UPDATE_STAFF, owner.token, {"id": manager.id, "i": {"role": "CASHIER"}})]

    answers = await ask_all(serving, asked)

    assert Counter(answers) == {"User": 2, "NoSeat": 11}
    held = "SELECT count(*) FROM users WHERE role = 'CASHIER' AND \"isActive\""
    assert await database.fetchval(held) == 2


async def test_of_two_admins_who_remove_each_other_concurrently_one_stays(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """A user who was just removed cannot remove others."""
    owner = await open_business(serving, database)
    remove = "mutation($id: ID!) { removeStaff(id: $id) { __typename } }"
    for _ in range(5):
        one, other = [await hire(database, owner.id, "ADMIN") for _ in range(2)]

        answers = await ask_all(
            serving, [(remove, one.token, {"id": other.id}), (remove, other.token, {"id": one.id})]
        )

        assert sorted(answers) == ["Done", "UNAUTHENTICATED"]
    assert await database.fetchval("SELECT count(*) FROM users WHERE role = 'ADMIN'") == 1 + 5


async def test_a_user_who_is_removed_during_sign_in_gets_no_session(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    owner = await open_business(serving, database)
    hashed = await database.fetchval("SELECT password FROM users")
    remove = "mutation($id: ID!) { removeStaff(id: $id) { __typename } }"
    people = [await hire(database, owner.id, "CASHIER", password=hashed) for _ in range(8)]
    asked = [(LOGIN, owner.token, {"i": {"email": person.email, "password": PASSWORD}}) for person in people]
    asked += [(remove, owner.token, {"id": person.id}) for person in people]

    answers = await ask_all(serving, asked)

    assert set(answers[:8]) <= {"SignedIn", "WrongCredentials"}
    assert answers[8:] == ["Done"] * 8
    assert await database.fetchval("SELECT count(*) FROM sessions") == 1
