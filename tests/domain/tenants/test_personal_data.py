"""Identity documents and phone numbers are for the person and for those who manage them."""

import asyncpg
import pytest

from tests.support import Api, hire, issue_key, registration

pytestmark = pytest.mark.anyio

STAFF = "staff { edges { node { documentId phoneNumber } } }"


async def test_personal_data_is_for_the_person_and_those_who_manage_them(
    api: Api, database: asyncpg.Connection
) -> None:
    form = registration(await issue_key(database), documentId="1", phoneNumber="+573001234567")
    owner = await api.register(form)
    people = {
        role: await hire(database, owner["tenant"]["id"], role, documentId=role, phoneNumber=role)
        for role in ("MANAGER", "CASHIER")
    }
    operator = await hire(database, None, "SUPER_ADMIN")

    async def seen(token: str) -> list[str | None]:
        tenant = (await api.data(f"{{ viewer {{ tenant {{ owner {{ documentId }} {STAFF} }} }} }}", token))[
            "viewer"
        ]["tenant"]
        staff = [edge["node"] for edge in tenant["staff"]["edges"]]
        assert all((one["documentId"] is None) == (one["phoneNumber"] is None) for one in staff)
        return [tenant["owner"]["documentId"], *(one["documentId"] for one in staff)]

    assert await seen(owner["accessToken"]) == ["1", "1", "MANAGER", "CASHIER"]
    assert await seen(people["MANAGER"].token) == [None, None, "MANAGER", "CASHIER"]
    assert await seen(people["CASHIER"].token) == [None, None, None, "CASHIER"]
    listed = await api.data(f"{{ tenants {{ edges {{ node {{ {STAFF} }} }} }} }}", operator.token)
    (found,) = listed["tenants"]["edges"]
    every = [edge["node"]["documentId"] for edge in found["node"]["staff"]["edges"]]
    assert every == ["1", "MANAGER", "CASHIER"]
