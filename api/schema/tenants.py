"""Tenants: what staff see of their own, and operators of all."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import tables
from api.domain import business_types, pagination
from api.domain.tenants import details
from api.domain.tenants import seats as domain_seats
from api.schema.context import Info
from api.schema.error_types import InvalidInput
from api.schema.inputs import given, uuid_of
from api.schema.loaders import StaffPage
from api.schema.pagination import read_cursor
from api.schema.roles import Role

if TYPE_CHECKING:
    from api.schema.staff import UserConnection
    from api.schema.users import User

BusinessType = strawberry.enum(business_types.BusinessType, name="BusinessType")


@strawberry.type
class Seats:
    role: Role  # pyright: ignore[reportInvalidTypeForm]
    used: int
    max: int


@strawberry.type
class Tenant:
    """Whoever is shown a tenant may see all of it: its staff, and operators."""

    id: strawberry.ID
    business_name: str
    nit: str
    business_type: BusinessType  # pyright: ignore[reportInvalidTypeForm]
    address: str
    phone: str | None
    email: str | None
    is_active: bool
    suspended_reason: str | None
    created_at: datetime
    row: strawberry.Private[tables.Tenant]

    @classmethod
    def of(cls, tenant: tables.Tenant) -> "Tenant":
        return cls(
            id=strawberry.ID(str(tenant.id)),
            business_name=tenant.business_name,
            nit=tenant.nit,
            business_type=(
                business_types.BusinessType.read(tenant.business_type) or business_types.BusinessType.OTRO
            ),
            address=tenant.address,
            phone=tenant.phone,
            email=tenant.email,
            is_active=tenant.is_active,
            suspended_reason=tenant.suspended_reason,
            created_at=tenant.created_at,
            row=tenant,
        )

    @strawberry.field
    async def owner(self, info: Info) -> Annotated["User", strawberry.lazy("api.schema.users")] | None:
        from api.schema.users import User

        owner = await info.context.loaders.owner.load(self.row.id)
        return User.of(owner, self) if owner is not None else None

    @strawberry.field
    async def seats(self, info: Info) -> list[Seats]:
        used = await info.context.loaders.seats.load(self.row.id)
        return [
            Seats(role=role, used=used.get(role, 0), max=most)
            for role, most in domain_seats.max_seats(self.row).items()
        ]

    @strawberry.field
    async def staff(
        self, info: Info, first: int = 20, after: str | None = strawberry.UNSET
    ) -> Annotated["UserConnection", strawberry.lazy("api.schema.staff")]:
        from api.schema.staff import UserConnection

        pagination.check_page_size(first)
        after = None if after is strawberry.UNSET else after
        position = read_cursor("after", after)
        page = await info.context.loaders.staff.load(StaffPage(self.row.id, first, position))
        return UserConnection.of(page, after, self)


async def tenant(info: Info, id: strawberry.ID) -> Tenant | None:  # noqa: A002
    found = await details.find_tenant(await info.context.signed_in(), uuid_of(id))
    return Tenant.of(found) if found is not None else None


@strawberry.input
class UpdateTenantInput:
    business_name: str | None = strawberry.UNSET
    business_type: BusinessType | None = strawberry.UNSET  # pyright: ignore[reportInvalidTypeForm]
    address: str | None = strawberry.UNSET
    phone: str | None = strawberry.UNSET
    email: str | None = strawberry.UNSET


UpdateTenantResult = Annotated[Tenant | InvalidInput, strawberry.union("UpdateTenantResult")]


async def update_tenant(info: Info, input: UpdateTenantInput) -> UpdateTenantResult:  # noqa: A002
    viewer = await info.context.signed_in()
    changed = await details.update_tenant(viewer, given(input))
    info.context.loaders.clear()
    return Tenant.of(changed)
