"""The owner of a tenant on which the commands act."""

import asyncpg
import pytest

from tests.domain.tenants.documents import register_business
from tests.support import Api, Person


@pytest.fixture
async def owner(api: Api, database: asyncpg.Connection) -> Person:
    return await register_business(api, database, businessName="El Ahorro", nit="900.123.456-8")
