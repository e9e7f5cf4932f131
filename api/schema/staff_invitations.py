"""Invitations of staff: sent and cancelled by those who manage staff, and accepted by the person."""

from typing import Annotated

import strawberry

from api.domain.tenants import invitation_acceptance, staff_invitations
from api.domain.tenants.invitation_acceptance import Acceptance
from api.schema.context import Info
from api.schema.descriptions import PASSWORDS, PHONE_NUMBERS
from api.schema.done import Done
from api.schema.enums import Role
from api.schema.error_types import (
    Conflict,
    EmailTaken,
    InvalidInput,
    NoSeat,
    NotFound,
    RateLimited,
    TenantSuspended,
    WrongCode,
)
from api.schema.inputs import provided_fields, uuid_of
from api.schema.sessions import SignedIn
from api.schema.staff_invitation_types import StaffInvitation

InvitationId = Annotated[
    strawberry.ID, strawberry.argument("The `id` of a `StaffInvitation` of the viewer's tenant.")
]


@strawberry.input(description="A person to invite to the viewer's tenant.")
class InviteStaffInput:
    email: str = strawberry.field(
        description="The address that the mail is sent to, and that the person will sign in with; at most "
        "120 characters."
    )
    first_name: str = strawberry.field(description="First name; 1 to 60 characters.")
    last_name: str = strawberry.field(description="Last name; 1 to 60 characters.")
    role: Role = strawberry.field(
        description="`ADMIN`, `MANAGER` or `CASHIER`. Reserves a seat of this role."
    )
    document_id: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The number of an identity document; at most 20 characters.",
    )
    phone_number: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=PHONE_NUMBERS,
    )


InviteStaffResult = Annotated[
    StaffInvitation | InvalidInput | NoSeat | Conflict | RateLimited,
    strawberry.union(
        "InviteStaffResult",
        description="The invitation, or the reason why none was sent. It is the same whether or not the "
        "address has an account. `Conflict` if the tenant has an open invitation for the address.",
    ),
]


@strawberry.mutation(
    description="Reserves a seat for 7 days, and mails the person a link and a code, to make the account "
    "with `acceptInvitation`. Admins, for all roles; managers, for cashiers only."
)
async def invite_staff(
    info: Info, input: Annotated[InviteStaffInput, strawberry.argument("The person.")]
) -> InviteStaffResult:
    viewer = await info.context.signed_in()
    invitation = await staff_invitations.invite_staff(viewer, provided_fields(input))
    info.context.loaders.clear()
    return StaffInvitation.seen_by(viewer, invitation)


ResendInvitationResult = Annotated[
    StaffInvitation | NotFound | NoSeat | RateLimited,
    strawberry.union(
        "ResendInvitationResult",
        description="The invitation, or the reason why no mail was sent. `NoSeat` for an expired invitation "
        "whose seat was taken meanwhile; `RateLimited` within 5 minutes of the last mail, too.",
    ),
]


@strawberry.mutation(
    description="Mails an invitation again, with a new link and code, valid for 7 days; those of before are "
    "not valid any more. Admins, for all roles; managers, for cashiers only."
)
async def resend_invitation(info: Info, id: InvitationId) -> ResendInvitationResult:
    viewer = await info.context.signed_in()
    invitation = await staff_invitations.resend_invitation(viewer, uuid_of(id))
    info.context.loaders.clear()
    return StaffInvitation.seen_by(viewer, invitation)


CancelInvitationResult = Annotated[
    Done | NotFound,
    strawberry.union(
        "CancelInvitationResult",
        description="The cancellation, or `NotFound` for an invitation of another tenant, and for one that "
        "was accepted or cancelled.",
    ),
]


@strawberry.mutation(
    description="Cancels an invitation, and frees its seat. Admins, for all roles; managers, for cashiers "
    "only."
)
async def cancel_invitation(info: Info, id: InvitationId) -> CancelInvitationResult:
    viewer = await info.context.signed_in()
    await staff_invitations.cancel_invitation(viewer, uuid_of(id))
    info.context.loaders.clear()
    return Done(message=info.context.message("INVITATION_CANCELLED"))


@strawberry.input(
    description="What accepts an invitation: the `token` of the link, or the `email` and the `code`; and the "
    "password that the person chooses."
)
class AcceptInvitationInput:
    password: str = strawberry.field(description=PASSWORDS)
    token: str | None = strawberry.field(default=None, description="The `token` in the link of the mail.")
    email: str | None = strawberry.field(
        default=None, description="The address that was invited; required without a `token`."
    )
    code: str | None = strawberry.field(
        default=None,
        description="The code of the mail, such as `7QX4-M9HK-TR2B`; required without a `token`.",
    )


AcceptInvitationResult = Annotated[
    SignedIn | InvalidInput | WrongCode | EmailTaken | TenantSuspended | RateLimited,
    strawberry.union(
        "AcceptInvitationResult",
        description="The session of the new user, or the reason why none was created. `WrongCode` for an "
        "invitation that was accepted or cancelled or has expired, too; `EmailTaken` if the address has an "
        "account, which can belong to one tenant only.",
    ),
]


@strawberry.mutation(
    description="Makes the account of an invited person with the password that the person chooses, and signs "
    "in. Public."
)
async def accept_invitation(
    info: Info, input: Annotated[AcceptInvitationInput, strawberry.argument("The invitation.")]
) -> AcceptInvitationResult:
    acceptance = Acceptance(input.token, input.email, input.code, input.password)
    return SignedIn.of(await invitation_acceptance.accept_invitation(acceptance, info.context.client))
