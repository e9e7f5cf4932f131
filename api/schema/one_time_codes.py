"""One-time codes: for a new password, and for showing whose a mailbox is."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.domain.accounts import email_verification, password_reset
from api.schema.context import Info
from api.schema.error_types import InvalidInput, RateLimited, WrongCode
from api.schema.sessions import Done


@strawberry.type
class Accepted:
    message: str
    expires_at: datetime | None


@strawberry.type
class EmailVerified:
    token: str


@strawberry.input
class ResetPasswordInput:
    email: str
    code: str
    new_password: str


RequestCodeResult = Annotated[Accepted | InvalidInput | RateLimited, strawberry.union("RequestCodeResult")]
ResetPasswordResult = Annotated[
    Done | InvalidInput | WrongCode | RateLimited, strawberry.union("ResetPasswordResult")
]
VerifyEmailResult = Annotated[EmailVerified | WrongCode | RateLimited, strawberry.union("VerifyEmailResult")]


async def request_password_reset(info: Info, email: str) -> RequestCodeResult:
    expires_at = await password_reset.request_password_reset(email, info.context.client)
    return Accepted(message=info.context.say("CODE_REQUESTED"), expires_at=expires_at)


async def reset_password(info: Info, input: ResetPasswordInput) -> ResetPasswordResult:  # noqa: A002
    await password_reset.reset_password(input.email, input.code, input.new_password, info.context.client)
    return Done(message=info.context.say("PASSWORD_RESET"))


async def request_email_verification(info: Info, email: str) -> RequestCodeResult:
    expires_at = await email_verification.request_email_verification(email, info.context.client)
    return Accepted(message=info.context.say("CODE_REQUESTED"), expires_at=expires_at)


async def verify_email(info: Info, email: str, code: str) -> VerifyEmailResult:
    token = await email_verification.verify_email(email, code, info.context.client)
    return EmailVerified(token=token)
