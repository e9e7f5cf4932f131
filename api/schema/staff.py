"""The people of a tenant."""

from typing import Annotated

import strawberry

import tables
from api.domain.pagination import Page, Position
from api.domain.tenants import staff
from api.schema.context import Info
from api.schema.error_types import Conflict, EmailTaken, InvalidInput, NoSeat, NotFound
from api.schema.inputs import given, uuid_of
from api.schema.pagination import Connection, edges_of, page_info_of
from api.schema.roles import Role
from api.schema.sessions import Done
from api.schema.tenants import Tenant
from api.schema.users import User


@strawberry.type
class UserConnection(Connection[User]):
    tenant: strawberry.Private[Tenant]

    @classmethod
    def of(cls, page: Page[tables.User], after: str | None, tenant: Tenant) -> "UserConnection":
        edges = edges_of(
            page,
            position=lambda user: Position(user.created_at, user.id),
            present=lambda user: User.of(user, tenant),
        )
        return cls(edges=edges, page_info=page_info_of(page, edges, after), tenant=tenant)

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        return await info.context.loaders.staff_count.load(self.tenant.row.id)


@strawberry.input
class CreateStaffInput:
    email: str
    first_name: str
    last_name: str
    role: Role  # pyright: ignore[reportInvalidTypeForm]
    password: str
    document_id: str | None = strawberry.UNSET
    phone_number: str | None = strawberry.UNSET


CreateStaffResult = Annotated[
    User | InvalidInput | EmailTaken | NoSeat, strawberry.union("CreateStaffResult")
]


async def create_staff(info: Info, input: CreateStaffInput) -> CreateStaffResult:  # noqa: A002
    viewer = await info.context.signed_in()
    user, tenant = await staff.create_staff(viewer, given(input))
    info.context.loaders.clear()
    return User.of(user, Tenant.of(tenant))


@strawberry.input
class UpdateStaffInput:
    first_name: str | None = strawberry.UNSET
    last_name: str | None = strawberry.UNSET
    role: Role | None = strawberry.UNSET  # pyright: ignore[reportInvalidTypeForm]
    is_active: bool | None = strawberry.UNSET
    document_id: str | None = strawberry.UNSET
    phone_number: str | None = strawberry.UNSET


UpdateStaffResult = Annotated[
    User | InvalidInput | NotFound | NoSeat | Conflict, strawberry.union("UpdateStaffResult")
]


async def update_staff(
    info: Info,
    id: strawberry.ID,  # noqa: A002
    input: UpdateStaffInput,  # noqa: A002
) -> UpdateStaffResult:
    viewer = await info.context.signed_in()
    user, tenant = await staff.update_staff(viewer, uuid_of(id), given(input))
    info.context.loaders.clear()
    return User.of(user, Tenant.of(tenant))


RemoveStaffResult = Annotated[Done | NotFound | Conflict, strawberry.union("RemoveStaffResult")]


async def remove_staff(info: Info, id: strawberry.ID) -> RemoveStaffResult:  # noqa: A002
    await staff.remove_staff(await info.context.signed_in(), uuid_of(id))
    info.context.loaders.clear()
    return Done(message=info.context.say("STAFF_REMOVED"))
