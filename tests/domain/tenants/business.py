"""A tenant and its staff, and acts on them."""

from typing import Any

import asyncpg

from tests.support import PASSWORD, Api, Person, hire, issue_key, registration

ERRORS = "... on Error { code message } ... on InvalidInput { fields { field code message } }"

CREATE = f"""
mutation($i: CreateStaffInput!) {{ createStaff(input: $i) {{ __typename
  ... on User {{ id email firstName role isOwner isActive tenant {{ id seats {{ role used max }} }} }}
  {ERRORS} ... on NoSeat {{ role max }} }} }}
"""

UPDATE = f"""
mutation($id: ID!, $i: UpdateStaffInput!) {{ updateStaff(id: $id, input: $i) {{ __typename
  ... on User {{ id firstName lastName role isActive documentId phoneNumber tenant {{ id }} }}
  {ERRORS} ... on NoSeat {{ role max }} }} }}
"""

REMOVE = "mutation($id: ID!) { removeStaff(id: $id) { __typename ... on Error { code message } } }"


def new_staff(role: str = "CASHIER", **changes: Any) -> dict[str, Any]:
    form = {"email": "eva@example.com", "firstName": "Eva", "lastName": "Sol", "role": role}
    return {**form, "password": PASSWORD, **changes}


class Business:
    """A tenant with enough seats, and one user of each kind."""

    def __init__(self, tenant_id: str, people: dict[str, Person]) -> None:
        self.id = tenant_id
        self.people = people


async def open_business(api: Api, database: asyncpg.Connection, seats: int = 10) -> Business:
    answer = await api.register(registration(await issue_key(database)))
    tenant_id, user = answer["tenant"]["id"], answer["user"]
    await database.execute(
        'UPDATE tenants SET "maxAdmins" = $2, "maxManagers" = $2, "maxCashiers" = $2 WHERE id = $1',
        tenant_id,
        seats,
    )
    people = {"owner": Person(user["id"], user["email"], answer["accessToken"])}
    for role in ("admin", "manager", "cashier"):
        people[role] = await hire(database, tenant_id, role.upper())
        people[f"another {role}"] = await hire(database, tenant_id, role.upper())
    people["operator"] = await hire(database, None, "SUPER_ADMIN")
    return Business(tenant_id, people)


def outcome(answer: dict[str, Any]) -> str:
    """`ok`, the name of an error in `data`, or the code of an error in `errors`."""
    if answer.get("errors"):
        return answer["errors"][0]["extensions"]["code"]
    (result,) = answer["data"].values()
    return "ok" if result["__typename"] in ("User", "Done") else result["__typename"]
