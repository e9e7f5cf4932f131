"""Tenants and users for the tests of this folder."""

import asyncpg
import pytest

from tests.domain.tenants.business import Business, open_business
from tests.domain.tenants.documents import register_business
from tests.support import Api, Person


@pytest.fixture
async def business(api: Api, database: asyncpg.Connection) -> Business:
    return await open_business(api, database)


@pytest.fixture
async def owner(api: Api, database: asyncpg.Connection) -> Person:
    return await register_business(api, database, businessName="El Ahorro", nit="900.123.456-8")
