"""Who may ask what: each field that is not for everybody, asked as everybody.

A new field must join one of the two tables.
"""

from uuid import uuid4

import asyncpg
import pytest

from tests.schema.root_fields import RESTRICTED, root_fields
from tests.support import Api, hire, issue_key, registration

pytestmark = pytest.mark.anyio


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
