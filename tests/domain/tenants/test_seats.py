"""Seats: how many active staff of each role a tenant may have."""

import asyncio

import asyncpg
import pytest

from tests.domain.tenants.business import CREATE, UPDATE, new_staff, open_business, outcome
from tests.domain.tenants.documents import SEATS, events
from tests.support import PASSWORD, Api, Person, hire, one_row

pytestmark = pytest.mark.anyio


async def test_without_a_free_seat_no_user_is_created(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No password is hashed, and the response does not reveal whether the address has an account."""
    from api.domain.tenants import staff

    business = await open_business(api, database, seats=2)
    hashed: list[str] = []
    monkeypatch.setattr(staff, "hash_password", hashed.append)
    form = new_staff(email=business.people["cashier"].email)

    english = (await api.data(CREATE, business.people["manager"].token, i=form))["createStaff"]
    spanish = (await api.data(CREATE, business.people["owner"].token, "es", i=form))["createStaff"]

    assert english == {
        "__typename": "NoSeat",
        "code": "NO_SEAT",
        "message": "All cashier seats are taken (maximum: 2).",
        "role": "CASHIER",
        "max": 2,
    }
    assert spanish["message"] == "Todos los puestos de cajero están ocupados (máximo: 2)."
    assert hashed == []


async def test_a_deactivated_user_frees_a_seat(api: Api, database: asyncpg.Connection) -> None:
    business = await open_business(api, database, seats=2)
    token, cashier = business.people["manager"].token, business.people["cashier"]

    left = await api.post(UPDATE, token, id=cashier.id, i={"isActive": False})
    taken = await api.post(CREATE, token, i=new_staff())
    back = await api.post(UPDATE, token, id=cashier.id, i={"isActive": True})
    renamed = await api.post(UPDATE, token, id=cashier.id, i={"firstName": "Zoe"})

    assert [outcome(answer) for answer in (left, taken, back, renamed)] == ["ok", "ok", "NoSeat", "ok"]


async def test_another_role_takes_another_seat(api: Api, database: asyncpg.Connection) -> None:
    business = await open_business(api, database, seats=3)
    owner, cashier = business.people["owner"].token, business.people["cashier"]

    # The owner and two admins use the three seats of admins.
    full = await api.post(UPDATE, owner, id=cashier.id, i={"role": "ADMIN"})
    free = await api.post(UPDATE, owner, id=cashier.id, i={"role": "MANAGER"})
    same = await api.post(UPDATE, owner, id=cashier.id, i={"role": "MANAGER", "isActive": True})
    late = await api.post(CREATE, owner, i=new_staff("MANAGER"))

    assert [outcome(answer) for answer in (full, free, same, late)] == ["NoSeat", "ok", "ok", "NoSeat"]


async def test_staff_beyond_the_seats_can_still_be_changed(api: Api, database: asyncpg.Connection) -> None:
    """With more staff than seats, existing users can be changed, and none can be added."""
    business = await open_business(api, database)
    await database.execute('UPDATE tenants SET "maxCashiers" = 1')
    owner, cashier = business.people["owner"].token, business.people["cashier"]

    renamed = await api.post(UPDATE, owner, id=cashier.id, i={"firstName": "Zoe"})
    added = await api.post(CREATE, owner, i=new_staff())

    assert [outcome(answer) for answer in (renamed, added)] == ["ok", "NoSeat"]


async def test_seats_are_set_and_omitted_ones_stay(
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


async def test_used_seats_cannot_be_removed(
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


async def test_concurrent_hiring_and_removal_of_seats_exceed_no_limit(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    """In either order, no more users are active than there are seats."""
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
