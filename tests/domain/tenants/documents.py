"""The documents of operators for tenants."""

from typing import Any

import asyncpg

from tests.support import Api, Person, issue_key, registration

LIST = """
query($first: Int!, $after: String, $filter: TenantFilter) {
  tenants(first: $first, after: $after, filter: $filter) {
    edges { node { businessName } } pageInfo { hasNextPage hasPreviousPage endCursor } totalCount } }
"""

SUSPEND = """
mutation($id: ID!, $reason: String!) { suspendTenant(id: $id, reason: $reason) {
  __typename ... on Tenant { id isActive suspendedReason } } }
"""

REACTIVATE = """
mutation($id: ID!) { reactivateTenant(id: $id) { __typename ... on Tenant { isActive suspendedReason } } }
"""

SEATS = """
mutation($id: ID!, $input: SetSeatsInput!) { setSeats(tenantId: $id, input: $input) { __typename
  ... on Tenant { seats { role used max } } ... on InvalidInput { fields { field code message } } } }
"""

REQUEST = """
mutation($id: ID!) { requestTenantDeletion(id: $id) { __typename ... on Accepted { message expiresAt }
  ... on InvalidInput { fields { field code } } } }
"""

DELETE = """
mutation($id: ID!, $code: String!) { deleteTenant(id: $id, code: $code) { __typename
  ... on Done { message } } }
"""

NOBODY = "00000000-0000-4000-8000-000000000000"

TENANT = "query($id: ID!) { tenant(id: $id) { businessName } }"


async def register_business(api: Api, database: asyncpg.Connection, **form: Any) -> Person:
    """Register a business; the result is its signed-in owner, with the `id` of the business."""
    answer = await api.register(registration(await issue_key(database), **form))
    return Person(answer["tenant"]["id"], answer["user"]["email"], answer["accessToken"])


async def events(database: asyncpg.Connection) -> list[str]:
    rows = await database.fetch(
        "SELECT action FROM audit_events WHERE action LIKE 'tenant.%' ORDER BY at, id"
    )
    return [row["action"] for row in rows]


async def names(api: Api, operator: str, **wanted: Any) -> list[str]:
    """All tenants that a filter finds; their number equals `totalCount`."""
    found = (await api.data(LIST, operator, first=100, filter=wanted))["tenants"]
    shown = [edge["node"]["businessName"] for edge in found["edges"]]
    assert found["totalCount"] == len(shown)
    return shown
