"""`createStaff`, which clients of before know: it takes no address without a limit, and tells the person."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.domain.conftest import Clock
from tests.domain.tenants.business import CREATE, Business, new_staff, open_business, outcome
from tests.domain.tenants.invitations import invite, mails_of
from tests.support import Api, Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that are hashed."""
    from api.domain.tenants import staff

    passwords: list[str] = []
    original = staff.hash_password

    async def noted(password: str) -> str:
        passwords.append(password)
        return await original(password)

    monkeypatch.setattr(staff, "hash_password", noted)
    return passwords


async def test_where_addresses_are_verified_staff_is_invited(
    api: Api, database: asyncpg.Connection, business: Business, settings: Settings, hashed: list[str]
) -> None:
    """The error names the mutation; those who may not create staff are refused as ever."""
    settings(REQUIRE_VERIFIED_EMAIL="true")
    taken = business.people["cashier"].email

    for email in ("eva@example.com", taken):
        answer = (await api.data(CREATE, business.people["owner"].token, i=new_staff(email=email)))[
            "createStaff"
        ]
        assert (answer["__typename"], answer["code"]) == ("InvitationRequired", "INVITATION_REQUIRED")
        assert "inviteStaff" in answer["message"]
    spanish = await api.data(CREATE, business.people["owner"].token, "es", i=new_staff())
    assert "inviteStaff" in spanish["createStaff"]["message"]
    refused = await api.post(CREATE, business.people["manager"].token, i=new_staff("ADMIN"))
    assert outcome(refused) == "FORBIDDEN"
    assert hashed == []
    assert await database.fetchval("SELECT count(*) FROM mails WHERE template = 'staff_created'") == 0
    assert (await invite(api, business.people["owner"].token))["__typename"] == "StaffInvitation"


async def test_the_person_hears_of_the_account(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    await api.data(CREATE, business.people["owner"].token, i=new_staff())

    (mail,) = await mails_of(database)

    assert mail == {
        "template": "staff_created",
        "firstName": "Eva",
        "inviterName": "Ana Ríos",
        "businessName": await database.fetchval('SELECT "businessName" FROM tenants'),
    }


async def test_an_admin_who_tries_addresses_is_stopped_and_hashes_nothing(
    api: Api, database: asyncpg.Connection, business: Business, settings: Settings, clock: Clock,
    hashed: list[str],
) -> None:  # fmt: skip
    """So it takes no time of the sign-ins of others."""
    settings(RATE_LIMITS="on")
    other = await open_business(api, database)
    people = [person.email for person in (*other.people.values(), *business.people.values())]
    hashed.clear()
    token = business.people["owner"].token

    answers: list[dict[str, Any]] = await asyncio.gather(
        *(api.post(CREATE, token, i=new_staff(email=people[number % len(people)])) for number in range(60))
    )

    kinds = [outcome(answer) for answer in answers]
    assert (kinds.count("EmailTaken"), kinds.count("RateLimited")) == (30, 30)
    assert hashed == []
    clock.now += 3600
    assert outcome(await api.post(CREATE, token, i=new_staff())) == "ok"
    assert len(hashed) == 1


async def test_problems_of_fields_are_for_those_who_may_create_the_account(
    api: Api, business: Business
) -> None:
    form = new_staff("ADMIN", email="x", password="x")

    refused = [await api.post(CREATE, business.people[who].token, i=form) for who in ("manager", "cashier")]
    shown = await api.post(CREATE, business.people["admin"].token, i=form)

    assert [outcome(answer) for answer in (*refused, shown)] == ["FORBIDDEN", "FORBIDDEN", "InvalidInput"]
