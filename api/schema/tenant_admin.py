"""What operators do with tenants: list, suspend, delete them, and set their seats."""

from typing import Annotated

import strawberry

import tables
from api.domain import pagination
from api.domain.pagination import Page, Position
from api.domain.tenants import deletion, listing, seats, suspension
from api.schema.context import Info
from api.schema.error_types import Conflict, InvalidInput, NotFound, WrongCode
from api.schema.inputs import given, uuid_of
from api.schema.one_time_codes import Accepted, RequestCodeResult
from api.schema.pagination import Connection, edges_of, page_info_of, read_cursor
from api.schema.sessions import Done
from api.schema.tenants import Tenant


@strawberry.input
class TenantFilter:
    is_active: bool | None = strawberry.UNSET
    search: str | None = strawberry.field(
        default=strawberry.UNSET, description="Part of the name, the tax id or the email."
    )

    def read(self) -> listing.TenantFilter:
        is_active = None if self.is_active is strawberry.UNSET else self.is_active
        return listing.TenantFilter(is_active, self.search or None)


@strawberry.type
class TenantConnection(Connection[Tenant]):
    wanted: strawberry.Private[listing.TenantFilter]

    @classmethod
    def of(
        cls, page: Page[tables.Tenant], after: str | None, wanted: listing.TenantFilter
    ) -> "TenantConnection":
        edges = edges_of(
            page,
            position=lambda tenant: Position(tenant.created_at, tenant.id),
            present=Tenant.of,
        )
        return cls(edges=edges, page_info=page_info_of(page, edges, after), wanted=wanted)

    @strawberry.field
    async def total_count(self) -> int:
        return await listing.count_tenants(self.wanted)


async def list_tenants(
    info: Info,
    first: int = 20,
    after: str | None = strawberry.UNSET,
    filter: TenantFilter | None = strawberry.UNSET,  # noqa: A002
) -> TenantConnection:
    await info.context.operator()
    pagination.check_page_size(first)
    wanted = filter.read() if filter else listing.TenantFilter()
    after = after or None
    page = await listing.list_tenants(wanted, first, read_cursor("after", after))
    return TenantConnection.of(page, after, wanted)


ChangeTenantResult = Annotated[Tenant | NotFound | Conflict, strawberry.union("ChangeTenantResult")]


async def suspend_tenant(info: Info, id: strawberry.ID, reason: str) -> ChangeTenantResult:  # noqa: A002
    changed = await suspension.suspend_tenant(await info.context.operator(), uuid_of(id), reason)
    return Tenant.of(changed)


async def reactivate_tenant(info: Info, id: strawberry.ID) -> ChangeTenantResult:  # noqa: A002
    changed = await suspension.reactivate_tenant(await info.context.operator(), uuid_of(id))
    return Tenant.of(changed)


@strawberry.input
class SetSeatsInput:
    max_admins: int | None = strawberry.UNSET
    max_managers: int | None = strawberry.UNSET
    max_cashiers: int | None = strawberry.UNSET


SetSeatsResult = Annotated[Tenant | InvalidInput | NotFound | Conflict, strawberry.union("SetSeatsResult")]


async def set_seats(
    info: Info,
    tenant_id: strawberry.ID,
    input: SetSeatsInput,  # noqa: A002
) -> SetSeatsResult:
    changed = await seats.set_seats(await info.context.operator(), uuid_of(tenant_id), given(input))
    return Tenant.of(changed)


async def request_tenant_deletion(info: Info, id: strawberry.ID) -> RequestCodeResult:  # noqa: A002
    actor = await info.context.operator()
    expires_at = await deletion.request_tenant_deletion(actor, uuid_of(id))
    return Accepted(message=info.context.say("CODE_REQUESTED"), expires_at=expires_at)


DeleteTenantResult = Annotated[Done | NotFound | WrongCode | Conflict, strawberry.union("DeleteTenantResult")]


async def delete_tenant(info: Info, id: strawberry.ID, code: str) -> DeleteTenantResult:  # noqa: A002
    await deletion.delete_tenant_with_code(await info.context.operator(), uuid_of(id), code)
    return Done(message=info.context.say("TENANT_DELETED"))
