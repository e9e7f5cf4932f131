"""The root fields of the schema, and who may use each."""

from graphql import GraphQLField

from api.schema.schema import schema


def root_fields() -> dict[str, GraphQLField]:
    query, mutation = schema._schema.query_type, schema._schema.mutation_type
    assert query is not None
    assert mutation is not None
    return {**query.fields, **mutation.fields}


EVERYONE = frozenset({"public", "cashier", "manager", "admin", "owner", "operator"})
SIGNED_IN = EVERYONE - {"public"}
ADMINS = frozenset({"admin", "owner"})
MANAGERS = ADMINS | {"manager"}
OPERATORS = frozenset({"operator"})

_FIELDS = {
    # A person needs them before signing in; `viewer` is null then.
    EVERYONE: """
        validateBetaKey register login verifySecondFactor requestPasswordReset resetPassword
        requestEmailVerification verifyEmail acceptInvitation viewer query
    """,
    # About the viewer's own account, or about a tenant or session that only its people see.
    SIGNED_IN: """
        sessions tenant logout revokeSession signOutEverywhere confirmIdentity changePassword secondFactor
        startSecondFactor confirmSecondFactor renewRecoveryCodes turnOffSecondFactor updateViewer
        requestEmailChange confirmEmailChange startPasskeyRegistration finishPasskeyRegistration
        startPasskeyConfirmation removePasskey
    """,
    MANAGERS: """
        inviteStaff resendInvitation cancelInvitation createStaff updateStaff removeStaff endStaffSessions
    """,
    ADMINS: "updateTenant",
    ADMINS | OPERATORS: "auditEvents",
    OPERATORS: """
        betaKeys betaKey betaKeyStats issueBetaKeys updateBetaKey revokeBetaKey sendBetaKey tenants
        suspendTenant reactivateTenant setSeats requestTenantDeletion deleteTenant operators removeOperator
        deactivateOperator reactivateOperator resetOperatorPassword resetSecondFactor
    """,
}

AUDIENCES = {field: roles for roles, fields in _FIELDS.items() for field in fields.split()}
"""Who may use each root field. Which rows they find with it: `test_isolation` and `test_staff`."""
