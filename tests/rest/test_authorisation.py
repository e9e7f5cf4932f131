"""Who may use each endpoint: requested by every role, and without a token."""

import asyncpg
import pytest

from tests.acts import DOORS, all_rows, open_business, ready
from tests.support import Api, hire

pytestmark = pytest.mark.anyio

PUBLIC = {
    "GET /api/beta-keys/validate/{key:path}",
    "POST /api/auth/register",
    "POST /api/auth/login",
    "POST /api/auth/check-user",
    "POST /api/auth/verify-email/request-otp",
    "POST /api/auth/verify-email/verify-otp",
}

SIGNED_IN = {"GET /api/users/me"}

OPERATORS = DOORS.keys() - PUBLIC - SIGNED_IN
"""A new endpoint is one for operators, unless it stands in another table."""


@pytest.mark.parametrize("door", sorted(OPERATORS))
async def test_an_endpoint_admits_operators_alone(api: Api, database: asyncpg.Connection, door: str) -> None:
    async with open_business(api, database) as business:
        owner = business.token
        request = await ready(business, door)
    tenant_id = await database.fetchval("SELECT id FROM tenants")
    tokens = [None, "x" * 43, owner]
    tokens += [(await hire(database, tenant_id, role)).token for role in ("MANAGER", "CASHIER")]
    before = await all_rows(database)

    for token in tokens:
        own = ("authorization", "content-length")
        headers = {name: value for name, value in request.headers.items() if name not in own}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        # A body that cannot be read: who may not act learns nothing about it.
        for content in (request.content, b"{"):
            refused = await api.http.request(request.method, request.url, content=content, headers=headers)
            expected = (403, "FORBIDDEN") if token in tokens[2:] else (401, "UNAUTHENTICATED")
            # The owner of a suspended tenant is not signed in.
            if door.endswith("reactivate/{id}"):
                expected = (401, "UNAUTHENTICATED")
            assert (refused.status_code, refused.json()["code"]) == expected
    assert await all_rows(database) == before
    assert (await api.http.send(request)).status_code in (200, 201)
