"""Signing in and out, the devices that are signed in, and the password."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.domain.accounts import password_change, sessions, sign_in
from api.schema.context import Info
from api.schema.error_types import InvalidInput, NotFound, RateLimited, TenantSuspended, WrongCredentials
from api.schema.inputs import uuid_of
from api.schema.users import User, with_tenant


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
    opened = await sign_in.sign_in(input.email, input.password, info.context.client)
    return SignedIn(
        access_token=opened.token,
        expires_at=opened.expires_at,
        user=with_tenant(opened.user, opened.tenant),
    )


async def logout(info: Info) -> Done:
    await sessions.sign_out(await info.context.signed_in())
    return Done(message=info.context.say("SIGNED_OUT"))


@strawberry.type(description="A signed-in device.")
class Session:
    id: strawberry.ID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str | None
    ip_address: str | None
    is_current: bool


async def list_sessions(info: Info) -> list[Session]:
    return [
        Session(
            id=strawberry.ID(str(device.id)),
            created_at=device.created_at,
            last_seen_at=device.last_seen_at,
            expires_at=device.expires_at,
            user_agent=device.user_agent,
            ip_address=device.ip_address,
            is_current=device.is_current,
        )
        for device in await sessions.list_sessions(await info.context.signed_in())
    ]


RevokeSessionResult = Annotated[Done | NotFound, strawberry.union("RevokeSessionResult")]


async def revoke_session(info: Info, id: strawberry.ID) -> RevokeSessionResult:  # noqa: A002
    await sessions.revoke_session(await info.context.signed_in(), uuid_of(id))
    return Done(message=info.context.say("SESSION_REVOKED"))


@strawberry.input
class ChangePasswordInput:
    current_password: str
    new_password: str


ChangePasswordResult = Annotated[
    Done | InvalidInput | WrongCredentials | RateLimited, strawberry.union("ChangePasswordResult")
]


async def change_password(info: Info, input: ChangePasswordInput) -> ChangePasswordResult:  # noqa: A002
    viewer = await info.context.signed_in()
    await password_change.change_password(viewer, input.current_password, input.new_password)
    return Done(message=info.context.say("PASSWORD_CHANGED"))
