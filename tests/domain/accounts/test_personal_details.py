"""Users change their own details."""

from typing import Any

import asyncpg
import pytest

from tests.domain.tenants.business import Business, open_business
from tests.support import Api, hire, one_row

pytestmark = pytest.mark.anyio

UPDATE_VIEWER = """
mutation($i: UpdateViewerInput!) { updateViewer(input: $i) { __typename
  ... on User { id firstName lastName documentId phoneNumber email role tenant { id } }
  ... on InvalidInput { fields { field code } } } }
"""


@pytest.fixture
async def business(api: Api, database: asyncpg.Connection) -> Business:
    return await open_business(api, database)


async def change(api: Api, token: str | None, **changes: Any) -> Any:
    return (await api.data(UPDATE_VIEWER, token, i=changes))["updateViewer"]


@pytest.mark.parametrize("who", ["owner", "admin", "manager", "cashier", "operator"])
async def test_everyone_changes_their_own_details(
    api: Api, database: asyncpg.Connection, business: Business, who: str
) -> None:
    person = business.people[who]
    others = await database.fetch("SELECT * FROM users WHERE id <> $1 ORDER BY id", person.id)
    given = {"firstName": " Zoé ", "lastName": "Ruiz", "documentId": "1.020", "phoneNumber": "300 123 4567"}

    answer = await change(api, person.token, **given)

    assert answer == {
        "__typename": "User",
        "id": person.id,
        "firstName": "Zoé",
        "lastName": "Ruiz",
        "documentId": "1.020",
        "phoneNumber": "+573001234567",
        "email": person.email,
        "role": "SUPER_ADMIN" if who == "operator" else "ADMIN" if who == "owner" else who.upper(),
        "tenant": None if who == "operator" else {"id": business.id},
    }
    shown = await api.data("{ viewer { firstName phoneNumber } }", person.token)
    assert shown["viewer"] == {"firstName": "Zoé", "phoneNumber": "+573001234567"}
    assert await database.fetch("SELECT * FROM users WHERE id <> $1 ORDER BY id", person.id) == others
    event = await one_row(database, "SELECT * FROM audit_events WHERE action LIKE 'account.%'")
    assert (event["action"], str(event["actorId"])) == ("account.updated", person.id)
    assert (str(event["tenantId"]), str(event["subjectId"])) == (
        "None" if who == "operator" else business.id,
        person.id,
    )
    assert '"documentId": [null, "1.020"]' in event["detail"]


async def test_omitted_fields_stay_and_null_clears(api: Api, business: Business) -> None:
    token = business.people["cashier"].token
    await change(api, token, documentId="1", phoneNumber="300 123 4567")

    cleared = await change(api, token, documentId=None)
    refused = await change(api, token, firstName=None, lastName=" ", phoneNumber="x")

    assert (cleared["documentId"], cleared["phoneNumber"]) == (None, "+573001234567")
    assert [(one["field"], one["code"]) for one in refused["fields"]] == [
        ("firstName", "REQUIRED"),
        ("lastName", "REQUIRED"),
        ("phoneNumber", "INVALID_PHONE"),
    ]


async def test_a_change_that_changes_nothing_records_no_event(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    for changes in ({}, {"firstName": "Luz"}):
        assert (await change(api, business.people["cashier"].token, **changes))["__typename"] == "User"

    assert await database.fetchval("SELECT count(*) FROM audit_events WHERE action LIKE 'account.%'") == 0


async def test_details_are_for_those_who_are_signed_in(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """A deactivated user is signed out."""
    idle = await hire(database, business.id, "CASHIER", isActive=False)
    for token in (None, idle.token):
        answer = await api.post(UPDATE_VIEWER, token, i={"firstName": ""})
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_the_tenant_sees_whose_change_it_was_after_the_person_left(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """A removed user is not taken for an operator."""
    cashier, owner = business.people["cashier"], business.people["owner"].token
    await change(api, cashier.token, firstName="Zoe")
    remove = "mutation($id: ID!) { removeStaff(id: $id) { __typename } }"
    await api.data(remove, owner, id=cashier.id)

    events = (await api.data("{ auditEvents { edges { node { action actorEmail } } } }", owner))[
        "auditEvents"
    ]

    shown = {edge["node"]["action"]: edge["node"]["actorEmail"] for edge in events["edges"]}
    assert shown["account.updated"] == cashier.email
