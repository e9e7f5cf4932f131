"""Mutations about accounts, with their preparation; see `tests.acts`."""

from typing import TYPE_CHECKING, Any

from tests.support import hire

if TYPE_CHECKING:
    from tests.acts import Business


async def _another_operator(business: "Business", **columns: Any) -> dict[str, Any]:
    """The id of an operator, for a business whose token is that of another operator."""
    business.token = (await hire(business.database, None, "SUPER_ADMIN")).token
    return {"id": (await hire(business.database, None, "SUPER_ADMIN", **columns)).id}


async def sign_out_everywhere(_business: "Business") -> tuple[str, dict[str, Any]]:
    return "mutation { signOutEverywhere { message } }", {}


async def end_staff_sessions(business: "Business") -> tuple[str, dict[str, Any]]:
    tenant = await business.database.fetchval('SELECT "tenantId" FROM users WHERE email = $1', business.email)
    document = "mutation($id: ID!) { endStaffSessions(id: $id) { __typename } }"
    return document, {"id": (await hire(business.database, tenant, "CASHIER")).id}


async def remove_operator(business: "Business") -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!) { removeOperator(id: $id) { __typename ... on Error { code } } }"
    return document, await _another_operator(business)


async def deactivate_operator(business: "Business") -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!) { deactivateOperator(id: $id) { __typename ... on Error { code } } }"
    return document, await _another_operator(business)


async def reactivate_operator(business: "Business") -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!) { reactivateOperator(id: $id) { __typename ... on Error { code } } }"
    return document, await _another_operator(business, isActive=False)


async def reset_operator_password(business: "Business") -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!) { resetOperatorPassword(id: $id) { __typename ... on Error { code } } }"
    return document, await _another_operator(business)


MUTATIONS = {
    "signOutEverywhere": sign_out_everywhere,
    "endStaffSessions": end_staff_sessions,
    "removeOperator": remove_operator,
    "deactivateOperator": deactivate_operator,
    "reactivateOperator": reactivate_operator,
    "resetOperatorPassword": reset_operator_password,
}
