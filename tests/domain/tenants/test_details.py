"""A tenant's details: its staff and operators read them, its admins change them."""

from typing import Any

import asyncpg
import orjson
import pytest

from api.database.embedded import EmbeddedServer
from api.database.engine import Engine
from api.domain.pagination import Position
from api.schema.pagination import write_cursor
from tests.support import Api, Person, hire, issue_key, one_row, registration

pytestmark = pytest.mark.anyio

UPDATE = """
mutation($i: UpdateTenantInput!) { updateTenant(input: $i) { __typename
  ... on Tenant { id businessName businessType address phone email owner { email } seats { role used max } }
  ... on Error { code message } ... on InvalidInput { fields { field code message } } } }
"""

TENANT = "query($id: ID!) { tenant(id: $id) { id businessName seats { role used max } owner { email } } }"


@pytest.fixture
async def owner(api: Api, database: asyncpg.Connection) -> Person:
    """The owner of a business, with the `id` of the business."""
    answer = await api.register(registration(await issue_key(database)))
    return Person(answer["tenant"]["id"], answer["user"]["email"], answer["accessToken"])


# Reading


async def test_active_staff_use_the_seats_of_their_roles(
    api: Api, database: asyncpg.Connection, owner: Person
) -> None:
    for role in ("CASHIER", "CASHIER", "MANAGER"):
        await hire(database, owner.id, role)
    await hire(database, owner.id, "MANAGER", isActive=False)
    await database.execute('UPDATE tenants SET "maxManagers" = 4')

    answer = await api.data("{ viewer { tenant { seats { role used max } } } }", owner.token)

    assert answer["viewer"]["tenant"]["seats"] == [
        {"role": "ADMIN", "used": 1, "max": 1},
        {"role": "MANAGER", "used": 1, "max": 4},
        {"role": "CASHIER", "used": 2, "max": 2},
    ]


async def test_registration_and_sign_in_answer_the_whole_tenant(
    api: Api, database: asyncpg.Connection
) -> None:
    """In the same response, before any request with the new token."""
    form = registration(await issue_key(database))
    tenant = "tenant { owner { email } seats { used } staff { totalCount edges { node { email } } } }"
    register = "mutation($i: RegisterInput!) { register(input: $i) { ... on Registration { %s } } }"
    login = "mutation($i: LoginInput!) { login(input: $i) { ... on SignedIn { user { %s } } } }"

    registered = await api.data(register % tenant, i=form)
    signed_in = await api.data(login % tenant, i={"email": form["email"], "password": form["password"]})

    email = form["email"]
    expected = {
        "owner": {"email": email},
        "seats": [{"used": 1}, {"used": 0}, {"used": 0}],
        "staff": {"totalCount": 1, "edges": [{"node": {"email": email}}]},
    }
    assert registered["register"]["tenant"] == signed_in["login"]["user"]["tenant"] == expected


async def test_operators_see_any_tenant_and_staff_their_own(
    api: Api, database: asyncpg.Connection, owner: Person
) -> None:
    other = await api.register(registration(await issue_key(database)))
    operator = await hire(database, None, "SUPER_ADMIN")
    cashier = await hire(database, owner.id, "CASHIER")

    async def sees(token: str, tenant_id: str) -> Any:
        return (await api.data(TENANT, token, id=tenant_id))["tenant"]

    for tenant_id, email in ((owner.id, owner.email), (other["tenant"]["id"], other["user"]["email"])):
        seen = await sees(operator.token, tenant_id)
        assert (seen["id"], seen["owner"], seen["seats"][0]["used"]) == (tenant_id, {"email": email}, 1)
    assert await sees(cashier.token, owner.id) == await sees(operator.token, owner.id)
    assert await sees(cashier.token, other["tenant"]["id"]) is None
    for nothing in ("", "x", "00000000-0000-0000-0000-000000000000", owner.id[:-1], f"{owner.id}\x00"):
        assert await sees(operator.token, nothing) is None
        assert await sees(cashier.token, nothing) is None


async def test_a_tenant_is_shown_to_signed_in_users_only(api: Api, owner: Person) -> None:
    answer = await api.post(TENANT, id=owner.id)

    assert answer["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_an_admin_without_a_tenant_is_not_an_operator(
    api: Api, database: asyncpg.Connection, owner: Person
) -> None:
    """An adopted database may contain such a user."""
    nobody = await hire(database, None, "ADMIN")

    assert (await api.data(TENANT, nobody.token, id=owner.id))["tenant"] is None
    answer = await api.post(UPDATE, nobody.token, i={})
    assert answer["errors"][0]["extensions"] == {"code": "FORBIDDEN"}


# Changing


async def test_an_admin_changes_the_business(api: Api, database: asyncpg.Connection, owner: Person) -> None:
    given = {
        "businessName": "  La   Nueva ",
        "businessType": "FARMACIA",
        "address": "Carrera 7",
        "phone": "604 444 1234",
        "email": "hola@Example.com",
    }
    before = await one_row(database, "SELECT * FROM tenants")

    answer = (await api.data(UPDATE, owner.token, i=given))["updateTenant"]

    stored = {
        "businessName": "La Nueva",
        "businessType": "FARMACIA",
        "address": "Carrera 7",
        "phone": "+576044441234",
        "email": "hola@example.com",
    }
    after = await one_row(database, "SELECT * FROM tenants")
    assert {name: answer[name] for name in stored} == stored
    assert {name: value for name, value in after.items() if before[name] != value} == stored | {
        "updatedAt": after["updatedAt"],
        "searchText": f"{before['nit']}\nla nueva\nhola@example.com".lower(),
        "searchWords": after["searchWords"],
    }
    assert after["updatedAt"] > before["updatedAt"]


async def test_omitted_fields_stay_and_null_clears(api: Api, owner: Person) -> None:
    await api.data(UPDATE, owner.token, i={"phone": "604 444 1234", "email": "hola@example.com"})

    partly = (await api.data(UPDATE, owner.token, i={"phone": None}))["updateTenant"]
    nothing = (await api.data(UPDATE, owner.token, i={}))["updateTenant"]

    assert (partly["phone"], partly["email"]) == (None, "hola@example.com")
    assert nothing == partly


async def test_all_invalid_fields_are_reported_at_once_in_spanish(
    api: Api, database: asyncpg.Connection, owner: Person
) -> None:
    before = await one_row(database, "SELECT * FROM tenants")
    given = {"businessName": None, "businessType": None, "address": " ", "phone": "12", "email": "x"}

    answer = (await api.data(UPDATE, owner.token, "es", i=given))["updateTenant"]

    required = "Este campo es obligatorio."
    assert [(problem["field"], problem["message"]) for problem in answer["fields"]] == [
        ("businessName", required),
        ("businessType", required),
        ("address", required),
        ("phone", "No es un número de teléfono válido."),
        ("email", "No es un correo electrónico válido."),
    ]
    assert await one_row(database, "SELECT * FROM tenants") == before


async def test_the_event_records_the_changes(api: Api, database: asyncpg.Connection, owner: Person) -> None:
    await api.data(UPDATE, owner.token, i={"phone": "604 444 1234", "businessType": "TIENDA"})
    await api.data(UPDATE, owner.token, i={"phone": "604 444 1234"})

    event = await one_row(
        database,
        """SELECT "tenantId"::text, "subjectId"::text, "actorEmail", detail::text FROM audit_events
            WHERE action = 'tenant.updated'""",
    )

    assert tuple(event) == (
        owner.id,
        owner.id,
        owner.email,
        '{"changes": {"phone": [null, "+576044441234"]}}',
    )


@pytest.mark.parametrize(
    ("role", "code"),
    [
        ("MANAGER", "FORBIDDEN"),
        ("CASHIER", "FORBIDDEN"),
        ("SUPER_ADMIN", "FORBIDDEN"),
        (None, "UNAUTHENTICATED"),
    ],
)
async def test_only_its_admins_change_a_business(
    api: Api, database: asyncpg.Connection, owner: Person, role: str | None, code: str
) -> None:
    tenant_id = None if role == "SUPER_ADMIN" else owner.id
    token = (await hire(database, tenant_id, role)).token if role else None

    answer = await api.post(UPDATE, token, "es", i={"address": "x"})

    (error,) = answer["errors"]
    assert error["extensions"] == {"code": code}
    assert code == "UNAUTHENTICATED" or error["message"] == "No tiene permiso para hacer esto."
    assert await database.fetchval("SELECT address <> 'x' FROM tenants")


async def test_an_admin_who_is_not_the_owner_changes_it_too(
    api: Api, database: asyncpg.Connection, owner: Person
) -> None:
    admin = await hire(database, owner.id, "ADMIN")

    answer = await api.data(UPDATE, admin.token, i={"address": "Carrera 7"})

    assert answer["updateTenant"]["address"] == "Carrera 7"


# Large tenants


@pytest.mark.slow
async def test_pages_and_seats_cost_the_same_in_a_large_tenant(
    api: Api,
    database: asyncpg.Connection,
    server: EmbeddedServer,
    owner: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PostgreSQL reads no more for a page deep in a staff of 100,000 than for the first page.

    The seats of a small tenant cost the same beside a large one.
    """
    await database.execute(
        """INSERT INTO users (email, password, "firstName", "lastName", "tenantId", "createdAt")
        SELECT n || '@example.com', '', 'x', 'x', $1, now() + n * interval '1 s'
          FROM generate_series(1, 100000) n""",
        owner.id,
    )
    await database.execute("VACUUM ANALYZE users")
    deep = await database.fetchrow(
        'SELECT "createdAt", id FROM users ORDER BY "createdAt" OFFSET 99000 LIMIT 1'
    )
    assert deep is not None
    small = await api.register(registration(await issue_key(database)))
    asked: list[tuple[str, tuple[Any, ...]]] = []
    original = Engine.fetch

    async def fetch(engine: Engine, statement: str, *values: Any) -> Any:
        asked.append((statement, values))
        return await original(engine, statement, *values)

    monkeypatch.setattr(Engine, "fetch", fetch)
    page = "query($after: String) { viewer { tenant { staff(after: $after) { edges { cursor } } } } }"

    await api.data(page, owner.token)
    answer = await api.data(page, owner.token, after=write_cursor(Position(deep["createdAt"], deep["id"])))
    await api.data("{ viewer { tenant { seats { used } } } }", small["accessToken"])

    assert len(answer["viewer"]["tenant"]["staff"]["edges"]) == 20
    first_page, deep_page, seats = [await blocks_read(server, *one) for one in asked[1::2]]
    assert deep_page <= first_page + 5
    assert max(first_page, deep_page, seats) < 60


async def blocks_read(server: EmbeddedServer, statement: str, values: tuple[Any, ...]) -> int:
    """The number of blocks that PostgreSQL reads for a statement of the application."""
    connection = await asyncpg.connect(server.dsn())
    try:
        plan = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *values)
    finally:
        await connection.close()
    (explained,) = orjson.loads(plan)
    return explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"]
