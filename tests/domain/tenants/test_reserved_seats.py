"""An invitation reserves a seat, and ends with its tenant."""

from datetime import timedelta

import asyncpg
import pytest

from api.domain.cleanup import clean_up
from tests.cli.commands import printed
from tests.domain.tenants.business import CREATE, UPDATE, Business, new_staff, open_business, outcome
from tests.domain.tenants.documents import SEATS
from tests.domain.tenants.invitations import (
    AGED,
    CANCEL,
    INVITE,
    LIST,
    RESEND,
    accept_mail,
    cashier_seats,
    guest,
    invite,
)
from tests.support import Api, hire

pytestmark = pytest.mark.anyio


async def test_an_invitation_reserves_a_seat_until_it_ends(api: Api, database: asyncpg.Connection) -> None:
    business = await open_business(api, database, seats=3)
    owner = business.people["owner"].token

    first = await invite(api, owner)
    full = await invite(api, owner, email="luz@example.com")

    assert await cashier_seats(api, business) == (2, 1)
    assert (full["__typename"], full["role"], full["max"]) == ("NoSeat", "CASHIER", 3)
    await api.data(CANCEL, owner, id=first["id"])
    assert await cashier_seats(api, business) == (2, 0)
    second = await invite(api, owner, email="luz@example.com")
    assert second["__typename"] == "StaffInvitation"
    await accept_mail(api, database, "luz@example.com")
    assert await cashier_seats(api, business) == (3, 0)


async def test_an_expired_invitation_reserves_no_seat(api: Api, database: asyncpg.Connection) -> None:
    """Sending it again takes one."""
    business = await open_business(api, database, seats=3)
    owner = business.people["owner"].token
    first = await invite(api, owner)
    await database.execute(AGED, timedelta(days=7, seconds=1))

    assert await cashier_seats(api, business) == (2, 0)
    (shown,) = (await api.data(LIST, owner))["viewer"]["tenant"]["invitations"]["edges"]
    assert shown["node"]["isExpired"] is True
    assert (await accept_mail(api, database))["__typename"] == "WrongCode"
    await invite(api, owner, email="luz@example.com")
    refused = (await api.data(RESEND, owner, id=first["id"]))["resendInvitation"]
    assert refused["__typename"] == "NoSeat"
    luz = await database.fetchval("SELECT id FROM staff_invitations WHERE email LIKE 'luz%'")
    await api.data(CANCEL, owner, id=str(luz))
    again = (await api.data(RESEND, owner, id=first["id"]))["resendInvitation"]
    assert (again["__typename"], again["isExpired"]) == ("StaffInvitation", False)
    assert (await accept_mail(api, database))["__typename"] == "SignedIn"


async def test_reserved_seats_cannot_be_taken_otherwise(
    api: Api, database: asyncpg.Connection, operator: str
) -> None:
    """By a return, another role, an account that is created, or fewer seats."""
    business = await open_business(api, database, seats=3)
    owner = business.people["owner"].token
    away = await hire(database, business.id, "CASHIER", isActive=False)
    await invite(api, owner)

    back = await api.post(UPDATE, owner, id=away.id, i={"isActive": True})
    other = await api.post(UPDATE, owner, id=business.people["manager"].id, i={"role": "CASHIER"})
    created = await api.post(CREATE, owner, i=new_staff(email="luz@example.com"))
    fewer = (await api.data(SEATS, operator, id=business.id, input={"maxCashiers": 2}))["setSeats"]

    assert [outcome(answer) for answer in (back, other, created)] == ["NoSeat"] * 3
    assert fewer["__typename"] == "Conflict"


@pytest.mark.parametrize("end", ["suspend", "delete"])
async def test_nothing_works_while_the_tenant_is_suspended_or_deleted(
    api: Api, database: asyncpg.Connection, business: Business, end: str
) -> None:
    """Afterwards the invitation is as it was."""
    token = business.people["owner"].token
    first = await invite(api, token)
    await database.execute(AGED, timedelta(hours=1))
    act, back = (
        (["suspend", "--reason", "unpaid"], "reactivate")
        if end == "suspend"
        else (["delete", "--yes"], "restore")
    )
    printed("tenants", act[0], business.id, *act[1:])

    acts = [
        (INVITE, {"i": guest(email="luz@example.com")}),
        (RESEND, {"id": first["id"]}),
        (CANCEL, {"id": first["id"]}),
    ]
    for document, variables in acts:
        assert outcome(await api.post(document, token, **variables)) == "UNAUTHENTICATED"
    refused = await accept_mail(api, database)
    assert refused["__typename"] == {"suspend": "TenantSuspended", "delete": "WrongCode"}[end]
    assert "unpaid" not in str(refused)
    assert await database.fetchval("SELECT count(*) FROM users WHERE email = 'eva@example.com'") == 0

    printed("tenants", back, business.id)
    assert (await accept_mail(api, database))["__typename"] == "SignedIn"


async def test_the_invitations_of_an_erased_tenant_are_erased(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    await invite(api, business.people["owner"].token)
    printed("tenants", "delete", business.id, "--yes")
    await database.execute("""UPDATE tenants SET "deletedAt" = now() - interval '31 days'""")

    await clean_up()

    assert await database.fetchval("SELECT count(*) FROM staff_invitations") == 0
