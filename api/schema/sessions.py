"""Sessions: sign-in, sign-out, the list of signed-in devices, and the change of the password."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.domain.accounts import identity_confirmation, password_change, sign_in
from api.domain.accounts import sessions as domain_sessions
from api.domain.accounts.second_factors.proofs import Proof
from api.domain.second_factor_policy import must_set_up
from api.execution.answer_costs import ITEMS
from api.schema.context import Info
from api.schema.descriptions import ACCESS_TOKENS, CODES, PASSKEY_RESPONSES, PASSWORDS
from api.schema.done import Done
from api.schema.error_types import (
    InvalidInput,
    NotFound,
    PasskeysUnavailable,
    RateLimited,
    SecondFactorRequired,
    TenantDeleted,
    TenantSuspended,
    WrongCode,
    WrongCredentials,
)
from api.schema.inputs import uuid_of
from api.schema.tenant_types import User


@strawberry.input(description="The credentials of a user.")
class LoginInput:
    email: str = strawberry.field(description="The email address of the user; case does not matter.")
    password: str = strawberry.field(description="The password.")


@strawberry.type(description="A new session.")
class SignedIn:
    access_token: str = strawberry.field(description=ACCESS_TOKENS)
    expires_at: datetime = strawberry.field(description="When the session ends, unless it is ended before.")
    user: User = strawberry.field(description="The user who signed in.")
    must_set_up_second_factor: bool = strawberry.field(
        description="Whether this session can only set up a second factor, with `startSecondFactor`: true "
        "for an operator without one, where the deployment requires it."
    )

    @classmethod
    def of(cls, opened: domain_sessions.OpenedSession) -> "SignedIn":
        return cls(
            access_token=opened.token,
            expires_at=opened.expires_at,
            user=User.of_rows(opened.user, opened.tenant),
            must_set_up_second_factor=must_set_up(opened.user),
        )


LoginResult = Annotated[
    SignedIn | WrongCredentials | TenantSuspended | TenantDeleted | RateLimited | SecondFactorRequired,
    strawberry.union("LoginResult", description="The new session, or the reason why none was created."),
]


@strawberry.mutation(description="Signs a user in with email address and password. Public.")
async def login(
    info: Info, input: Annotated[LoginInput, strawberry.argument("The credentials.")]
) -> LoginResult:
    opened = await sign_in.sign_in(input.email, input.password, info.context.client)
    return SignedIn.of(opened)


@strawberry.mutation(
    description="Ends the session of this request; its token is no longer valid. Requires a signed-in user."
)
async def logout(info: Info) -> Done:
    viewer = await info.context.signed_in(to_set_up=True)
    await domain_sessions.sign_out(viewer)
    return Done(message=info.context.message("SIGNED_OUT"))


@strawberry.type(description="A signed-in device. Only its user sees it.")
class Session:
    id: strawberry.ID = strawberry.field(description="A UUID. It is not the token.")
    created_at: datetime = strawberry.field(description="When the user signed in.")
    last_seen_at: datetime = strawberry.field(
        description="When the device sent its last request, to the minute."
    )
    expires_at: datetime = strawberry.field(
        description="When the session ends, however much it is used. Unused, it ends before: after 14 days, "
        "of an operator after 60 minutes, unless the deployment sets other times."
    )
    user_agent: str | None = strawberry.field(
        description="The `User-Agent` header of the sign-in; null if it had none."
    )
    ip_address: str | None = strawberry.field(
        description="The IPv4 or IPv6 address of the sign-in; null if it is unknown."
    )
    is_current: bool = strawberry.field(description="Whether this request belongs to the session.")


@strawberry.field(
    description="The viewer's devices: the current session first, then the others by `lastSeenAt`, the "
    "latest first; at most 100. Requires a signed-in user.",
    metadata={ITEMS: domain_sessions.MAX_LISTED},
)
async def sessions(info: Info) -> list[Session]:
    viewer = await info.context.signed_in()
    return [
        Session(
            id=strawberry.ID(str(session.id)),
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=session.expires_at,
            user_agent=session.user_agent,
            ip_address=session.ip_address,
            is_current=session.is_current,
        )
        for session in await domain_sessions.list_sessions(viewer)
    ]


RevokeSessionResult = Annotated[
    Done | NotFound,
    strawberry.union(
        "RevokeSessionResult",
        description="The sign-out of the device. `NotFound` for an unknown or ended session, and for one of "
        "another user.",
    ),
]


@strawberry.mutation(description="Signs one of the viewer's devices out. Requires a signed-in user.")
async def revoke_session(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument("The `id` of a `Session` of the viewer.")]
) -> RevokeSessionResult:
    viewer = await info.context.signed_in()
    await domain_sessions.revoke_session(viewer, uuid_of(id))
    return Done(message=info.context.message("SESSION_REVOKED"))


@strawberry.mutation(
    description="Ends all sessions of the viewer, that of this request included. Requires a signed-in user."
)
async def sign_out_everywhere(info: Info) -> Done:
    viewer = await info.context.signed_in(to_set_up=True)
    await domain_sessions.sign_out_everywhere(viewer)
    return Done(message=info.context.message("SIGNED_OUT_EVERYWHERE"))


@strawberry.input(
    description="What confirms that it is the viewer: a code of the second factor, a passkey, or the "
    "password. If several are given, the passkey is checked, or else the code."
)
class ConfirmIdentityInput:
    password: str | None = strawberry.field(default=None, description="The password of the viewer.")
    code: str | None = strawberry.field(default=None, description=CODES)
    passkey: str | None = strawberry.field(default=None, description=PASSKEY_RESPONSES)


@strawberry.type(description="The identity of the viewer is confirmed, for this session.")
class IdentityConfirmed:
    message: str = strawberry.field(description="A sentence for people, in the language of the request.")
    seconds: int = strawberry.field(description="For how many seconds it is confirmed: 600.")


ConfirmIdentityResult = Annotated[
    IdentityConfirmed | InvalidInput | WrongCredentials | WrongCode | RateLimited | PasskeysUnavailable,
    strawberry.union(
        "ConfirmIdentityResult",
        description="The confirmation, or the reason why the session is not confirmed. `InvalidInput` if the "
        "input has neither a code nor a passkey nor a password.",
    ),
]


@strawberry.mutation(
    description="Confirms that it is the viewer who holds this session, for mutations that answer "
    "`StepUpRequired`. A sign-in counts for 10 minutes too. Requires a signed-in user."
)
async def confirm_identity(
    info: Info, input: Annotated[ConfirmIdentityInput, strawberry.argument("The password or a code.")]
) -> ConfirmIdentityResult:
    viewer = await info.context.signed_in(to_set_up=True)
    proof = Proof(input.code, input.passkey)
    seconds = await identity_confirmation.confirm_identity(viewer, input.password, proof)
    return IdentityConfirmed(message=info.context.message("IDENTITY_CONFIRMED"), seconds=seconds)


@strawberry.input(description="The current and the new password of the viewer.")
class ChangePasswordInput:
    current_password: str = strawberry.field(description="The password that the viewer has now.")
    new_password: str = strawberry.field(description=PASSWORDS)


ChangePasswordResult = Annotated[
    Done | InvalidInput | WrongCredentials | RateLimited,
    strawberry.union(
        "ChangePasswordResult",
        description="The change, or the reason why the password is still the same. "
        "`WrongCredentials` for a wrong current password.",
    ),
]


@strawberry.mutation(
    description="Changes the viewer's password and ends all of their other sessions. Requires a signed-in "
    "user."
)
async def change_password(
    info: Info, input: Annotated[ChangePasswordInput, strawberry.argument("Both passwords.")]
) -> ChangePasswordResult:
    viewer = await info.context.signed_in(to_set_up=True)
    await password_change.change_password(viewer, input.current_password, input.new_password)
    return Done(message=info.context.message("PASSWORD_CHANGED"))
