"""Who may ask what: each field that is not for everybody, asked as everybody.

A new field must join one of the two tables.
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
"""Who is let in, and a document that asks; `$id` is an id that nobody has."""

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
"""Public, or about the viewer's own: `test_isolation` and `test_staff` tell who may do what there."""


def test_every_field_is_in_one_table() -> None:
    assert root_fields().keys() == RESTRICTED.keys() | OWN
    assert not RESTRICTED.keys() & OWN


@pytest.mark.parametrize("field", RESTRICTED)
async def test_a_field_lets_in_whom_the_table_names(
    api: Api, database: asyncpg.Connection, field: str
) -> None:
    allowed, document = RESTRICTED[field]
    answer = await api.register(registration(await issue_key(database)))
    tenant_id = answer["tenant"]["id"]
    tokens = {"nobody": None, "admin": answer["accessToken"]}
    for role in ("MANAGER", "CASHIER"):
        tokens[role.lower()] = (await hire(database, tenant_id, role)).token
    tokens["operator"] = (await hire(database, None, "SUPER_ADMIN")).token

    for who, token in tokens.items():
        variables = {"id": str(uuid4())} if "$id" in document else {}
        told = await api.post(document, token, **variables)
        codes = [error["extensions"]["code"] for error in told.get("errors", [])]
        assert codes == ([] if who in allowed else ["FORBIDDEN" if token else "UNAUTHENTICATED"]), who
