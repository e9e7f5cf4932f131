"""Users, and the viewer: the signed-in one."""

from datetime import datetime

import strawberry

import tables
from api.domain import roles
from api.schema.context import Info
from api.schema.roles import Role
from api.schema.tenants import Tenant


@strawberry.type
class User:
    id: strawberry.ID
    email: str
    first_name: str
    last_name: str
    role: Role  # pyright: ignore[reportInvalidTypeForm]
    is_owner: bool
    is_active: bool
    document_id: str | None
    phone_number: str | None
    created_at: datetime
    tenant: Tenant | None = strawberry.field(description="Null for operators.")

    @classmethod
    def of(cls, user: tables.User, tenant: Tenant | None) -> "User":
        return cls(
            id=strawberry.ID(str(user.id)),
            email=user.email,
            first_name=user.first_name,
            last_name=user.last_name,
            role=roles.Role(user.role),
            is_owner=user.is_owner,
            is_active=user.is_active,
            document_id=user.document_id,
            phone_number=user.phone_number,
            created_at=user.created_at,
            tenant=tenant,
        )


def with_tenant(user: tables.User, tenant: tables.Tenant | None) -> User:
    """The user, and the tenant that was read along."""
    return User.of(user, Tenant.of(tenant) if tenant is not None else None)


async def viewer(info: Info) -> User | None:
    found = await info.context.viewer()
    return with_tenant(found.user, found.tenant) if found is not None else None
