"""The staff of a tenant: created, changed and removed by its admins and managers."""

from typing import Annotated

import strawberry

from api.domain.tenants import staff
from api.schema.context import Info
from api.schema.descriptions import PASSWORDS, PHONE_NUMBERS
from api.schema.done import Done
from api.schema.enums import Role
from api.schema.error_types import (
    Conflict,
    EmailTaken,
    InvalidInput,
    InvitationRequired,
    NoSeat,
    NotFound,
    RateLimited,
)
from api.schema.inputs import provided_fields, uuid_of
from api.schema.tenant_types import User

StaffId = Annotated[strawberry.ID, strawberry.argument("The `id` of a `User` of the viewer's tenant.")]


@strawberry.input(description="A new user of the viewer's tenant.")
class CreateStaffInput:
    email: str = strawberry.field(
        description="The address to sign in with; at most 120 characters. No other user may have it."
    )
    first_name: str = strawberry.field(description="First name; 1 to 60 characters.")
    last_name: str = strawberry.field(description="Last name; 1 to 60 characters.")
    role: Role = strawberry.field(description="`ADMIN`, `MANAGER` or `CASHIER`. Takes a seat of this role.")
    password: str = strawberry.field(description=PASSWORDS)
    document_id: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The number of an identity document; at most 20 characters.",
    )
    phone_number: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=PHONE_NUMBERS,
    )


CreateStaffResult = Annotated[
    User | InvalidInput | EmailTaken | NoSeat | InvitationRequired | RateLimited,
    strawberry.union(
        "CreateStaffResult",
        description="The new user, or the reason why none was created. `InvitationRequired` where addresses "
        "have to be verified.",
    ),
]


@strawberry.mutation(
    description="Creates a user in the viewer's tenant, with a password that the viewer knows too, and mails "
    "the person. Admins, for all roles; managers, for cashiers only.",
    deprecation_reason="Use `inviteStaff`: only the invited person knows the password, and the address is "
    "verified.",
)
async def create_staff(
    info: Info, input: Annotated[CreateStaffInput, strawberry.argument("The new user.")]
) -> CreateStaffResult:
    viewer = await info.context.signed_in()
    user, tenant = await staff.create_staff(viewer, provided_fields(input))
    info.context.loaders.clear()
    return User.of_rows(user, tenant)


@strawberry.input(
    description="Changes of a user. An omitted field keeps its value. Null clears `documentId` and "
    "`phoneNumber`; elsewhere it gets the error `REQUIRED`."
)
class UpdateStaffInput:
    first_name: str | None = strawberry.field(
        default=strawberry.UNSET, description="First name; 1 to 60 characters."
    )
    last_name: str | None = strawberry.field(
        default=strawberry.UNSET, description="Last name; 1 to 60 characters."
    )
    role: Role | None = strawberry.field(
        default=strawberry.UNSET,
        description="`ADMIN`, `MANAGER` or `CASHIER`. An active user takes a seat of the new role.",
    )
    is_active: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="False ends all sessions of the user and frees the seat; true takes a seat.",
    )
    document_id: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The number of an identity document; at most 20 characters.",
    )
    phone_number: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=PHONE_NUMBERS,
    )


UpdateStaffResult = Annotated[
    User | InvalidInput | NotFound | NoSeat | Conflict,
    strawberry.union(
        "UpdateStaffResult",
        description="The changed user, or the reason why nothing was changed. `Conflict` for a change of the "
        "role or of `isActive` of the owner or of the viewer.",
    ),
]


@strawberry.mutation(
    description="Changes a user of the viewer's tenant. Admins, for all roles; managers, for cashiers. "
    "Only the owner changes the owner."
)
async def update_staff(
    info: Info, id: StaffId, input: Annotated[UpdateStaffInput, strawberry.argument("The changes.")]
) -> UpdateStaffResult:
    viewer = await info.context.signed_in()
    changes = provided_fields(input)
    user, tenant = await staff.update_staff(viewer, uuid_of(id), changes)
    info.context.loaders.clear()
    return User.of_rows(user, tenant)


EndStaffSessionsResult = Annotated[
    Done | NotFound,
    strawberry.union(
        "EndStaffSessionsResult", description="The sign-out, or `NotFound` for a user of another tenant."
    ),
]


@strawberry.mutation(
    description="Signs a user of the viewer's tenant out on all devices. Admins, for all roles; managers, "
    "for cashiers. Only the owner does so for the owner."
)
async def end_staff_sessions(info: Info, id: StaffId) -> EndStaffSessionsResult:
    viewer = await info.context.signed_in()
    await staff.end_staff_sessions(viewer, uuid_of(id))
    return Done(message=info.context.message("STAFF_SIGNED_OUT"))


RemoveStaffResult = Annotated[
    Done | NotFound | Conflict,
    strawberry.union(
        "RemoveStaffResult",
        description="The removal, or the reason why the user remains. `Conflict` for the owner, for the "
        "viewer, and for a user to whom other data refers; such a user can be deactivated.",
    ),
]


@strawberry.mutation(
    description="Deletes a user of the viewer's tenant and their sessions. Admins, for all roles; managers, "
    "for cashiers. The email address can be used again."
)
async def remove_staff(info: Info, id: StaffId) -> RemoveStaffResult:
    viewer = await info.context.signed_in()
    await staff.remove_staff(viewer, uuid_of(id))
    info.context.loaders.clear()
    return Done(message=info.context.message("STAFF_REMOVED"))
