"""Owners, operators and users without a tenant, as the old system left them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.deploy.adoption.plan import Choice, Person, Question, one_of
from api.deploy.schema.catalog import Catalog
from api.domain.roles import Role

OPERATOR = Role.SUPER_ADMIN.value


@dataclass(frozen=True)
class _Tenant:
    """A tenant that is not deleted; `staff` and `operators` are its users, the likeliest owner first."""

    id: str
    name: str
    staff: Sequence[Any]
    operators: Sequence[Any]

    @property
    def owners(self) -> list[Any]:
        return [user for user in self.staff if user["isOwner"]]


_TENANTS = """
SELECT id::text, "businessName" AS name FROM tenants
 WHERE to_jsonb(tenants) ->> 'deletedAt' IS NULL ORDER BY id
"""

# Through JSON, because the table may lack a column.
_USERS = f"""
SELECT id::text, email::text, role::text, u ->> 'tenantId' AS "tenantId",
       coalesce((u ->> 'isOwner')::boolean, false) AS "isOwner"
  FROM users CROSS JOIN to_jsonb(users) u
 ORDER BY (role::text = '{Role.ADMIN.value}') DESC, (role::text = '{Role.MANAGER.value}') DESC,
          (u ->> 'isActive')::boolean IS TRUE DESC, u ->> 'createdAt', id
"""


async def people_questions(connection: Any, actual: Catalog) -> AsyncIterator[Question]:
    """Tenants with no owner or with several, and operators who own one."""
    users = await connection.fetch(_USERS) if "tenants" in actual else []
    by_tenant: dict[str, list[Any]] = {}
    for user in users:
        by_tenant.setdefault(user["tenantId"], []).append(user)
    for row in await connection.fetch(_TENANTS) if "tenants" in actual else ():
        found = by_tenant.get(row["id"], [])
        tenant = _Tenant(
            row["id"],
            row["name"],
            [user for user in found if user["role"] != OPERATOR],
            [user for user in found if user["role"] == OPERATOR],
        )
        owning = [user for user in tenant.operators if user["isOwner"]]
        if len(tenant.owners) > 1:
            yield _several_owners(tenant)
        elif not tenant.owners and owning:
            yield _operator_who_owns(tenant, owning[0])
        elif not tenant.owners:
            yield Question(f"tenants without an owner, {tenant.name}", (tenant.id,), _new_owners(tenant))


def _several_owners(tenant: _Tenant) -> Question:
    ids = [user["id"] for user in tenant.owners]
    return Question(
        f"owners of one tenant, {tenant.name}",
        tuple(ids),
        tuple(
            Choice(
                f"{user['email']} is the owner",
                (
                    'UPDATE users SET "isOwner" = false'
                    f" WHERE {one_of([one for one in ids if one != user['id']])}",
                ),
            )
            for user in tenant.owners
        ),
    )


def _operator_who_owns(tenant: _Tenant, operator: Any) -> Question:
    user = one_of([operator["id"]])
    staff = Choice(
        f"{operator['email']} is the owner, and no operator",
        (f"UPDATE users SET role = '{Role.ADMIN.value}' WHERE {user}",),
    )
    leave = f'UPDATE users SET "tenantId" = NULL, "isOwner" = false WHERE {user}'
    return Question(
        f"operators who own a tenant, {tenant.name}",
        (operator["id"],),
        (
            staff,
            *(
                Choice(f"{operator['email']} is an operator only; {one.description}", (leave, *one.sql))
                for one in _new_owners(tenant)
            ),
        ),
    )


MOST_CANDIDATES = 5


def _new_owners(tenant: _Tenant) -> tuple[Choice, ...]:
    """Who can own the tenant: its staff; or it is deleted, and can be restored after the adoption."""
    return (
        *(
            Choice(
                f"{user['email']} becomes the owner",
                (
                    f"UPDATE users SET \"isOwner\" = true, role = '{Role.ADMIN.value}'"
                    f" WHERE {one_of([user['id']])}",
                ),
            )
            for user in tenant.staff[:MOST_CANDIDATES]
        ),
        Choice(
            "the tenant is deleted: gatehouse tenants restore brings it back during the grace period",
            (
                'ALTER TABLE tenants ADD COLUMN IF NOT EXISTS "deletedAt" timestamptz',
                f'UPDATE tenants SET "deletedAt" = now() WHERE {one_of([tenant.id])}',
            ),
        ),
    )


async def without_tenant(connection: Any) -> list[Person]:
    """The users whom the old system had before it had tenants, the oldest first."""
    rows = await connection.fetch(
        "SELECT id::text, email::text, role::text FROM users"
        f" WHERE role::text <> '{OPERATOR}' AND to_jsonb(users) ->> 'tenantId' IS NULL"
        " ORDER BY to_jsonb(users) ->> 'createdAt', id"
    )
    return [Person(**row) for row in rows]
