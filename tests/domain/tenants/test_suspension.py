"""Operators suspend and reactivate tenants."""

import asyncio

import asyncpg
import pytest

from tests.domain.tenants.documents import (
    DELETE,
    NOBODY,
    REACTIVATE,
    REQUEST,
    SEATS,
    SUSPEND,
    events,
    register_business,
)
from tests.support import Api, Person, hire, one_row

pytestmark = pytest.mark.anyio


async def test_suspension_and_reactivation_act_on_every_session_at_once(
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


async def test_no_change_of_a_business_is_committed_after_its_suspension(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    """Also none that began before it."""
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
    # The first update changes the address; the others change nothing.
    assert changed is None or changed < at
    assert (await api.post(update, owner.token))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\0b"])
async def test_a_suspension_requires_a_reason(api: Api, operator: str, owner: Person, reason: str) -> None:
    (error,) = (await api.post(SUSPEND, operator, id=owner.id, reason=reason))["errors"]

    assert error["extensions"]["code"] == "INVALID_ARGUMENT"
    assert "reason" in error["message"]
    assert (await api.viewer(owner.token))["tenant"]["businessName"] == "El Ahorro"


async def test_a_missing_tenant_is_not_found(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    """Also a deleted tenant, and a text that is not an id."""
    gone = await register_business(api, database)
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
