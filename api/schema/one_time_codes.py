"""One-time codes by mail: for a new password, and to verify an email address."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.domain.accounts import email_verification, password_reset
from api.schema.context import Info
from api.schema.descriptions import PASSWORDS
from api.schema.done import Done
from api.schema.error_types import InvalidInput, RateLimited, WrongCode


@strawberry.type(description="A request for a one-time code was accepted.")
class Accepted:
    message: str = strawberry.field(
        description="A sentence for people, in the language of the request. "
        "It is the same whether or not a mail is sent."
    )
    expires_at: datetime | None = strawberry.field(
        description="When the code expires, 10 minutes from now; also set where no mail is sent. Never null "
        "today."
    )


RequestCodeResult = Annotated[
    Accepted | InvalidInput | RateLimited,
    strawberry.union("RequestCodeResult", description="The acceptance, or the reason why no code is mailed."),
]


@strawberry.mutation(
    description="Mails a one-time code for `resetPassword` to the user with this address. Public. "
    "Always accepted, whether or not the address is known."
)
async def request_password_reset(
    info: Info, email: Annotated[str, strawberry.argument("The email address of the user.")]
) -> RequestCodeResult:
    expires_at = await password_reset.request_password_reset(email, info.context.client)
    return Accepted(message=info.context.message("CODE_REQUESTED"), expires_at=expires_at)


@strawberry.input(description="A new password, with the code that was mailed.")
class ResetPasswordInput:
    email: str = strawberry.field(description="The email address that the code was requested for.")
    code: str = strawberry.field(
        description="The digits of the mail. A code is valid for 10 minutes, 5 tries and one use; "
        "a newer code replaces it."
    )
    new_password: str = strawberry.field(description=PASSWORDS)


ResetPasswordResult = Annotated[
    Done | InvalidInput | WrongCode | RateLimited,
    strawberry.union(
        "ResetPasswordResult",
        description="The change, or the reason why the password is still the same. "
        "`InvalidInput` does not use up a try.",
    ),
]


@strawberry.mutation(
    description="Sets a new password with a code from `requestPasswordReset` and ends all sessions of the "
    "user. Public."
)
async def reset_password(
    info: Info, input: Annotated[ResetPasswordInput, strawberry.argument("The code and the new password.")]
) -> ResetPasswordResult:
    await password_reset.reset_password(input.email, input.code, input.new_password, info.context.client)
    return Done(message=info.context.message("PASSWORD_RESET"))


@strawberry.mutation(description="Mails a one-time code for `verifyEmail` to this address. Public.")
async def request_email_verification(
    info: Info, email: Annotated[str, strawberry.argument("The email address to verify.")]
) -> RequestCodeResult:
    expires_at = await email_verification.request_email_verification(email, info.context.client)
    return Accepted(message=info.context.message("CODE_REQUESTED"), expires_at=expires_at)


@strawberry.type(description="An email address is verified.")
class EmailVerified:
    token: str = strawberry.field(
        description="The `emailVerificationToken` of `register`: valid for 30 minutes, for one registration "
        "with this address."
    )


VerifyEmailResult = Annotated[
    EmailVerified | WrongCode | RateLimited,
    strawberry.union("VerifyEmailResult", description="The token, or the reason why none was created."),
]


@strawberry.mutation(
    description="Exchanges a code from `requestEmailVerification` for a token that `register` takes. Public."
)
async def verify_email(
    info: Info,
    email: Annotated[str, strawberry.argument("The email address that the code was requested for.")],
    code: Annotated[
        str, strawberry.argument("The digits of the mail; valid for 10 minutes, 5 tries and one use.")
    ],
) -> VerifyEmailResult:
    token = await email_verification.verify_email(email, code, info.context.client)
    return EmailVerified(token=token)
