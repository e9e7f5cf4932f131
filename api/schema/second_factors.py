"""The second factor: set up by each user for themselves, verified at sign-in, reset by operators."""

from datetime import datetime
from typing import Annotated

import segno
import strawberry

from api.domain.accounts.passkeys.passkeys import MAX_PASSKEYS, list_passkeys
from api.domain.accounts.second_factors import changes
from api.domain.accounts.second_factors.proofs import Proof
from api.domain.accounts.second_factors.recovery_codes import count_unused
from api.domain.accounts.second_factors.sign_in import verify_second_factor as verify
from api.domain.second_factor_policy import is_required
from api.execution.answer_costs import ITEMS
from api.schema.context import Info
from api.schema.descriptions import CODES, PASSKEY_RESPONSES
from api.schema.done import Done
from api.schema.error_types import (
    Conflict,
    NotFound,
    PasskeysUnavailable,
    RateLimited,
    StepUpRequired,
    WrongCode,
)
from api.schema.inputs import uuid_of
from api.schema.passkey_types import Passkey
from api.schema.sessions import SignedIn

Code = Annotated[str | None, strawberry.argument(CODES)]

PasskeyResponse = Annotated[str | None, strawberry.argument(PASSKEY_RESPONSES)]


@strawberry.input(description="The challenge of a sign-in, and a code or the response of a passkey.")
class VerifySecondFactorInput:
    challenge: str = strawberry.field(description="The `challenge` of `SecondFactorRequired`.")
    code: str | None = strawberry.field(default=None, description=CODES)
    passkey: str | None = strawberry.field(
        default=None, description="The response of a passkey to the `passkeyOptions`, as JSON."
    )


VerifySecondFactorResult = Annotated[
    SignedIn | WrongCode | RateLimited | PasskeysUnavailable,
    strawberry.union(
        "VerifySecondFactorResult",
        description="The new session, or the reason why none was created. `WrongCode` also for a challenge "
        "that was used, has expired or was tried 5 times: then sign in again.",
    ),
]


@strawberry.mutation(description="Continues a sign-in that was answered with `SecondFactorRequired`. Public.")
async def verify_second_factor(
    info: Info,
    input: Annotated[VerifySecondFactorInput, strawberry.argument("The challenge and the proof.")],
) -> VerifySecondFactorResult:
    proof = Proof(input.code, input.passkey)
    return SignedIn.of(await verify(input.challenge, proof, info.context.client))


@strawberry.type(description="The second factor of the viewer.")
class SecondFactor:
    is_on: bool = strawberry.field(description="Whether the viewer signs in with a second factor.")
    is_required: bool = strawberry.field(
        description="Whether the viewer must have one: an operator, where the deployment requires it."
    )
    since: datetime | None = strawberry.field(description="When it was turned on; null if it is off.")
    recovery_codes_left: int = strawberry.field(description="The number of recovery codes that are not used.")
    passkeys: list[Passkey] = strawberry.field(description="The passkeys of the viewer, the oldest first.")


@strawberry.field(
    description="The second factor of the viewer. Requires a signed-in user.",
    metadata={ITEMS: MAX_PASSKEYS},
)
async def second_factor(info: Info) -> SecondFactor:
    user = (await info.context.signed_in(to_set_up=True)).user
    return SecondFactor(
        is_on=user.second_factor_at is not None,
        is_required=is_required(user.role),
        since=user.second_factor_at,
        recovery_codes_left=await count_unused(user.id),
        passkeys=[Passkey.of(passkey) for passkey in await list_passkeys(user.id)],
    )


@strawberry.type(description="A new authenticator app. It counts after `confirmSecondFactor`.")
class SecondFactorSetup:
    secret: str = strawberry.field(description="The secret in base32, for apps into which it is typed.")
    address: str = strawberry.field(description="The address that the QR code contains: `otpauth://totp/…`.")
    qr_code: str = strawberry.field(description="The QR code for the app, as an SVG document.")


StartSecondFactorResult = Annotated[
    SecondFactorSetup | Conflict | StepUpRequired,
    strawberry.union(
        "StartSecondFactorResult",
        description="The new app. `Conflict` if the viewer has one: turn it off first. Also for operators, "
        "where the deployment has switched their second factor off.",
    ),
]


@strawberry.mutation(
    description="Starts setting up an authenticator app; a secret of before that was not confirmed is no "
    "longer valid. Requires a signed-in user."
)
async def start_second_factor(info: Info) -> StartSecondFactorResult:
    viewer = await info.context.signed_in(to_set_up=True)
    setup = await changes.start_second_factor(viewer.user, viewer.actor)
    return SecondFactorSetup(
        secret=setup.secret,
        address=setup.address,
        qr_code=segno.make(setup.address).svg_inline(scale=4, border=4, light="white"),
    )


@strawberry.type(description="Recovery codes, for a lost device. The server does not show them again.")
class RecoveryCodes:
    codes: list[str] = strawberry.field(
        description="Ten codes: `XXXX-XXXX-XXXX-XXXX`. Each is accepted once."
    )


ConfirmSecondFactorResult = Annotated[
    RecoveryCodes | WrongCode | Conflict | RateLimited,
    strawberry.union(
        "ConfirmSecondFactorResult",
        description="The recovery codes, or the reason why the second factor is still off. `WrongCode` also "
        "without `startSecondFactor`.",
    ),
]


@strawberry.mutation(
    description="Turns the second factor on, with a code of the new app, and ends all other sessions of the "
    "viewer. Requires a signed-in user."
)
async def confirm_second_factor(
    info: Info, code: Annotated[str, strawberry.argument("The six digits that the new app shows.")]
) -> ConfirmSecondFactorResult:
    viewer = await info.context.signed_in(to_set_up=True)
    codes = await changes.confirm_second_factor(viewer.user, viewer.actor, code, viewer.session_id)
    return RecoveryCodes(codes=codes)


RenewRecoveryCodesResult = Annotated[
    RecoveryCodes | WrongCode | RateLimited | PasskeysUnavailable,
    strawberry.union(
        "RenewRecoveryCodesResult", description="The new codes, or the reason why those of before are valid."
    ),
]


@strawberry.mutation(description="Replaces the recovery codes. Requires a signed-in user.")
async def renew_recovery_codes(
    info: Info, code: Code = None, passkey: PasskeyResponse = None
) -> RenewRecoveryCodesResult:
    viewer = await info.context.signed_in()
    proof = Proof(code, passkey)
    return RecoveryCodes(codes=await changes.renew_recovery_codes(viewer.user, viewer.actor, proof))


TurnOffSecondFactorResult = Annotated[
    Done | WrongCode | Conflict | RateLimited | PasskeysUnavailable,
    strawberry.union(
        "TurnOffSecondFactorResult",
        description="The change, or the reason why the second factor is still on. `Conflict` where it is "
        "required.",
    ),
]


@strawberry.mutation(
    description="Turns the second factor off: deletes the authenticator app, all passkeys and the recovery "
    "codes. Requires a signed-in user."
)
async def turn_off_second_factor(
    info: Info, code: Code = None, passkey: PasskeyResponse = None
) -> TurnOffSecondFactorResult:
    viewer = await info.context.signed_in()
    await changes.turn_off_second_factor(viewer.user, viewer.actor, Proof(code, passkey))
    return Done(message=info.context.message("SECOND_FACTOR_OFF"))


ResetSecondFactorResult = Annotated[
    Done | NotFound | Conflict | StepUpRequired,
    strawberry.union(
        "ResetSecondFactorResult",
        description="The reset, or the reason why nothing was changed. `Conflict` for a user without a "
        "second factor, and for the viewer, who has `turnOffSecondFactor`.",
    ),
]


@strawberry.mutation(
    description="Deletes the second factor of a user who has lost the device, passkeys included, and ends "
    "their sessions. Operators only."
)
async def reset_second_factor(
    info: Info, user_id: Annotated[strawberry.ID, strawberry.argument("The `id` of a `User`.")]
) -> ResetSecondFactorResult:
    actor = await info.context.operator()
    await changes.reset_second_factor(actor, uuid_of(user_id))
    return Done(message=info.context.message("SECOND_FACTOR_RESET"))
