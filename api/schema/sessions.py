"""Signing in and out."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.domain import sessions
from api.schema.context import Info
from api.schema.errors import RateLimited, TenantSuspended, WrongCredentials
from api.schema.users import User


@strawberry.input
class LoginInput:
    email: str
    password: str


@strawberry.type
class SignedIn:
    access_token: str
    expires_at: datetime
    user: User


@strawberry.type
class Done:
    message: str


LoginResult = Annotated[
    SignedIn | WrongCredentials | TenantSuspended | RateLimited, strawberry.union("LoginResult")
]


async def login(info: Info, input: LoginInput) -> LoginResult:  # noqa: A002
    opened = await sessions.sign_in(input.email, input.password, info.context.client)
    return SignedIn(
        access_token=opened.token,
        expires_at=opened.expires_at,
        user=User.of(opened.user, opened.tenant),
    )


async def logout(info: Info) -> Done:
    await sessions.sign_out(await info.context.signed_in(), info.context.client)
    return Done(message=info.context.say("SIGNED_OUT"))
