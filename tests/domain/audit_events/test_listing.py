"""Listing audit events: operators read all of them, admins those of their tenant."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from api.domain.audit_events import listing
from api.domain.audit_events.listing import EventFilter
from api.domain.pagination import Position
from tests.support import Api, Person, hire, issue_key, registration

pytestmark = pytest.mark.anyio


PAGE = """
query($first: Int!, $after: String, $filter: AuditEventFilter) {
  auditEvents(first: $first, after: $after, filter: $filter) {
    edges { node { id at action actorEmail tenantId subjectId detail ipAddress } }
    pageInfo { hasNextPage endCursor } } }
"""


async def actions(api: Api, token: str, **wanted: Any) -> list[str]:
    page = (await api.data(PAGE, token, first=100, filter=wanted))["auditEvents"]
    return [edge["node"]["action"] for edge in page["edges"]]


@pytest.fixture
async def operator(database: asyncpg.Connection) -> Person:
    return await hire(database, None, "SUPER_ADMIN")


async def test_an_event_has_all_its_fields(api: Api, database: asyncpg.Connection, operator: Person) -> None:
    answer = await api.register(registration(await issue_key(database)))
    suspend = 'mutation($id: ID!) { suspendTenant(id: $id, reason: "unpaid") { __typename } }'
    await api.data(suspend, operator.token, id=answer["tenant"]["id"])

    (edge,) = (await api.data(PAGE, operator.token, first=1))["auditEvents"]["edges"]

    event = edge["node"]
    at = datetime.fromisoformat(event.pop("at"))
    assert datetime.now(UTC) - at < timedelta(minutes=5)
    assert event.pop("id")
    assert event == {
        "action": "tenant.suspended",
        "actorEmail": operator.email,
        "tenantId": answer["tenant"]["id"],
        "subjectId": answer["tenant"]["id"],
        "detail": {"reason": "unpaid"},
        "ipAddress": "127.0.0.1",
    }


async def test_events_are_filtered(api: Api, database: asyncpg.Connection, operator: Person) -> None:
    tenant = "11111111-1111-4111-8111-111111111111"
    await database.execute(
        """INSERT INTO audit_events (action, "tenantId", "actorEmail", at) VALUES
        ('a', $1, 'Ana@Example.com', '2026-01-01Z'), ('b', $1, NULL, '2026-01-02Z'),
        ('a', NULL, 'eva@example.com', '2026-01-03Z')""",
        tenant,
    )

    assert await actions(api, operator.token) == ["a", "b", "a"]
    assert await actions(api, operator.token, action="a") == ["a", "a"]
    assert await actions(api, operator.token, tenantId=tenant) == ["b", "a"]
    assert await actions(api, operator.token, actorEmail="ANA@example.com") == ["a"]
    span = {"since": "2026-01-02T00:00:00Z", "until": "2026-01-02T19:00:00-05:00"}
    assert await actions(api, operator.token, **span) == ["b"]
    assert await actions(api, operator.token, tenantId=tenant, action="b", actorEmail=None) == ["b"]
    for nothing in ({"action": "\0"}, {"tenantId": "none"}, {"actorEmail": "%"}, {"action": "A"}):
        assert await actions(api, operator.token, **nothing) == []


@pytest.mark.parametrize("since", ["2026-01-02T00:00:00", "2026-W01-5", "0001-01-01T00:00:00+14:00", 5, "x"])
async def test_a_time_filter_means_the_same_in_every_time_zone(
    api: Api, operator: Person, since: Any
) -> None:
    (error,) = (await api.post(PAGE, operator.token, first=1, filter={"since": since}))["errors"]

    assert "since" in error["message"]
    assert "2027-01-31T12:00:00Z" in error["message"]


async def test_every_event_is_on_one_page(api: Api, database: asyncpg.Connection, operator: Person) -> None:
    """Also the events of one transaction, which have the same time."""
    await database.execute(
        "INSERT INTO audit_events (action, at)"
        " SELECT n::text, now() - interval '1 s' * (n % 3) FROM generate_series(1, 25) n"
    )
    seen: list[str] = []
    after, more = None, True
    while more:
        page = (await api.data(PAGE, operator.token, first=7, after=after))["auditEvents"]
        seen += [edge["node"]["action"] for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        await database.execute("INSERT INTO audit_events (action) VALUES ('later')")

    assert sorted(seen, key=int) == [str(number) for number in range(1, 26)]


async def test_admins_see_events_of_their_own_tenant_only(api: Api, database: asyncpg.Connection) -> None:
    ours, theirs = [await api.register(registration(await issue_key(database))) for _ in range(2)]
    admin = await hire(database, ours["tenant"]["id"], "ADMIN")
    for token in (ours["accessToken"], admin.token):
        for wanted in ({}, {"tenantId": ours["tenant"]["id"]}):
            assert sorted(await actions(api, token, **wanted)) == ["beta_key.used", "tenant.registered"]
        for wanted in ({"tenantId": theirs["tenant"]["id"]}, {"actorEmail": theirs["user"]["email"]}):
            assert await actions(api, token, **wanted) == []


async def test_a_tenant_sees_neither_the_address_nor_the_network_of_an_operator(
    api: Api, database: asyncpg.Connection, operator: Person
) -> None:
    """Nor confirms one with a filter; who was removed from the tenant is still named."""
    owner = await api.register(registration(await issue_key(database)))
    admin = await hire(database, owner["tenant"]["id"], "ADMIN")
    suspend = 'mutation($id: ID!) { suspendTenant(id: $id, reason: "unpaid") { __typename } }'
    await api.data(suspend, operator.token, id=owner["tenant"]["id"])
    await database.execute("""UPDATE tenants SET "isActive" = true""")
    await database.execute("""UPDATE users SET "secondFactorAt" = now() WHERE id = $1""", owner["user"]["id"])
    reset = "mutation($id: ID!) { resetSecondFactor(userId: $id) { __typename } }"
    assert (await api.data(reset, operator.token, id=owner["user"]["id"]))["resetSecondFactor"] == {
        "__typename": "Done"
    }
    owner["accessToken"] = (await api.login(owner["user"]["email"]))["accessToken"]
    update = 'mutation { updateTenant(input: {address: "Calle 1"}) { __typename } }'
    await api.data(update, admin.token)
    remove = "mutation($id: ID!) { removeStaff(id: $id) { __typename } }"
    cashier = await hire(database, owner["tenant"]["id"], "CASHIER")
    await api.data(remove, admin.token, id=cashier.id)
    await api.data(remove, owner["accessToken"], id=admin.id)

    async def seen(token: str) -> dict[str, tuple[str, str]]:
        page = (await api.data(PAGE, token, first=100))["auditEvents"]
        nodes = [edge["node"] for edge in page["edges"]][::-1]
        return {node["action"]: (node["actorEmail"], node["ipAddress"]) for node in nodes}

    by_owner, by_operator = await seen(owner["accessToken"]), await seen(operator.token)
    assert by_operator["tenant.suspended"] == (operator.email, "127.0.0.1")
    assert by_owner["tenant.suspended"] == ("operator", None)
    assert by_owner["second_factor.reset"] == ("operator", None)
    assert by_owner["beta_key.used"] == (owner["user"]["email"], "127.0.0.1")
    assert by_owner["staff.removed"] == (owner["user"]["email"], "127.0.0.1")
    assert await actions(api, owner["accessToken"], actorEmail=operator.email) == []
    assert await actions(api, owner["accessToken"], actorEmail="operator")


async def test_who_may_not_list_events_learns_nothing_about_arguments(
    api: Api, database: asyncpg.Connection
) -> None:
    owner = await api.register(registration(await issue_key(database)))
    cashier = await hire(database, owner["tenant"]["id"], "CASHIER")

    for arguments in ("first: 0", 'after: "x"'):
        answer = await api.post(f"{{ auditEvents({arguments}) {{ edges {{ cursor }} }} }}", cashier.token)
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.slow
@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(EventFilter(), id="all"),
        pytest.param(EventFilter(action="session.opened"), id="action", marks=pytest.mark.slow),
        pytest.param(
            EventFilter(tenant_id=UUID("11111111-1111-4111-8111-111111111117")),
            id="tenant",
            marks=pytest.mark.slow,
        ),
        pytest.param(EventFilter(actor_email="ana7@example.com"), id="actor", marks=pytest.mark.slow),
        pytest.param(
            EventFilter(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2026, 10, 1, tzinfo=UTC)),
            id="span",
            marks=pytest.mark.slow,
        ),
    ],
)
async def test_a_deep_page_costs_as_much_as_the_first(
    database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, wanted: EventFilter
) -> None:
    """With each filter. The cost is the number of blocks read, because times vary between runs."""
    await database.execute(
        """INSERT INTO audit_events (action, at, "tenantId", "actorEmail")
        SELECT CASE WHEN n % 2 = 0 THEN 'session.opened' ELSE 'x' || n % 50 END,
               '2026-01-01Z'::timestamptz + n * interval '1 minute',
               ('11111111-1111-4111-8111-11111111' || lpad((n % 100)::text, 4, '1'))::uuid,
               'ana' || n % 100 || '@example.com' FROM generate_series(1, 100000) n"""
    )
    await database.execute("VACUUM (ANALYZE) audit_events")
    blocks: list[int] = []

    async def explain(query: str, *values: Any) -> list[dict[str, Any]]:
        query = query.format(*(f"${place}" for place in range(1, len(values) + 1)))
        (row,) = await database.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {query}", *values)
        (plan,) = (explained["Plan"] for explained in orjson.loads(row[0]))
        assert plan["Actual Rows"] == 21
        blocks.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        return []

    monkeypatch.setattr(listing, "read_platform", explain)
    for after in (None, Position(datetime(2026, 2, 1, tzinfo=UTC), UUID(int=0))):
        await listing.list_events(wanted, 20, after)

    first, deep = blocks
    assert deep <= first + 21
