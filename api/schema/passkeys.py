"""Passkeys: added and removed by each user for themselves, and asked for a confirmation."""

from typing import Annotated

import strawberry

from api.domain.accounts.second_factors import passkey_changes
from api.domain.accounts.second_factors.proofs import Proof
from api.schema.context import Info
from api.schema.descriptions import CODES, PASSKEY_RESPONSES
from api.schema.done import Done
from api.schema.error_types import (
    Conflict,
    InvalidInput,
    NotFound,
    PasskeysUnavailable,
    RateLimited,
    StepUpRequired,
    WrongCode,
)
from api.schema.inputs import uuid_of
from api.schema.passkey_types import Passkey


@strawberry.type(description="What a browser needs to make a passkey, or to use one. Valid for 10 minutes.")
class PasskeyOptions:
    options: str = strawberry.field(
        description="JSON for `PublicKeyCredential.parseCreationOptionsFromJSON`, or for a confirmation "
        "`parseRequestOptionsFromJSON`."
    )


StartPasskeyRegistrationResult = Annotated[
    PasskeyOptions | Conflict | StepUpRequired | PasskeysUnavailable,
    strawberry.union(
        "StartPasskeyRegistrationResult",
        description="The options. `Conflict` for operators, where the deployment has switched their second "
        "factor off.",
    ),
]


@strawberry.mutation(
    description="Starts adding a passkey: pass the options to `navigator.credentials.create`. Requires a "
    "signed-in user."
)
async def start_passkey_registration(info: Info) -> StartPasskeyRegistrationResult:
    viewer = await info.context.signed_in(to_set_up=True)
    return PasskeyOptions(options=await passkey_changes.start_registration(viewer.user, viewer.actor))


@strawberry.input(description="The passkey that a browser has made.")
class FinishPasskeyRegistrationInput:
    passkey: str = strawberry.field(
        description="The result of `navigator.credentials.create`, as JSON: see `PublicKeyCredential.toJSON`."
    )
    name: str = strawberry.field(
        default="Passkey",
        description="A name by which the viewer recognises it, such as that of the device; 1 to 60 "
        "characters.",
    )


@strawberry.type(description="A new passkey, which the viewer can sign in with from now on.")
class PasskeyAdded:
    passkey: Passkey = strawberry.field(description="The new passkey.")
    recovery_codes: list[str] = strawberry.field(
        description="With the first second factor of the viewer, ten codes for a lost device, which the "
        "server does not show again; later an empty list."
    )


FinishPasskeyRegistrationResult = Annotated[
    PasskeyAdded | InvalidInput | WrongCode | Conflict | PasskeysUnavailable,
    strawberry.union(
        "FinishPasskeyRegistrationResult",
        description="The passkey, or the reason why none was added. `WrongCode` if it does not answer the "
        "newest options. `Conflict` for a passkey that is stored already, and for more than 20.",
    ),
]


@strawberry.mutation(
    description="Adds a passkey. The first one turns the second factor on, and ends all other sessions of "
    "the viewer. Requires a signed-in user."
)
async def finish_passkey_registration(
    info: Info, input: Annotated[FinishPasskeyRegistrationInput, strawberry.argument("The new passkey.")]
) -> FinishPasskeyRegistrationResult:
    viewer = await info.context.signed_in(to_set_up=True)
    added = await passkey_changes.finish_registration(
        viewer.user, viewer.actor, input.passkey, input.name, viewer.session_id
    )
    return PasskeyAdded(passkey=Passkey.of(added.passkey), recovery_codes=added.recovery_codes)


StartPasskeyConfirmationResult = Annotated[
    PasskeyOptions | Conflict | PasskeysUnavailable,
    strawberry.union(
        "StartPasskeyConfirmationResult",
        description="The options. `Conflict` for a viewer without a passkey.",
    ),
]


@strawberry.mutation(
    description="Starts a proof with a passkey, for `confirmIdentity`, `renewRecoveryCodes`, "
    "`turnOffSecondFactor` and `removePasskey`: pass the options to `navigator.credentials.get`. Requires a "
    "signed-in user."
)
async def start_passkey_confirmation(info: Info) -> StartPasskeyConfirmationResult:
    viewer = await info.context.signed_in()
    return PasskeyOptions(options=await passkey_changes.start_confirmation(viewer.user))


@strawberry.input(description="A passkey, and a proof of the second factor.")
class RemovePasskeyInput:
    id: strawberry.ID = strawberry.field(description="The `id` of a `Passkey` of the viewer.")
    code: str | None = strawberry.field(default=None, description=CODES)
    passkey: str | None = strawberry.field(default=None, description=PASSKEY_RESPONSES)


RemovePasskeyResult = Annotated[
    Done | NotFound | WrongCode | Conflict | RateLimited | PasskeysUnavailable,
    strawberry.union(
        "RemovePasskeyResult",
        description="The removal, or the reason why the passkey stays. `Conflict` for the last one of a "
        "viewer who needs a second factor.",
    ),
]


@strawberry.mutation(
    description="Removes a passkey. Without an authenticator app and another passkey, the second factor is "
    "off then. Requires a signed-in user."
)
async def remove_passkey(
    info: Info, input: Annotated[RemovePasskeyInput, strawberry.argument("The passkey and the proof.")]
) -> RemovePasskeyResult:
    viewer = await info.context.signed_in()
    proof = Proof(input.code, input.passkey)
    await passkey_changes.remove_passkey(viewer.user, viewer.actor, uuid_of(input.id), proof)
    return Done(message=info.context.message("PASSKEY_REMOVED"))
