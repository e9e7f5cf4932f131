"""Names of people and businesses carry no web address, whatever door they come through."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from api.domain.web_addresses import has_address, unlinked
from tests.domain.accounts.test_personal_details import UPDATE_VIEWER
from tests.domain.tenants.business import CREATE, UPDATE, Business, new_staff, open_business
from tests.domain.tenants.invitations import INVITE, guest
from tests.support import REGISTER, Api, issue_key, registration

pytestmark = pytest.mark.anyio

ADDRESSES = [
    "http://evil.example/login is your new sign-in page",
    "https:evil.example",
    "HTTP evil",
    "hxxp://evil.example",
    "http:/evil.example",
    "http:\\\\evil",
    "x ://y",
    "javascript:alert(1)",
    "www.evil.example",
    "WWW . evil",
    "www2.evil",
    "evil.example/login",
    "Evil.Example/",
    "evil.example./x",
    "evil.example:8080",
    "evil.example?x=1",
    "evil.example#a",
    "t.co/abc",
    "ñandú.com/é",
    "ana@evil.example",
    "mailto:ana",
    "203.0.113.7/login",
    "203.0.113.7:80",
    "xn--e1afmkfd.com",
    # Full-width, and other characters that look like dots, slashes, colons and letters.
    "ｗｗｗ．ｅｖｉｌ．ｃｏｍ",
    "www\u2024evil",
    "evil．example／login",
    "evil\u3002example\u2044login",
    "evil.example\u2215login",
    "evil.example\u29f8x",
    "http：／／evil",
    "\u051d\u051d\u051d.evil.com",
    # With invisible characters, and marks above letters.
    "h\u200bttp s",
    "ww\u2060w.evil",
    "evil.exam\u00adple/login",
    "ht\u0307tp s",
]

GENUINE = [
    "Amazon.com S.A.",
    "Booking.com",
    "D1 / Éxito",
    "Amazon.com / Éxito",
    "C&A. Ltda",
    "S.A.S.",
    "A.C.M.E. S.A.",
    "K.F.C./Pizza Hut",
    "Carnes S.A./Pollos",
    "Abierto 24/7 S.A.S.",
    "Tienda No.1/2",
    "Café 9:30",
    "El Ahorro: todo",
    "C@sa Bonita",
    "WWW Consulting",
    "St. Mary's/Co",
    "Ma.de los Ángeles",
    "Ma.Fernanda",
    "J.R.R.",
    "¿Qué.tal?",
    "山田。商店",
]


@pytest.mark.parametrize("name", ADDRESSES, ids=ascii)
def test_an_address_is_found_however_it_is_written(name: str) -> None:
    assert has_address(name)


@pytest.mark.parametrize("name", GENUINE, ids=ascii)
def test_a_genuine_name_has_no_address(name: str) -> None:
    assert not has_address(name)


def test_a_huge_name_takes_no_time() -> None:
    """The longest that is cleaned, of the characters that the pattern goes back for."""
    for name in ("a." * 400, "1." * 400, "a@" * 400, "w" * 800, "a-" * 400, "http" * 200):
        has_address(name)


def test_a_name_in_a_mail_has_nothing_that_a_mail_program_makes_a_link_of() -> None:
    """Adopted databases hold names of every kind."""
    assert unlinked("Amazon.com S.A.S. 24") == "Amazon.\u200bcom S.A.S. 24"
    for name in ("http://evil.example/login", "www.evil.example", "ana@evil.example"):
        parts = unlinked(name).split("\u200b")
        assert len(parts) > 2
        assert "".join(parts) == name


# The doors

Door = Callable[[Api, asyncpg.Connection, Business, str], Awaitable[Any]]
"""Sends a name; returns the problems of the answer: the field and its code."""


def _problems(answer: dict[str, Any]) -> list[tuple[str, str]]:
    (result,) = answer["data"].values()
    return [(one["field"], one["code"]) for one in result.get("fields", [])]


def _register(field: str) -> Door:
    async def send(api: Api, database: asyncpg.Connection, _business: Business, name: str) -> Any:
        form = registration(await issue_key(database), **{field: name})
        return _problems(await api.post(REGISTER, i=form))

    return send


def _register_by_rest(field: str) -> Door:
    async def send(api: Api, database: asyncpg.Connection, _business: Business, name: str) -> Any:
        form = registration(await issue_key(database), **{field: name})
        body = (await api.http.post("/api/auth/register", json=form)).json()
        return [(one["field"], one["code"]) for one in body.get("fields", [])]

    return send


def _create_staff(field: str) -> Door:
    async def send(api: Api, _database: asyncpg.Connection, business: Business, name: str) -> Any:
        return _problems(await api.post(CREATE, business.people["owner"].token, i=new_staff(**{field: name})))

    return send


def _update_staff(field: str) -> Door:
    async def send(api: Api, _database: asyncpg.Connection, business: Business, name: str) -> Any:
        cashier, owner = business.people["cashier"], business.people["owner"]
        return _problems(await api.post(UPDATE, owner.token, id=cashier.id, i={field: name}))

    return send


def _invite_staff(field: str) -> Door:
    async def send(api: Api, _database: asyncpg.Connection, business: Business, name: str) -> Any:
        return _problems(await api.post(INVITE, business.people["owner"].token, i=guest(**{field: name})))

    return send


def _update_viewer(field: str) -> Door:
    async def send(api: Api, _database: asyncpg.Connection, business: Business, name: str) -> Any:
        return _problems(await api.post(UPDATE_VIEWER, business.people["operator"].token, i={field: name}))

    return send


async def _update_tenant(api: Api, _database: asyncpg.Connection, business: Business, name: str) -> Any:
    document = """mutation($i: UpdateTenantInput!) { updateTenant(input: $i) { __typename
        ... on InvalidInput { fields { field code } } } }"""
    return _problems(await api.post(document, business.people["owner"].token, i={"businessName": name}))


DOORS: dict[str, tuple[Door, str]] = {
    **{f"register {field}": (_register(field), field) for field in ("businessName", "firstName", "lastName")},
    "REST businessName": (_register_by_rest("businessName"), "businessName"),
    "REST firstName": (_register_by_rest("firstName"), "firstName"),
    "createStaff firstName": (_create_staff("firstName"), "firstName"),
    "createStaff lastName": (_create_staff("lastName"), "lastName"),
    "updateStaff firstName": (_update_staff("firstName"), "firstName"),
    "updateStaff lastName": (_update_staff("lastName"), "lastName"),
    "inviteStaff firstName": (_invite_staff("firstName"), "firstName"),
    "inviteStaff lastName": (_invite_staff("lastName"), "lastName"),
    "updateViewer firstName": (_update_viewer("firstName"), "firstName"),
    "updateViewer lastName": (_update_viewer("lastName"), "lastName"),
    "updateTenant businessName": (_update_tenant, "businessName"),
}


@pytest.mark.parametrize("door", DOORS)
async def test_every_door_refuses_addresses_and_several_lines(
    api: Api, database: asyncpg.Connection, door: str
) -> None:
    send, field = DOORS[door]
    business = await open_business(api, database)

    for name in ("http://evil.example/login", "www\u2024evil", "evil．example／login", "x://\u200by"):
        assert await send(api, database, business, name) == [(field, "WEB_ADDRESS")], ascii(name)
    for name in ("Ana\nRíos", "Ana\u2028Ríos"):
        assert await send(api, database, business, name) == [(field, "INVALID_CHARACTERS")], ascii(name)
    assert await send(api, database, business, "Amazon.com / S.A.S.") == []
