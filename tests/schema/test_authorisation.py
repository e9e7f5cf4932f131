"""Who may use each restricted root field: requested by every role, and without a token.

A new root field must be in one of the two tables.
"""

from uuid import uuid4

import asyncpg
import pytest

from tests.database.test_isolation import root_fields
from tests.support import Api, hire, issue_key, registration

pytestmark = pytest.mark.anyio

OPERATOR = frozenset({"operator"})
ADMINS = frozenset({"admin", "operator"})

RESTRICTED = {
    "betaKeys": (OPERATOR, "{ betaKeys { totalCount } }"),
    "betaKey": (OPERATOR, "query($id: ID!) { betaKey(id: $id) { key } }"),
    "betaKeyStats": (OPERATOR, "{ betaKeyStats { total } }"),
    "issueBetaKeys": (OPERATOR, "mutation { issueBetaKeys(input: {}) { __typename } }"),
    "updateBetaKey": (
        OPERATOR,
        "mutation($id: ID!) { updateBetaKey(id: $id, input: {notes: null}) { __typename } }",
    ),
    "revokeBetaKey": (OPERATOR, "mutation($id: ID!) { revokeBetaKey(id: $id) { __typename } }"),
    "sendBetaKey": (
        OPERATOR,
        'mutation($id: ID!) { sendBetaKey(id: $id, email: "ana@example.com") { __typename } }',
    ),
    "auditEvents": (ADMINS, "{ auditEvents { edges { cursor } } }"),
    "tenants": (OPERATOR, "{ tenants { totalCount } }"),
    "suspendTenant": (OPERATOR, 'mutation($id: ID!) { suspendTenant(id: $id, reason: "x") { __typename } }'),
    "reactivateTenant": (OPERATOR, "mutation($id: ID!) { reactivateTenant(id: $id) { __typename } }"),
    "setSeats": (OPERATOR, "mutation($id: ID!) { setSeats(tenantId: $id, input: {}) { __typename } }"),
    "requestTenantDeletion": (
        OPERATOR,
        "mutation($id: ID!) { requestTenantDeletion(id: $id) { __typename } }",
    ),
    "deleteTenant": (OPERATOR, 'mutation($id: ID!) { deleteTenant(id: $id, code: "123456") { __typename } }'),
}
"""The roles that may use a field, and a document that uses it; `$id` is an id that no row has."""

OWN = {
    "validateBetaKey",
    "viewer",
    "sessions",
    "tenant",
    "register",
    "login",
    "logout",
    "revokeSession",
    "changePassword",
    "requestPasswordReset",
    "resetPassword",
    "requestEmailVerification",
    "verifyEmail",
    "updateTenant",
    "createStaff",
    "updateStaff",
    "removeStaff",
}
"""Fields that are public, or limited to the viewer's own data; see `test_isolation` and `test_staff`."""


def test_every_field_is_in_one_table() -> None:
    assert root_fields().keys() == RESTRICTED.keys() | OWN
    assert not RESTRICTED.keys() & OWN


@pytest.mark.parametrize("field", RESTRICTED)
async def test_a_field_admits_the_roles_of_the_table(
    api: Api, database: asyncpg.Connection, field: str
) -> None:
    allowed, document = RESTRICTED[field]
    registered = await api.register(registration(await issue_key(database)))
    tenant_id = registered["tenant"]["id"]
    tokens = {"public": None, "admin": registered["accessToken"]}
    for role in ("MANAGER", "CASHIER"):
        tokens[role.lower()] = (await hire(database, tenant_id, role)).token
    tokens["operator"] = (await hire(database, None, "SUPER_ADMIN")).token

    for role, token in tokens.items():
        variables = {"id": str(uuid4())} if "$id" in document else {}
        response = await api.post(document, token, **variables)
        codes = [error["extensions"]["code"] for error in response.get("errors", [])]
        assert codes == ([] if role in allowed else ["FORBIDDEN" if token else "UNAUTHENTICATED"]), role
