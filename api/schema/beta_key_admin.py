"""What operators do with beta keys: issue, change, revoke and mail them."""

from typing import Annotated

import strawberry

from api.domain.beta_keys import editing, invitations, issue, listing
from api.domain.beta_keys.issue import ApiIssueOptions, NewKey
from api.domain.errors import NotFound as DomainNotFound
from api.execution.answer_costs import ITEMS
from api.schema.beta_keys import BetaKey, KeyId
from api.schema.context import Info
from api.schema.error_types import (
    Conflict,
    EmailTaken,
    InvalidInput,
    NotFound,
    RateLimited,
    StepUpRequired,
)
from api.schema.inputs import provided_fields, uuid_of
from api.schema.scalars import TimeOrDay


@strawberry.input(description="The number of new beta keys, and what they have in common.")
class IssueBetaKeysInput:
    count: int = strawberry.field(default=1, description="The number of keys: 1 to 10,000.")
    notes: str | None = strawberry.field(
        default=strawberry.UNSET, description="Notes for operators; at most 500 characters."
    )
    batch: str | None = strawberry.field(
        default=strawberry.UNSET, description="A name for this group of keys; at most 60 characters."
    )
    expires_at: TimeOrDay | None = strawberry.field(
        default=strawberry.UNSET,
        description="When the keys expire, in the future; of a day, its end. Omit it for never.",
    )
    recipient_email: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The only address that can register with the key; requires a `count` of 1. "
        "`sendBetaKey` mails the key, this does not.",
    )


@strawberry.type(description="New beta keys.")
class IssuedBetaKeys:
    keys: list[BetaKey] = strawberry.field(description="All keys that were issued.")


IssueBetaKeysResult = Annotated[
    IssuedBetaKeys | InvalidInput | StepUpRequired,
    strawberry.union(
        "IssueBetaKeysResult",
        description="The new keys, or the errors in the input. `StepUpRequired` for more than 100 keys only.",
    ),
]


@strawberry.mutation(
    # All 10,000 keys of one call may be read: only operators issue keys, and few at a time need so many.
    description="Issues beta keys, all or none. Operators only.",
    metadata={ITEMS: 100},
)
async def issue_beta_keys(
    info: Info, input: Annotated[IssueBetaKeysInput, strawberry.argument("The keys to issue.")]
) -> IssueBetaKeysResult:
    actor = await info.context.operator()
    options = ApiIssueOptions.read(provided_fields(input))
    issued: list[NewKey] = []
    await issue.issue_keys(actor, options, issued.extend)
    return IssuedBetaKeys(keys=[BetaKey.of_new(new, options) for new in issued])


@strawberry.input(description="Changes of a beta key. An omitted field keeps its value; null clears it.")
class UpdateBetaKeyInput:
    notes: str | None = strawberry.field(
        default=strawberry.UNSET, description="Notes for operators; at most 500 characters."
    )
    expires_at: TimeOrDay | None = strawberry.field(
        default=strawberry.UNSET,
        description="When the key expires, in the future; of a day, its end. Null for never.",
    )


UpdateBetaKeyResult = Annotated[
    BetaKey | InvalidInput | NotFound,
    strawberry.union(
        "UpdateBetaKeyResult", description="The changed key, or the reason why nothing was changed."
    ),
]


@strawberry.mutation(
    description="Changes notes and expiry of a beta key. An expired key becomes available again with a later "
    "expiry. Operators only."
)
async def update_beta_key(
    info: Info, id: KeyId, input: Annotated[UpdateBetaKeyInput, strawberry.argument("The changes.")]
) -> UpdateBetaKeyResult:
    actor = await info.context.operator()
    changes = provided_fields(input)
    await editing.update_key(actor, uuid_of(id), changes)
    return await _find_changed(id)


RevokeBetaKeyResult = Annotated[
    BetaKey | NotFound | Conflict,
    strawberry.union(
        "RevokeBetaKeyResult",
        description="The revoked key, or the reason why it was not revoked. `Conflict` for a key that is "
        "used or revoked.",
    ),
]


@strawberry.mutation(
    description="Revokes an unused beta key for good: no business can register with it. Operators only."
)
async def revoke_beta_key(
    info: Info,
    id: KeyId,
    reason: Annotated[
        str | None, strawberry.argument("Why the key is revoked, for operators; at most 500 characters.")
    ] = strawberry.UNSET,
) -> RevokeBetaKeyResult:
    actor = await info.context.operator()
    await editing.revoke_key(actor, uuid_of(id), reason or None)
    return await _find_changed(id)


SendBetaKeyResult = Annotated[
    BetaKey | InvalidInput | NotFound | Conflict | EmailTaken | RateLimited,
    strawberry.union(
        "SendBetaKeyResult",
        description="The key, or the reason why it was not mailed. `Conflict` for a key that is not "
        "available or is reserved for another address; `EmailTaken` for an address with an account, which "
        "cannot register, unless `evenIfRegistered`; `RateLimited` within 5 minutes of the last mail with "
        "this key, and after 200 such mails in an hour.",
    ),
]


@strawberry.mutation(
    description="Mails a beta key and reserves it for this address. The mail has the language of the "
    "request. Operators only."
)
async def send_beta_key(
    info: Info,
    id: KeyId,
    email: Annotated[str, strawberry.argument("The address of the recipient.")],
    even_if_registered: Annotated[
        bool, strawberry.argument("True mails the key also to an address that has an account.")
    ] = False,
) -> SendBetaKeyResult:
    actor = await info.context.operator()
    await invitations.send_key(actor, uuid_of(id), email, even_if_registered=even_if_registered)
    return await _find_changed(id)


async def _find_changed(id: strawberry.ID) -> BetaKey:
    listed = await listing.find_listed(uuid_of(id))
    if listed is None:
        raise DomainNotFound
    return BetaKey.of(listed)
