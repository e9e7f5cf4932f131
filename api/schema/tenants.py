"""A tenant, as its staff and operators see it, and its details, as its admins change them."""

from typing import Annotated

import strawberry

from api.domain.tenants import details
from api.schema.context import Info
from api.schema.descriptions import PHONE_NUMBERS
from api.schema.enums import BusinessType
from api.schema.error_types import InvalidInput
from api.schema.inputs import provided_fields, uuid_of
from api.schema.tenant_types import Tenant


@strawberry.field(
    description="One tenant. Operators see any tenant, staff their own; null for other ids. "
    "Requires a signed-in user."
)
async def tenant(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument("The `id` of a `Tenant`.")]
) -> Tenant | None:
    found = await details.find_tenant(await info.context.signed_in(), uuid_of(id))
    return Tenant.of(found) if found is not None else None


@strawberry.input(
    description="Changes of the viewer's tenant. An omitted field keeps its value. Null clears `phone` and "
    "`email`; elsewhere it gets the error `REQUIRED`."
)
class UpdateTenantInput:
    business_name: str | None = strawberry.field(
        default=strawberry.UNSET, description="The name of the business; 1 to 200 characters."
    )
    business_type: BusinessType | None = strawberry.field(
        default=strawberry.UNSET, description="The line of business."
    )
    address: str | None = strawberry.field(
        default=strawberry.UNSET, description="The postal address in one line; 1 to 500 characters."
    )
    phone: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=PHONE_NUMBERS,
    )
    email: str | None = strawberry.field(
        default=strawberry.UNSET, description="The email address of the business; at most 100 characters."
    )


UpdateTenantResult = Annotated[
    Tenant | InvalidInput,
    strawberry.union("UpdateTenantResult", description="The changed tenant, or the errors in the input."),
]


@strawberry.mutation(description="Changes the details of the viewer's tenant. Admins, for their own tenant.")
async def update_tenant(
    info: Info, input: Annotated[UpdateTenantInput, strawberry.argument("The changes.")]
) -> UpdateTenantResult:
    viewer = await info.context.signed_in()
    changes = provided_fields(input)
    changed = await details.update_tenant(viewer, changes)
    info.context.loaders.clear()
    return Tenant.of(changed)
