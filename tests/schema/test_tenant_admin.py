"""What operators do with tenants: list, suspend and delete them, and set their seats."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api.domain.cleanup import clean_up
from tests.cli.test_commands import failure, json_of, printed, type_in
from tests.support import PASSWORD, Api, Person, everything, hire, issue_key, one_row, registration

pytestmark = pytest.mark.anyio

LIST = """
query($first: Int!, $after: String, $filter: TenantFilter) {
  tenants(first: $first, after: $after, filter: $filter) {
    edges { node { businessName } } pageInfo { hasNextPage hasPreviousPage endCursor } totalCount } }
"""
SUSPEND = """
mutation($id: ID!, $reason: String!) { suspendTenant(id: $id, reason: $reason) {
  __typename ... on Tenant { id isActive suspendedReason } } }
"""
REACTIVATE = """
mutation($id: ID!) { reactivateTenant(id: $id) { __typename ... on Tenant { isActive suspendedReason } } }
"""
SEATS = """
mutation($id: ID!, $input: SetSeatsInput!) { setSeats(tenantId: $id, input: $input) { __typename
  ... on Tenant { seats { role used max } } ... on InvalidInput { fields { field code message } } } }
"""
REQUEST = """
mutation($id: ID!) { requestTenantDeletion(id: $id) { __typename ... on Accepted { message expiresAt }
  ... on InvalidInput { fields { field code } } } }
"""
DELETE = """
mutation($id: ID!, $code: String!) { deleteTenant(id: $id, code: $code) { __typename
  ... on Done { message } } }
"""
CREATE = "mutation($i: CreateStaffInput!) { createStaff(input: $i) { __typename } }"
NOBODY = "00000000-0000-4000-8000-000000000000"

TENANT = "query($id: ID!) { tenant(id: $id) { businessName } }"


@pytest.fixture
async def operator(database: asyncpg.Connection) -> str:
    return (await hire(database, None, "SUPER_ADMIN")).token


async def open_business(api: Api, database: asyncpg.Connection, **form: Any) -> Person:
    """A business, and its owner signed in; `id` is that of the business."""
    answer = await api.register(registration(await issue_key(database), **form))
    return Person(answer["tenant"]["id"], answer["user"]["email"], answer["accessToken"])


@pytest.fixture
async def owner(api: Api, database: asyncpg.Connection) -> Person:
    return await open_business(api, database, businessName="El Ahorro", nit="900.123.456-8")


async def events(database: asyncpg.Connection) -> list[str]:
    rows = await database.fetch(
        "SELECT action FROM audit_events WHERE action LIKE 'tenant.%' ORDER BY at, id"
    )
    return [row["action"] for row in rows]


# Listing


async def names(api: Api, operator: str, **wanted: Any) -> list[str]:
    """Of all that a filter finds; they are as many as it says that they are."""
    found = (await api.data(LIST, operator, first=100, filter=wanted))["tenants"]
    shown = [edge["node"]["businessName"] for edge in found["edges"]]
    assert found["totalCount"] == len(shown)
    return shown


async def test_tenants_are_listed_the_newest_first_and_by_filters(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    bodega = await open_business(
        api, database, businessName="La Bodega", businessEmail="hola@bodega.example.com"
    )
    gone = await open_business(api, database, businessName="El Sol")
    await database.execute('UPDATE tenants SET "isActive" = false WHERE id = $1', bodega.id)
    await database.execute('UPDATE tenants SET "deletedAt" = now() WHERE id = $1', gone.id)

    assert await names(api, operator) == ["La Bodega", "El Ahorro"]
    assert await names(api, operator, isActive=True) == ["El Ahorro"]
    assert await names(api, operator, isActive=False) == ["La Bodega"]
    assert await names(api, operator, isActive=None, search=None) == ["La Bodega", "El Ahorro"]
    for search in ("AHORRO", "900 123", "9001234568", owner.email.upper()):
        assert await names(api, operator, search=search) == ["El Ahorro"], search
    assert await names(api, operator, search="@BODEGA") == ["La Bodega"]
    assert await names(api, operator, search="bodega", isActive=True) == []
    for search in ("%", "_", "el sol", "\0", gone.email):
        assert await names(api, operator, search=search) == [], search


async def test_every_tenant_is_on_one_page(api: Api, operator: str, database: asyncpg.Connection) -> None:
    """Those as well that registered at the same moment; and whoever registers meanwhile moves nobody."""
    await database.execute(
        """INSERT INTO tenants ("businessName", nit, "businessType", address, "createdAt")
        SELECT n, n, 'TIENDA', 'x', now() - interval '1 day' * (n % 3) FROM generate_series(1, 25) n"""
    )
    seen: list[str] = []
    after, more = None, True
    while more:
        page = (await api.data(LIST, operator, first=7, after=after))["tenants"]
        seen += [edge["node"]["businessName"] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        await open_business(api, database)

    assert sorted(seen, key=int) == [str(number) for number in range(1, 26)]


# Suspension


async def test_a_suspension_acts_at_once_on_every_session_and_ends_as_it_began(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    cashier = await hire(database, owner.id, "CASHIER")
    before = await hire(database, owner.id, "MANAGER", isActive=False)

    suspended = (await api.data(SUSPEND, operator, id=owner.id, reason=" unpaid "))["suspendTenant"]
    assert suspended == {
        "__typename": "Tenant",
        "id": owner.id,
        "isActive": False,
        "suspendedReason": "unpaid",
    }
    assert [await api.viewer(person.token) for person in (owner, cashier)] == [None, None]
    login = await api.login(owner.email)
    assert (login["__typename"], login["reason"]) == ("TenantSuspended", "unpaid")
    again = await api.data(SUSPEND, operator, id=owner.id, reason="again")
    assert again["suspendTenant"]["__typename"] == "Conflict"

    reactivated = (await api.data(REACTIVATE, operator, id=owner.id))["reactivateTenant"]
    assert reactivated == {"__typename": "Tenant", "isActive": True, "suspendedReason": None}
    assert (await api.viewer(owner.token))["email"] == owner.email
    assert (await api.viewer(cashier.token))["email"] == cashier.email
    assert await api.viewer(before.token) is None
    again = await api.data(REACTIVATE, operator, id=owner.id)
    assert again["reactivateTenant"]["__typename"] == "Conflict"
    assert await events(database) == ["tenant.registered", "tenant.suspended", "tenant.reactivated"]


async def test_a_suspended_business_does_nothing_any_more(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    """Not even what it began before."""
    update = 'mutation { updateTenant(input: {address: "Elsewhere"}) { __typename } }'
    answers = await asyncio.gather(
        *(api.post(update, owner.token) for _ in range(5)),
        api.data(SUSPEND, operator, id=owner.id, reason="unpaid"),
        *(api.post(update, owner.token) for _ in range(5)),
    )
    at, changed = await one_row(
        database,
        """SELECT (SELECT at FROM audit_events WHERE action = 'tenant.suspended'),
                  (SELECT max(at) FROM audit_events WHERE action = 'tenant.updated')""",
    )

    assert answers[5]["suspendTenant"]["__typename"] == "Tenant"
    # The first of them changes the address, and the others find nothing to change.
    assert changed is None or changed < at
    assert (await api.post(update, owner.token))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\0b"])
async def test_a_suspension_has_a_reason(api: Api, operator: str, owner: Person, reason: str) -> None:
    (error,) = (await api.post(SUSPEND, operator, id=owner.id, reason=reason))["errors"]

    assert error["extensions"]["code"] == "INVALID_ARGUMENT"
    assert "reason" in error["message"]
    assert (await api.viewer(owner.token))["tenant"]["businessName"] == "El Ahorro"


async def test_what_is_not_there_cannot_be_changed(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    """Nor what is deleted; not even an id that is none."""
    gone = await open_business(api, database)
    await database.execute(
        'UPDATE tenants SET "deletedAt" = now(), "isActive" = false WHERE id = $1', gone.id
    )
    acts = [
        (SUSPEND, {"reason": "x"}, "suspendTenant"),
        (REACTIVATE, {}, "reactivateTenant"),
        (SEATS, {"input": {"maxAdmins": 3}}, "setSeats"),
        (DELETE, {"code": "123456"}, "deleteTenant"),
    ]
    for document, values, name in acts:
        for tenant_id in (NOBODY, "nothing", "\0"):
            answer = await api.data(document, operator, id=tenant_id, **values)
            assert answer[name]["__typename"] == "NotFound", (name, tenant_id)
        answer = await api.data(document, operator, id=gone.id, **values)
        assert answer[name]["__typename"] == ("Conflict" if name == "deleteTenant" else "NotFound"), name
    for tenant_id in (NOBODY, "nothing", gone.id):
        refused = (await api.data(REQUEST, operator, id=tenant_id))["requestTenantDeletion"]
        assert refused["fields"] == [{"field": "id", "code": "NOT_FOUND"}]


# Seats


async def test_seats_are_set_and_those_not_named_stay(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    answer = (await api.data(SEATS, operator, id=owner.id, input={"maxManagers": 5, "maxCashiers": None}))[
        "setSeats"
    ]

    assert answer["__typename"] == "InvalidInput"
    assert [(field["field"], field["code"]) for field in answer["fields"]] == [("maxCashiers", "REQUIRED")]
    answer = await api.data(SEATS, operator, id=owner.id, input={"maxManagers": 5, "maxAdmins": 1})
    assert answer["setSeats"]["seats"] == [
        {"role": "ADMIN", "used": 1, "max": 1},
        {"role": "MANAGER", "used": 0, "max": 5},
        {"role": "CASHIER", "used": 0, "max": 2},
    ]
    await api.data(SEATS, operator, id=owner.id, input={})
    assert await events(database) == ["tenant.registered", "tenant.seats_set"]
    (detail,) = await one_row(database, "SELECT detail FROM audit_events WHERE action = 'tenant.seats_set'")
    assert "maxManagers" in detail
    assert "maxAdmins" not in detail


@pytest.mark.parametrize(("value", "code"), [(-1, "TOO_SMALL"), (100_001, "TOO_LARGE")])
async def test_seats_have_bounds(api: Api, operator: str, owner: Person, value: int, code: str) -> None:
    answer = await api.data(SEATS, operator, id=owner.id, input={"maxAdmins": value})

    (field,) = answer["setSeats"]["fields"]
    assert (field["field"], field["code"]) == ("maxAdmins", code)
    assert "{" not in field["message"]


async def test_nobody_loses_a_seat(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    await hire(database, owner.id, "CASHIER")
    await hire(database, owner.id, "CASHIER", isActive=False)

    for input, expected in (  # noqa: A001
        ({"maxAdmins": 0}, "Conflict"),
        ({"maxCashiers": 0, "maxManagers": 7}, "Conflict"),
        ({"maxCashiers": 1}, "Tenant"),
    ):
        answer = await api.data(SEATS, operator, id=owner.id, input=input)
        assert answer["setSeats"]["__typename"] == expected
    row = await one_row(database, 'SELECT "maxAdmins", "maxManagers", "maxCashiers" FROM tenants')
    assert tuple(row) == (1, 1, 1)


async def test_seats_are_not_taken_away_while_they_are_taken(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    """Whichever comes first, no more people are active than there are seats."""
    form = {"firstName": "Eva", "lastName": "Sol", "role": "CASHIER", "password": PASSWORD}
    for turn in range(5):
        await api.data(SEATS, operator, id=owner.id, input={"maxCashiers": 2})
        await asyncio.gather(
            *(
                api.data(CREATE, owner.token, i={**form, "email": f"eva{turn}{number}@example.com"})
                for number in range(2)
            ),
            api.data(SEATS, operator, id=owner.id, input={"maxCashiers": turn % 2}),
        )
        used, most = await one_row(
            database,
            """SELECT (SELECT count(*) FROM users WHERE role = 'CASHIER' AND "isActive"), "maxCashiers"
                 FROM tenants""",
        )
        assert used <= most
        await database.execute("DELETE FROM users WHERE role = 'CASHIER'")


# Deletion


async def code_for(api: Api, operator: str, database: asyncpg.Connection, tenant_id: str) -> str:
    answer = (await api.data(REQUEST, operator, id=tenant_id))["requestTenantDeletion"]
    assert answer["__typename"] == "Accepted"
    assert answer["expiresAt"]
    (code,) = await one_row(
        database,
        """SELECT "values"->>'code' FROM mails WHERE template = 'tenant_deletion_code'
        ORDER BY "createdAt" DESC LIMIT 1""",
    )
    return code


async def delete(api: Api, operator: str, tenant_id: str, code: str) -> str:
    return (await api.data(DELETE, operator, id=tenant_id, code=code))["deleteTenant"]["__typename"]


async def test_a_deleted_tenant_is_hidden_and_signed_out_at_once(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    code = await code_for(api, operator, database, owner.id)
    recipient, values = await one_row(
        database, """SELECT recipient, "values" FROM mails WHERE template = 'tenant_deletion_code'"""
    )
    assert recipient == await database.fetchval("SELECT email FROM users WHERE role = 'SUPER_ADMIN'")
    assert "El Ahorro" in values

    assert await delete(api, operator, owner.id, code) == "Done"

    assert await api.viewer(owner.token) is None
    assert (await api.login(owner.email))["__typename"] == "WrongCredentials"
    assert (await api.data(TENANT, operator, id=owner.id))["tenant"] is None
    assert await names(api, operator) == []
    assert await database.fetchval('SELECT count(*) FROM sessions WHERE "revokedAt" IS NULL') == 1
    assert await delete(api, operator, owner.id, code) == "Conflict"
    # Its tax id and its emails are its own until it is erased.
    taken = await api.register(registration(await issue_key(database), nit="9001234568"))
    assert taken["__typename"] == "NitTaken"
    taken = await api.register(registration(await issue_key(database), email=owner.email))
    assert taken["__typename"] == "EmailTaken"
    assert await events(database) == ["tenant.registered", "tenant.deletion_requested", "tenant.deleted"]


async def test_a_code_deletes_one_tenant_for_one_operator(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    other = await open_business(api, database)
    colleague = (await hire(database, None, "SUPER_ADMIN")).token
    code = await code_for(api, operator, database, owner.id)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"

    assert await delete(api, operator, other.id, code) == "WrongCode"
    assert await delete(api, colleague, owner.id, code) == "WrongCode"
    assert await delete(api, operator, owner.id, wrong) == "WrongCode"
    assert await delete(api, operator, owner.id, "\0") == "WrongCode"
    assert len(await names(api, operator)) == 2
    assert await delete(api, operator, owner.id, code) == "Done"
    assert len(await names(api, operator)) == 1


async def test_a_code_is_no_good_to_whoever_has_the_address_now(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    """It was mailed to the operator who had it then."""
    code = await code_for(api, operator, database, owner.id)
    address = await database.fetchval("SELECT email FROM users WHERE role = 'SUPER_ADMIN'")
    await database.execute("UPDATE users SET email = 'gone@example.com' WHERE email = $1", address)
    successor = await hire(database, None, "SUPER_ADMIN")
    await database.execute("UPDATE users SET email = $1 WHERE id = $2", address, successor.id)

    assert await delete(api, successor.token, owner.id, code) == "WrongCode"
    assert await names(api, successor.token) == ["El Ahorro"]


async def test_a_code_deletes_once_among_many_at_once(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    code = await code_for(api, operator, database, owner.id)

    ended = await asyncio.gather(*(delete(api, operator, owner.id, code) for _ in range(10)))

    assert sorted(ended).count("Done") == 1
    assert set(ended) <= {"Done", "Conflict", "WrongCode"}
    assert (await events(database)).count("tenant.deleted") == 1


async def test_codes_and_guesses_are_limited(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person, settings: Callable[..., None]
) -> None:
    settings(RATE_LIMITS="on", RATE_LIMIT_CODES="2/hour")
    await code_for(api, operator, database, owner.id)
    code = await code_for(api, operator, database, owner.id)

    refused = (await api.data(REQUEST, operator, id=owner.id))["requestTenantDeletion"]
    assert refused["__typename"] == "RateLimited"
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    tried = [await delete(api, operator, owner.id, wrong) for _ in range(5)]
    assert tried == ["WrongCode"] * 5
    assert await delete(api, operator, owner.id, code) == "WrongCode"


async def test_nobody_signs_in_while_a_tenant_is_deleted(
    api: Api, database: asyncpg.Connection, owner: Person
) -> None:
    """Whoever got in just before it is signed out by it."""
    deleting = asyncio.create_task(asyncio.to_thread(printed, "tenants", "delete", owner.id, "--yes"))
    tokens: list[str] = []
    while not deleting.done():
        signed_in = await api.login(owner.email)
        tokens += [signed_in["accessToken"]] if signed_in["__typename"] == "SignedIn" else []
    await deleting

    assert tokens
    assert [await api.viewer(token) for token in tokens] == [None] * len(tokens)
    await asyncio.to_thread(printed, "tenants", "restore", owner.id)
    assert [await api.viewer(token) for token in tokens] == [None] * len(tokens)


async def test_a_restored_tenant_is_as_it_was(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    idle = await hire(database, owner.id, "CASHIER", isActive=False)
    before = await one_row(database, 'SELECT "isActive", "maxAdmins", address FROM tenants')
    printed("tenants", "delete", "900.123.456-8", "--yes")
    assert "already deleted" in failure("tenants", "delete", owner.id, "--yes")

    printed("tenants", "restore", "900123456-8")

    assert await one_row(database, 'SELECT "isActive", "maxAdmins", address FROM tenants') == before
    assert (await api.login(owner.email))["__typename"] == "SignedIn"
    assert await api.viewer(owner.token) is None
    assert await api.viewer(idle.token) is None
    assert "is not deleted" in failure("tenants", "restore", owner.id)
    assert (await events(database))[1:] == ["tenant.deleted", "tenant.restored"]


@pytest.mark.parametrize("since", ["now()", "NULL"])
async def test_a_suspended_tenant_comes_back_suspended(
    api: Api, database: asyncpg.Connection, owner: Person, since: str
) -> None:
    """Also one of an old system, that did not note since when."""
    await database.execute(
        f"""UPDATE tenants SET "isActive" = false, "suspendedAt" = {since}, "suspendedReason" = 'unpaid'"""
    )

    for act in (["delete", "--yes"], ["restore"]):
        printed("tenants", *act, owner.id)

    login = await api.login(owner.email)
    assert (login["__typename"], login["reason"]) == ("TenantSuspended", "unpaid")


async def test_an_erased_tenant_leaves_its_tax_id_and_emails_to_others(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    other = await open_business(api, database)
    waiting = await open_business(api, database)
    await hire(database, owner.id, "CASHIER")
    for person in (owner, waiting):
        printed("tenants", "delete", person.id, "--yes")
    await database.execute(
        """UPDATE tenants SET "deletedAt" = now() - interval '30 days 1 minute' WHERE id = $1""", owner.id
    )
    await database.execute(
        """UPDATE tenants SET "deletedAt" = now() - interval '29 days 23 hours' WHERE id = $1""", waiting.id
    )

    await clean_up()
    await clean_up()

    assert {str(row["id"]) for row in await database.fetch("SELECT id FROM tenants")} == {
        other.id,
        waiting.id,
    }
    people = 'SELECT count(*) FROM users WHERE "tenantId" = $1'
    assert await database.fetchval(people, owner.id) == 0
    assert (await database.fetchval(people, other.id), await database.fetchval(people, waiting.id)) == (1, 1)
    assert (await events(database)).count("tenant.erased") == 1
    assert "no tenant" in failure("tenants", "restore", owner.id)
    form = registration(await issue_key(database), nit="900123456-8", email=owner.email)
    assert (await api.register(form))["__typename"] == "Registration"
    used = """SELECT count(*) FROM beta_keys WHERE "isUsed" AND "usedByTenantId" IS NULL"""
    assert await database.fetchval(used) == 1


async def test_an_erasure_is_whole_or_not_at_all(
    api: Api, database: asyncpg.Connection, owner: Person
) -> None:
    """And what stops one stays for the next time."""
    printed("tenants", "delete", owner.id, "--yes")
    await database.execute("""UPDATE tenants SET "deletedAt" = now() - interval '1 year'""")
    await database.execute(
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE TRIGGER refuse BEFORE DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION refuse()"""
    )

    with pytest.raises(asyncpg.RaiseError):
        await clean_up()

    assert await database.fetchval("SELECT count(*) FROM users") == 1
    await database.execute("DROP TRIGGER refuse ON tenants")
    await clean_up()
    assert await database.fetchval("SELECT count(*) FROM users") == 0


async def test_a_tenant_that_cannot_be_erased_holds_no_other_up(
    api: Api, database: asyncpg.Connection, owner: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """A table of an old system may refer to its people; the log says which, and the next time tries again."""
    other = await api.register(registration(await issue_key(database)))
    for tenant_id in (owner.id, other["tenant"]["id"]):
        printed("tenants", "delete", tenant_id, "--yes")
    # The one that cannot be erased is due first.
    await database.execute(
        """UPDATE tenants SET "deletedAt" = now() - interval '1 year' - (id = $1)::int * interval '1 day'""",
        UUID(owner.id),
    )
    await database.execute("CREATE TABLE orders (seller uuid REFERENCES users)")
    await database.execute('INSERT INTO orders SELECT id FROM users WHERE "tenantId" = $1', UUID(owner.id))
    try:
        await clean_up()
        left = await database.fetch("SELECT id FROM tenants")
        assert [str(row["id"]) for row in left] == [owner.id]
        assert await database.fetchval("SELECT count(*) FROM users") == 1
        logged = everything(caplog.records)
        assert "cannot be erased" in logged
        assert "orders" in logged
    finally:
        await database.execute("DROP TABLE orders")
    await clean_up()
    assert await database.fetchval("SELECT count(*) FROM tenants") == 0


# At a terminal


async def test_the_commands_do_what_the_api_does(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    shown = json_of("tenants", "show", "900123456-8")
    assert (shown["id"], shown["owner"]["email"]) == (owner.id, owner.email)
    assert shown["seats"][0] == {"role": "ADMIN", "used": 1, "max": 1}

    assert json_of("tenants", "suspend", owner.id, "--reason", "unpaid")["suspendedReason"] == "unpaid"
    assert await api.viewer(owner.token) is None
    assert "already suspended" in failure("tenants", "suspend", owner.id, "--reason", "unpaid")
    (listed,) = json_of("tenants", "list", "--suspended", "--search", "ahorro")
    assert listed["isActive"] is False
    assert json_of("tenants", "list", "--active") == []

    assert json_of("tenants", "reactivate", owner.id)["isActive"] is True
    assert "is not suspended" in failure("tenants", "reactivate", owner.id)
    seats = json_of("tenants", "seats", owner.id, "--managers", "4")["seats"]
    assert [seat["max"] for seat in seats] == [1, 4, 2]
    assert "more active staff" in failure("tenants", "seats", owner.id, "--admins", "0")
    assert "maxAdmins" in failure("tenants", "seats", owner.id, "--admins", "-1")


async def test_a_command_for_a_deleted_tenant_says_how_to_have_it_back(owner: Person) -> None:
    printed("tenants", "delete", owner.id, "--yes")

    for words in (["suspend", "--reason", "unpaid"], ["reactivate"], ["seats", "--admins", "3"]):
        assert "gatehouse tenants restore 9001234568" in failure("tenants", *words, "9001234568")


async def test_a_table_tells_what_matters(database: asyncpg.Connection, owner: Person) -> None:
    table = printed("tenants", "list")

    for told in ("9001234568", "El Ahorro", "admin 1/1"):
        assert told in table
    printed("tenants", "delete", owner.id, "--yes")
    assert "El Ahorro" not in printed("tenants", "list")
    assert "deleted" in printed("tenants", "list", "--deleted")


async def test_a_deletion_is_asked_about(api: Api, owner: Person) -> None:
    for answer in ("n\n", ""):
        asked = type_in("tenants", "delete", owner.id, typed=answer)
        assert asked.returncode == 1
        assert "El Ahorro, tax id 9001234568" in asked.stderr
        assert (await api.viewer(owner.token)) is not None
    assert type_in("tenants", "delete", owner.id, typed="y\n").returncode == 0
    assert await api.viewer(owner.token) is None


@pytest.mark.parametrize("which", ["900999999", NOBODY, "", "x\udcffy", "--", "…"])
async def test_an_unknown_tenant_is_told_in_one_line(database: asyncpg.Connection, which: str) -> None:
    told = failure("tenants", "show", "--", which)

    assert "not found" in told
    assert "gatehouse tenants list" in told
