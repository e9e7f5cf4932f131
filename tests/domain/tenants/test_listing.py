"""Operators list tenants."""

import asyncpg
import pytest

from tests.domain.tenants.documents import LIST, names, register_business
from tests.support import Api, Person

pytestmark = pytest.mark.anyio


async def test_tenants_are_listed_newest_first_and_filtered(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    # A random number may contain the groups that are searched.
    bodega = await register_business(
        api, database, businessName="La Bodega", businessEmail="hola@bodega.example.com", nit="800555666"
    )
    gone = await register_business(api, database, businessName="El Sol")
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
    """Also tenants with the same time; a tenant that registers between two pages moves no other."""
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
        await register_business(api, database)

    assert sorted(seen, key=int) == [str(number) for number in range(1, 26)]
