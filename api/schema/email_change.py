"""Changing the viewer's email address, with a code that is mailed to the new one."""

from typing import Annotated

import strawberry

from api.domain.accounts import email_change
from api.schema.context import Info
from api.schema.error_types import EmailTaken, InvalidInput, RateLimited, StepUpRequired, WrongCode
from api.schema.one_time_codes import Accepted
from api.schema.tenant_types import User

RequestEmailChangeResult = Annotated[
    Accepted | InvalidInput | StepUpRequired | RateLimited,
    strawberry.union(
        "RequestEmailChangeResult", description="The acceptance, or the reason why no code is mailed."
    ),
]


@strawberry.mutation(
    description="Mails a code for `confirmEmailChange` to a new address of the viewer. Always accepted, "
    "whether or not the address is free; the holder of a taken one gets a mail. Requires a signed-in user."
)
async def request_email_change(
    info: Info, email: Annotated[str, strawberry.argument("The new address; at most 120 characters.")]
) -> RequestEmailChangeResult:
    viewer = await info.context.signed_in()
    expires_at = await email_change.request_email_change(viewer, email)
    return Accepted(message=info.context.message("CODE_REQUESTED"), expires_at=expires_at)


@strawberry.input(description="The new address of the viewer, with the code that was mailed to it.")
class ConfirmEmailChangeInput:
    email: str = strawberry.field(description="The address that the code was requested for.")
    code: str = strawberry.field(
        description="The digits of the mail; valid for 10 minutes, 5 tries and one use."
    )


ConfirmEmailChangeResult = Annotated[
    User | WrongCode | EmailTaken | StepUpRequired | RateLimited,
    strawberry.union(
        "ConfirmEmailChangeResult",
        description="The user with the new address, or the reason why it is still the old one. `EmailTaken` "
        "if another user got the address after the code was mailed.",
    ),
]


@strawberry.mutation(
    description="Gives the viewer a new address, with a code from `requestEmailChange`, and mails the old "
    "one. Sessions stay open. Requires a signed-in user."
)
async def confirm_email_change(
    info: Info, input: Annotated[ConfirmEmailChangeInput, strawberry.argument("The address and the code.")]
) -> ConfirmEmailChangeResult:
    viewer = await info.context.signed_in()
    changed = await email_change.confirm_email_change(viewer, input.email, input.code)
    return User.of_rows(changed, viewer.tenant)
