"""Who may use each restricted root field: requested by every role, and without a token.

A new root field must be in one of the two tables.
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
    "query",
    "register",
    "login",
    "logout",
    "revokeSession",
    "signOutEverywhere",
    "confirmIdentity",
    "secondFactor",
    "verifySecondFactor",
    "startSecondFactor",
    "confirmSecondFactor",
    "renewRecoveryCodes",
    "turnOffSecondFactor",
    "endStaffSessions",
    "changePassword",
    "requestPasswordReset",
    "resetPassword",
    "requestEmailVerification",
    "verifyEmail",
    "updateViewer",
    "requestEmailChange",
    "confirmEmailChange",
    "updateTenant",
    "inviteStaff",
    "resendInvitation",
    "cancelInvitation",
    "acceptInvitation",
    "createStaff",
    "updateStaff",
    "removeStaff",
}
"""Fields that are public, or limited to the viewer's own data; see `test_isolation`, `test_staff`
and `test_staff_invitations`."""


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
