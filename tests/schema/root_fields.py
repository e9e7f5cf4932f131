"""The root fields of the schema, and which roles may use them."""

from graphql import GraphQLField

from api.schema.schema import schema


def root_fields() -> dict[str, GraphQLField]:
    query, mutation = schema._schema.query_type, schema._schema.mutation_type
    assert query is not None
    assert mutation is not None
    return {**query.fields, **mutation.fields}


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
    "resetSecondFactor": (
        OPERATOR,
        "mutation($id: ID!) { resetSecondFactor(userId: $id) { __typename } }",
    ),
    "operators": (OPERATOR, "{ operators { id } }"),
    "removeOperator": (OPERATOR, "mutation($id: ID!) { removeOperator(id: $id) { __typename } }"),
    "deactivateOperator": (OPERATOR, "mutation($id: ID!) { deactivateOperator(id: $id) { __typename } }"),
    "reactivateOperator": (OPERATOR, "mutation($id: ID!) { reactivateOperator(id: $id) { __typename } }"),
    "resetOperatorPassword": (
        OPERATOR,
        "mutation($id: ID!) { resetOperatorPassword(id: $id) { __typename } }",
    ),
    "deleteTenant": (OPERATOR, 'mutation($id: ID!) { deleteTenant(id: $id, code: "123456") { __typename } }'),
}
"""The roles that may use a field, and a document that uses it; `$id` is an id that no row has."""
