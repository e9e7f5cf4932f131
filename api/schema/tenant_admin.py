"""What operators do with tenants: list, suspend, reactivate and delete them, and set their seats."""

from typing import Annotated

import strawberry

import tables
from api.domain import pagination
from api.domain.pagination import Page, Position
from api.domain.tenants import deletion, listing, seats, suspension
from api.schema.context import Info
from api.schema.done import Done
from api.schema.error_types import Conflict, InvalidInput, NotFound, StepUpRequired, WrongCode
from api.schema.inputs import provided_fields, uuid_of
from api.schema.one_time_codes import Accepted, RequestCodeResult
from api.schema.pagination import (
    After,
    CountedConnection,
    First,
    SharedTotal,
    edges_of,
    page_info_of,
    read_cursor,
)
from api.schema.tenant_types import Tenant

TenantId = Annotated[strawberry.ID, strawberry.argument("The `id` of a `Tenant`.")]


@strawberry.input(description="Which tenants to list: those that meet every condition that is set.")
class TenantFilter:
    is_active: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="True for tenants that are not suspended, false for suspended ones.",
    )
    search: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Words of the name or of the email of the business or of its owner, or at least four "
        "symbols of the tax id in any spelling. A word may be its beginning. Case, accents and the order of "
        "words do not matter. A page may have fewer items than requested although more follow: see "
        "`hasNextPage`.",
    )

    def to_domain(self) -> listing.TenantFilter:
        is_active = None if self.is_active is strawberry.UNSET else self.is_active
        return listing.TenantFilter(is_active, self.search or None)


@strawberry.type(description="A page of tenants. Operators only.")
class TenantConnection(CountedConnection[Tenant]):
    @classmethod
    def of(
        cls, page: Page[tables.Tenant], after: str | None, filter: listing.TenantFilter
    ) -> "TenantConnection":
        edges = edges_of(
            page,
            position=lambda tenant: Position(tenant.created_at, tenant.id),
            node=Tenant.of,
        )
        total = SharedTotal(lambda: listing.count_tenants(filter))
        return cls(edges=edges, page_info=page_info_of(page, edges, after), total=total)


@strawberry.field(description="Tenants, the newest first, without deleted ones. Operators only.")
async def tenants(
    info: Info,
    first: First = 20,
    after: After = strawberry.UNSET,
    filter: Annotated[
        TenantFilter | None, strawberry.argument("Which tenants to list; omit it for all.")
    ] = strawberry.UNSET,
) -> TenantConnection:
    await info.context.operator()
    pagination.check_page_size(first)
    tenant_filter = filter.to_domain() if filter else listing.TenantFilter()
    after = after or None
    position = read_cursor("after", after)
    page = await listing.list_tenants(tenant_filter, first, position)
    return TenantConnection.of(page, after, tenant_filter)


ChangeTenantResult = Annotated[
    Tenant | NotFound | Conflict | StepUpRequired,
    strawberry.union(
        "ChangeTenantResult",
        description="The changed tenant, or the reason why nothing was changed. `Conflict` for a tenant "
        "that is suspended already, or that is not suspended and is to be reactivated.",
    ),
]


@strawberry.mutation(
    description="Suspends a tenant: its staff have no access from the next request on. Operators only."
)
async def suspend_tenant(
    info: Info,
    id: TenantId,
    reason: Annotated[
        str, strawberry.argument("Why, in 1 to 500 characters. Staff who try to sign in read it.")
    ],
) -> ChangeTenantResult:
    actor = await info.context.operator()
    changed = await suspension.suspend_tenant(actor, uuid_of(id), reason)
    return Tenant.of(changed)


@strawberry.mutation(
    description="Ends the suspension of a tenant; sessions that have not expired are valid again. Operators "
    "only."
)
async def reactivate_tenant(info: Info, id: TenantId) -> ChangeTenantResult:
    actor = await info.context.operator()
    changed = await suspension.reactivate_tenant(actor, uuid_of(id))
    return Tenant.of(changed)


@strawberry.input(
    description="The number of seats for each role: how many active users with the role the tenant may have. "
    "An omitted field keeps its value."
)
class SetSeatsInput:
    max_admins: int | None = strawberry.field(
        default=strawberry.UNSET, description="Seats for admins, the owner included: 0 to 100,000."
    )
    max_managers: int | None = strawberry.field(
        default=strawberry.UNSET, description="Seats for managers: 0 to 100,000."
    )
    max_cashiers: int | None = strawberry.field(
        default=strawberry.UNSET, description="Seats for cashiers: 0 to 100,000."
    )


SetSeatsResult = Annotated[
    Tenant | InvalidInput | NotFound | Conflict | StepUpRequired,
    strawberry.union(
        "SetSeatsResult",
        description="The changed tenant, or the reason why nothing was changed. `Conflict` if more users of "
        "a role are active than it would have seats.",
    ),
]


@strawberry.mutation(description="Sets how many seats a tenant has. Operators only.")
async def set_seats(
    info: Info,
    tenant_id: TenantId,
    input: Annotated[SetSeatsInput, strawberry.argument("The number of seats.")],
) -> SetSeatsResult:
    actor = await info.context.operator()
    changes = provided_fields(input)
    changed = await seats.set_seats(actor, uuid_of(tenant_id), changes)
    return Tenant.of(changed)


@strawberry.mutation(
    description="Mails a code for `deleteTenant`, valid for 10 minutes, to the operator who requests it. "
    "Only this operator can use it, and only for this tenant. An unknown id gets `InvalidInput` with the "
    "code `NOT_FOUND`. Operators only."
)
async def request_tenant_deletion(info: Info, id: TenantId) -> RequestCodeResult:
    actor = await info.context.operator()
    expires_at = await deletion.request_tenant_deletion(actor, uuid_of(id))
    return Accepted(message=info.context.message("CODE_REQUESTED"), expires_at=expires_at)


DeleteTenantResult = Annotated[
    Done | NotFound | WrongCode | Conflict | StepUpRequired,
    strawberry.union(
        "DeleteTenantResult",
        description="The deletion, or the reason why the tenant remains. `Conflict` for a deleted tenant.",
    ),
]


@strawberry.mutation(
    description="Hides the tenant at once and erases it after the grace period: 30 days, unless the "
    "deployment sets another time. Its staff are signed out. Operators only."
)
async def delete_tenant(
    info: Info,
    id: TenantId,
    code: Annotated[
        str, strawberry.argument("The eight digits that `requestTenantDeletion` mailed; 5 tries, one use.")
    ],
) -> DeleteTenantResult:
    actor = await info.context.operator()
    await deletion.delete_tenant_with_code(actor, uuid_of(id), code)
    return Done(message=info.context.message("TENANT_DELETED"))
