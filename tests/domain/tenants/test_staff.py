"""The staff of a tenant: which roles manage which, and pages of staff."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.domain.tenants.business import CREATE, REMOVE, UPDATE, Business, new_staff, outcome
from tests.support import Api, Person, hire, one_row, until_waiting

pytestmark = pytest.mark.anyio


# Authorisation

WHO_MAY = """
act         whom      | owner        admin        manager      cashier   | operator
create      ADMIN     | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
create      MANAGER   | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
create      CASHIER   | ok           ok           ok           FORBIDDEN | FORBIDDEN
create      OPERATOR  | InvalidInput InvalidInput InvalidInput FORBIDDEN | FORBIDDEN
rename      owner     | ok           FORBIDDEN    FORBIDDEN    FORBIDDEN | FORBIDDEN
rename      admin     | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
rename      manager   | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
rename      cashier   | ok           ok           ok           FORBIDDEN | FORBIDDEN
rename      self      | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
demote      owner     | Conflict     Conflict     FORBIDDEN    FORBIDDEN | FORBIDDEN
demote      admin     | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
demote      manager   | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
demote      self      | Conflict     Conflict     FORBIDDEN    FORBIDDEN | FORBIDDEN
promote     manager   | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
promote     cashier   | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
promote     self      | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
empower     cashier   | InvalidInput InvalidInput InvalidInput FORBIDDEN | FORBIDDEN
empower     self      | InvalidInput InvalidInput FORBIDDEN    FORBIDDEN | FORBIDDEN
deactivate  owner     | Conflict     Conflict     FORBIDDEN    FORBIDDEN | FORBIDDEN
deactivate  admin     | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
deactivate  manager   | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
deactivate  cashier   | ok           ok           ok           FORBIDDEN | FORBIDDEN
deactivate  self      | Conflict     Conflict     FORBIDDEN    FORBIDDEN | FORBIDDEN
remove      owner     | Conflict     Conflict     FORBIDDEN    FORBIDDEN | FORBIDDEN
remove      admin     | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
remove      manager   | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
remove      cashier   | ok           ok           ok           FORBIDDEN | FORBIDDEN
remove      self      | Conflict     Conflict     FORBIDDEN    FORBIDDEN | FORBIDDEN
"""
"""Promoting sets the role ADMIN, so it changes nothing for the owner and for admins."""

_HEAD, *_ROWS = [line.replace("|", " ").split() for line in WHO_MAY.split("\n") if line]

CASES = [
    (act, whom, actor, expected)
    for act, whom, *outcomes in _ROWS
    for actor, expected in [*zip(_HEAD[2:], outcomes, strict=True), ("nobody", "UNAUTHENTICATED")]
]

CHANGES = {
    "rename": {"firstName": "Zoe"},
    "demote": {"role": "CASHIER"},
    "promote": {"role": "ADMIN"},
    "empower": {"role": "SUPER_ADMIN"},
    "deactivate": {"isActive": False},
}


async def act_on(api: Api, business: Business, act: str, whom: str, actor: str) -> dict[str, Any]:
    token = business.people[actor].token if actor in business.people else None
    if act == "create":
        return await api.post(CREATE, token, i=new_staff({"OPERATOR": "SUPER_ADMIN"}.get(whom, whom)))
    # For the actor's own kind, the subject is another user; there is only one owner.
    name = actor if whom == "self" else f"another {whom}" if f"another {whom}" in business.people else whom
    subject = business.people.get(name, business.people["cashier"])
    if act == "remove":
        return await api.post(REMOVE, token, id=subject.id)
    return await api.post(UPDATE, token, id=subject.id, i=CHANGES[act])


async def people_and_record(database: asyncpg.Connection) -> tuple[list[Any], list[Any]]:
    events = """SELECT "actorId", "tenantId", action FROM audit_events
                 WHERE action NOT IN ('tenant.registered', 'beta_key.used', 'session.opened')"""
    return await database.fetch("SELECT * FROM users ORDER BY id"), await database.fetch(events)


@pytest.mark.parametrize(("act", "whom", "actor", "expected"), CASES)
async def test_each_role_manages_the_roles_of_the_table(
    api: Api, database: asyncpg.Connection, business: Business, act: str, whom: str, actor: str, expected: str
) -> None:
    """A refused act changes nothing, and a successful one records an event with its actor."""
    before, _ = await people_and_record(database)

    answer = await act_on(api, business, act, whom, actor)

    after, record = await people_and_record(database)
    assert outcome(answer) == expected
    if expected != "ok" or (act, whom) == ("promote", "self"):
        assert (after, record) == (before, [])
    else:
        done = {"create": "staff.created", "remove": "staff.removed"}.get(act, "staff.updated")
        assert after != before
        assert [(str(actor_id), str(tenant_id), action) for actor_id, tenant_id, action in record] == [
            (business.people[actor].id, business.id, done)
        ]


def test_the_table_has_every_role_and_every_act() -> None:
    assert len(CASES) == 6 * 28
    assert {act for act, *_ in CASES} == {"create", "remove", *CHANGES}


# Creating


async def test_a_new_cashier_signs_in(api: Api, database: asyncpg.Connection, business: Business) -> None:
    form = new_staff(email=" Eva@Example.com ", phoneNumber="300 123 4567", documentId="123")

    created = (await api.data(CREATE, business.people["manager"].token, i=form))["createStaff"]
    signed_in = await api.login("eva@example.com")

    assert created | {"id": "", "tenant": {}} == {
        "__typename": "User",
        "id": "",
        "email": "Eva@example.com",
        "firstName": "Eva",
        "role": "CASHIER",
        "isOwner": False,
        "isActive": True,
        "tenant": {},
    }
    assert created["tenant"]["id"] == business.id
    assert {"role": "CASHIER", "used": 3, "max": 10} in created["tenant"]["seats"]
    assert signed_in["__typename"] == "SignedIn"
    row = await one_row(database, f"SELECT * FROM users WHERE id = '{created['id']}'")
    assert str(row["tenantId"]) == business.id
    assert (row["phoneNumber"], row["documentId"]) == ("+573001234567", "123")
    assert row["password"].startswith("$argon2id$")


async def test_all_invalid_fields_are_reported_at_once(api: Api, business: Business) -> None:
    form = {"email": "x", "firstName": "", "lastName": "😀", "role": "SUPER_ADMIN", "password": "x"}
    form |= {"phoneNumber": "12", "documentId": "x" * 21}

    answer = (await api.data(CREATE, business.people["owner"].token, i=form))["createStaff"]

    assert answer["__typename"] == "InvalidInput"
    assert {problem["field"]: problem["code"] for problem in answer["fields"]} == {
        "email": "INVALID_EMAIL",
        "firstName": "REQUIRED",
        "lastName": "INVALID_CHARACTERS",
        "role": "INVALID_CHOICE",
        "password": "TOO_SHORT",
        "phoneNumber": "INVALID_PHONE",
        "documentId": "TOO_LONG",
    }


async def test_an_email_address_is_unique_across_tenants(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    other = await hire(database, None, "SUPER_ADMIN", email="ana.p@example.com")

    answer = await api.post(CREATE, business.people["owner"].token, i=new_staff(email=other.email.upper()))

    assert outcome(answer) == "EmailTaken"
    assert await database.fetchval("SELECT count(*) FROM audit_events WHERE action = 'staff.created'") == 0


async def test_the_events_record_the_changes_and_no_password(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    token = business.people["owner"].token
    created = (await api.data(CREATE, token, i=new_staff()))["createStaff"]
    await api.data(UPDATE, token, id=created["id"], i={"firstName": "Zoe", "role": "MANAGER"})
    await api.data(REMOVE, token, id=created["id"])

    events = await database.fetch(
        """SELECT action, detail::text, "subjectId"::text, "actorEmail" FROM audit_events
            WHERE action LIKE 'staff.%' ORDER BY at"""
    )

    who = (created["id"], business.people["owner"].email)
    assert [tuple(event) for event in events] == [
        ("staff.created", '{"role": "CASHIER", "email": "eva@example.com"}', *who),
        ("staff.updated", '{"changes": {"role": ["CASHIER", "MANAGER"], "firstName": ["Eva", "Zoe"]}}', *who),
        ("staff.removed", '{"role": "MANAGER", "email": "eva@example.com"}', *who),
    ]


# Updating


async def test_problems_of_fields_are_for_those_who_may_change_the_user(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """First the viewer and the user, then the fields."""
    bad = {"firstName": "", "phoneNumber": "x"}
    foreign = await hire(database, None, "CASHIER")
    cases = [
        ("manager", business.people["admin"].id, bad, "FORBIDDEN"),
        ("manager", business.people["cashier"].id, {**bad, "role": "ADMIN"}, "FORBIDDEN"),
        ("cashier", business.people["cashier"].id, bad, "FORBIDDEN"),
        ("operator", business.people["cashier"].id, bad, "FORBIDDEN"),
        ("admin", business.people["owner"].id, bad, "FORBIDDEN"),
        ("owner", foreign.id, bad, "NotFound"),
        ("owner", "no id", bad, "NotFound"),
        ("manager", business.people["cashier"].id, bad, "InvalidInput"),
    ]
    for actor, subject, changes, expected in cases:
        answer = await api.post(UPDATE, business.people[actor].token, id=subject, i=changes)
        assert outcome(answer) == expected, (actor, expected)


async def test_omitted_fields_stay_and_null_clears(api: Api, business: Business) -> None:
    owner, cashier = business.people["owner"].token, business.people["cashier"]
    given = {"documentId": "123", "phoneNumber": "300 123 4567"}

    filled = (await api.data(UPDATE, owner, id=cashier.id, i=given))["updateStaff"]
    partly = (await api.data(UPDATE, owner, id=cashier.id, i={"documentId": None}))["updateStaff"]
    blank = (await api.data(UPDATE, owner, id=cashier.id, i={"phoneNumber": " "}))["updateStaff"]

    assert (filled["documentId"], filled["phoneNumber"]) == ("123", "+573001234567")
    assert (partly["documentId"], partly["phoneNumber"]) == (None, "+573001234567")
    assert (blank["documentId"], blank["phoneNumber"]) == (None, None)
    assert blank["lastName"] == filled["lastName"]


async def test_required_fields_cannot_be_cleared(api: Api, business: Business) -> None:
    given = dict.fromkeys(["firstName", "lastName", "role", "isActive", "documentId", "phoneNumber"])

    answer = await api.data(
        UPDATE, business.people["owner"].token, id=business.people["cashier"].id, i=given, language="es"
    )

    problems = [(problem["field"], problem["message"]) for problem in answer["updateStaff"]["fields"]]
    required = "Este campo es obligatorio."
    assert problems == [(name, required) for name in ("firstName", "lastName", "role", "isActive")]


async def test_an_update_that_changes_nothing_records_no_event(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    before = await people_and_record(database)

    for given in ({}, {"role": "CASHIER", "isActive": True, "firstName": "Luz"}):
        answer = await api.post(
            UPDATE, business.people["owner"].token, id=business.people["cashier"].id, i=given
        )
        assert outcome(answer) == "ok"

    assert await people_and_record(database) == before


# Access ends


@pytest.mark.parametrize("act", ["deactivate", "remove"])
async def test_access_ends_at_the_next_request(api: Api, business: Business, act: str) -> None:
    cashier = business.people["another cashier"]
    assert await api.viewer(cashier.token) is not None

    answer = await act_on(api, business, act, "cashier", "manager")

    assert outcome(answer) == "ok"
    assert await api.viewer(cashier.token) is None


async def test_a_reactivated_user_has_to_sign_in_again(api: Api, business: Business) -> None:
    """A lost device stays signed out."""
    token, cashier = business.people["manager"].token, business.people["cashier"]
    for active in (False, True):
        await api.data(UPDATE, token, id=cashier.id, i={"isActive": active})

    assert await api.viewer(cashier.token) is None


async def test_only_events_remain_of_a_removed_user(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """Their sessions are deleted, and their address can be used again."""
    token, cashier = business.people["manager"].token, business.people["cashier"]

    await api.data(REMOVE, token, id=cashier.id)
    again = await api.post(REMOVE, token, id=cashier.id)
    created = await api.post(CREATE, token, i=new_staff(email=cashier.email))

    assert (outcome(again), outcome(created)) == ("NotFound", "ok")
    assert await database.fetchval('SELECT count(*) FROM sessions WHERE "userId" = $1', cashier.id) == 0
    assert (
        await database.fetchval("SELECT detail->>'email' FROM audit_events WHERE action = 'staff.removed'")
        == cashier.email
    )


async def test_a_user_to_whom_tables_of_the_old_system_refer_can_only_be_deactivated(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    token, cashier = business.people["manager"].token, business.people["cashier"]
    await database.execute('CREATE TABLE orders ("userId" uuid REFERENCES users (id))')
    try:
        await database.execute("INSERT INTO orders VALUES ($1)", cashier.id)
        removed = await api.post(REMOVE, token, id=cashier.id)
        deactivated = await api.post(UPDATE, token, id=cashier.id, i={"isActive": False})
    finally:
        await database.execute("DROP TABLE orders")

    assert [outcome(answer) for answer in (removed, deactivated)] == ["Conflict", "ok"]


OPEN_SESSIONS = 'SELECT count(*) FROM sessions WHERE "userId" = $1 AND "revokedAt" IS NULL'


async def able_to_sign_in(database: asyncpg.Connection, business: Business) -> Person:
    """A cashier with the owner's password."""
    hashed = await database.fetchval('SELECT password FROM users WHERE "isOwner"')
    return await hire(database, business.id, "CASHIER", password=hashed)


async def test_a_user_who_is_deactivated_during_sign_in_gets_no_session(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """The password was verified already; the session would be valid after a reactivation."""
    person = await able_to_sign_in(database, business)
    async with asyncio.TaskGroup() as tasks, database.transaction():
        await database.execute('UPDATE users SET "isActive" = false WHERE id = $1', person.id)
        await database.execute('UPDATE sessions SET "revokedAt" = now() WHERE "userId" = $1', person.id)
        signing_in = tasks.create_task(api.login(person.email))
        await until_waiting(database)

    assert signing_in.result()["__typename"] == "WrongCredentials"
    assert await database.fetchval(OPEN_SESSIONS, person.id) == 0


async def test_deactivation_also_ends_a_session_that_is_being_opened(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """The deactivation waits for the session, and then ends it."""
    person = await able_to_sign_in(database, business)
    async with asyncio.TaskGroup() as tasks, database.transaction():
        # Sessions can be read, and none can be written.
        await database.execute("LOCK TABLE sessions IN SHARE MODE")
        tasks.create_task(api.login(person.email))
        await until_waiting(database, 1)
        owner = business.people["owner"].token
        ending = tasks.create_task(api.post(UPDATE, owner, id=person.id, i={"isActive": False}))
        await until_waiting(database, 2)

    assert outcome(ending.result()) == "ok"
    assert await database.fetchval(OPEN_SESSIONS, person.id) == 0


UPDATE_TENANT = 'mutation { updateTenant(input: {address: "Elsewhere"}) { __typename } }'


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE users SET role = 'CASHIER' WHERE id = $2 AND \"tenantId\" = $1", "FORBIDDEN"),
        ('UPDATE users SET "isActive" = false WHERE id = $2 AND "tenantId" = $1', "UNAUTHENTICATED"),
        ('UPDATE tenants SET "isActive" = false WHERE id = $1 AND $2::uuid IS NOT NULL', "UNAUTHENTICATED"),
    ],
    ids=["demoted", "deactivated", "suspended"],
)
@pytest.mark.parametrize("act", ["create", "rename", "remove", "update the tenant"])
async def test_an_act_that_waits_for_a_lock_is_authorised_after_the_wait(
    api: Api, database: asyncpg.Connection, business: Business, act: str, change: str, expected: str
) -> None:
    """If not, a request that waits could still promote a user after its actor was demoted."""
    admin = business.people["admin"]
    untouched = "SELECT t.*, u.* FROM tenants t, users u WHERE u.id <> $1 ORDER BY u.id"
    async with asyncio.TaskGroup() as tasks, database.transaction():
        await database.execute("SELECT FROM tenants WHERE id = $1 FOR UPDATE", business.id)
        acting = tasks.create_task(
            api.post(UPDATE_TENANT, admin.token)
            if act == "update the tenant"
            else act_on(api, business, act, "MANAGER" if act == "create" else "manager", "admin")
        )
        await until_waiting(database)
        await database.execute(change, business.id, admin.id)
        before = await database.fetch(untouched, admin.id)

    assert outcome(acting.result()) == expected
    assert await database.fetch(untouched, admin.id) == before


# Pages

STAFF = """
query($first: Int!, $after: String) { viewer { tenant { staff(first: $first, after: $after) {
  edges { cursor node { id } } totalCount
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } }
"""


async def test_pages_contain_each_user_once_in_the_order_of_creation(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """Also users with the same time; a user who is created between two pages comes last."""
    # This time has a fraction that no float represents.
    await database.execute(
        """UPDATE users SET "createdAt" = '2026-01-02 03:04:05.000001+00' WHERE NOT "isOwner" """
    )
    token = business.people["cashier"].token
    seen: list[str] = []
    flags: list[tuple[bool, bool]] = []
    after = None
    while not flags or flags[-1][1]:
        page = (await api.data(STAFF, token, first=3, after=after))["viewer"]["tenant"]["staff"]
        cursors = [edge["cursor"] for edge in page["edges"]]
        info = page["pageInfo"]
        assert (info["startCursor"], info["endCursor"]) == (cursors[0], cursors[-1])
        assert page["totalCount"] == 7 + len(flags)
        seen += [edge["node"]["id"] for edge in page["edges"]]
        flags.append((info["hasPreviousPage"], info["hasNextPage"]))
        after = info["endCursor"]
        await hire(database, business.id, "CASHIER", firstName="Late")

    everybody = await database.fetch(
        'SELECT id::text FROM users WHERE "tenantId" = $1 ORDER BY "createdAt", id', business.id
    )
    assert seen == [row["id"] for row in everybody[:9]]
    assert flags == [(False, True), (True, True), (True, False)]


async def test_the_page_after_the_last_user_is_empty(api: Api, business: Business) -> None:
    token = business.people["owner"].token
    page = (await api.data(STAFF, token, first=100))["viewer"]["tenant"]["staff"]

    end = await api.data(STAFF, token, first=1, after=page["pageInfo"]["endCursor"])

    assert end["viewer"]["tenant"]["staff"] == {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None},
        "totalCount": 7,
    }


@pytest.mark.parametrize("first", [0, -1, 101, 2**31 - 1])
async def test_a_page_has_one_to_a_hundred_users(api: Api, business: Business, first: int) -> None:
    token = business.people["owner"].token

    (error,) = (await api.post(STAFF, token, first=first))["errors"]
    (spanish,) = (await api.post(STAFF, token, "es", first=first))["errors"]

    assert error["message"] == "first must be between 1 and 100."
    assert error["extensions"] == {"code": "INVALID_ARGUMENT"}
    assert spanish["message"] == "first debe estar entre 1 y 100."


@pytest.mark.parametrize("after", ["", "x", "!", "á", "AAAA", "\x00", "g" + "A" * 31, "A" * 10_000])
async def test_an_invalid_cursor_is_an_invalid_argument(api: Api, business: Business, after: str) -> None:
    answer = await api.post(STAFF, business.people["owner"].token, first=1, after=after)

    (error,) = answer["errors"]
    assert error["message"] == "after is not a cursor of this list."
    assert error["path"] == ["viewer", "tenant", "staff"]


async def test_the_owner_is_shown_with_the_tenant(api: Api, business: Business) -> None:
    query = "{ viewer { tenant { id owner { id isOwner tenant { id } } } } }"

    answer = await api.data(query, business.people["cashier"].token)

    owner = {"id": business.people["owner"].id, "isOwner": True, "tenant": {"id": business.id}}
    assert answer["viewer"]["tenant"] == {"id": business.id, "owner": owner}


async def test_a_mutation_answers_fresh_data_after_an_earlier_one(api: Api, business: Business) -> None:
    """Each mutation of a request answers the state after it."""
    query = """mutation($a: CreateStaffInput!, $b: CreateStaffInput!) {
        a: createStaff(input: $a) { ...seats } b: createStaff(input: $b) { ...seats } }
        fragment seats on User { tenant { seats { used } staff { totalCount } } }"""

    answer = await api.data(
        query, business.people["owner"].token, a=new_staff(), b=new_staff(email="eve@example.com")
    )

    assert [answer[name]["tenant"]["seats"][2]["used"] for name in "ab"] == [3, 4]
    assert [answer[name]["tenant"]["staff"]["totalCount"] for name in "ab"] == [8, 9]
