"""Beta keys: their public validation, and what operators see of them."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.domain import pagination
from api.domain.beta_keys import listing, lookup
from api.domain.beta_keys.issue import IssueOptions, NewKey
from api.domain.beta_keys.listing import KeyFilter, ListedKey
from api.domain.pagination import Page, Position
from api.schema.context import Info
from api.schema.enums import BetaKeyRejection, BetaKeyStatus
from api.schema.inputs import uuid_of
from api.schema.pagination import (
    After,
    CountedConnection,
    First,
    SharedTotal,
    edges_of,
    page_info_of,
    read_cursor,
)
from api.schema.tenant_types import Tenant

KeyId = Annotated[strawberry.ID, strawberry.argument("The `id` of a `BetaKey`.")]


@strawberry.type(description="Whether a business can register with a beta key now.")
class BetaKeyValidation:
    valid: bool = strawberry.field(description="Whether a business can register with the key now.")
    reason: BetaKeyRejection | None = strawberry.field(description="Why it cannot. Null when valid.")
    message: str = strawberry.field(
        description="The result as a sentence for people, in the language of the request."
    )


@strawberry.field(
    description="Whether a beta key would admit a business now. Public. A valid key is not reserved. "
    "Too many requests get the error `RATE_LIMITED`."
)
async def validate_beta_key(
    info: Info,
    key: Annotated[
        str,
        strawberry.argument("The key as a person typed it; case, spaces and dashes do not matter."),
    ],
) -> BetaKeyValidation:
    context = info.context
    reason = await lookup.validate_key(key, context.client, is_signed_in=context.has_token)
    message_code = lookup.message_code(reason)
    return BetaKeyValidation(valid=reason is None, reason=reason, message=info.context.message(message_code))


@strawberry.type(description="A beta key: one business can register with it. Operators only.")
class BetaKey:
    id: strawberry.ID = strawberry.field(description="A UUID.")
    key: str = strawberry.field(
        description="The text that a business types: `BETA-XXXXX-XXXXX`; keys of an older system may look "
        "different."
    )
    status: BetaKeyStatus = strawberry.field(description="The state of the key at the time of the request.")
    notes: str | None = strawberry.field(description="What operators noted about the key. Null if nothing.")
    batch: str | None = strawberry.field(
        description="The name of a group of keys, such as a campaign. Null if the key belongs to none."
    )
    recipient_email: str | None = strawberry.field(
        description="The address that the key is reserved for: only an owner with this address can register "
        "with it. Null if it is not reserved."
    )
    expires_at: datetime | None = strawberry.field(
        description="When an unused key expires. Null if it never expires."
    )
    sent_at: datetime | None = strawberry.field(
        description="When the key was last mailed to its recipient. Null if never."
    )
    used_at: datetime | None = strawberry.field(
        description="When a business registered with the key, or null."
    )
    used_by: Tenant | None = strawberry.field(
        description="The business that registered with the key. Null for an unused key, and after the "
        "tenant was deleted."
    )
    revoked_at: datetime | None = strawberry.field(description="When an operator revoked the key, or null.")
    revoked_reason: str | None = strawberry.field(
        description="Why the operator revoked it. Null if no reason was given."
    )
    created_at: datetime = strawberry.field(description="When the key was issued or imported.")

    @classmethod
    def of(cls, listed: ListedKey) -> "BetaKey":
        row = listed.row
        return cls(
            id=strawberry.ID(str(row.id)),
            key=row.key,
            status=listed.status,
            notes=row.notes,
            batch=row.batch,
            recipient_email=row.recipient_email,
            expires_at=row.expires_at,
            sent_at=row.sent_at,
            used_at=row.used_at,
            used_by=Tenant.of(listed.used_by) if listed.used_by is not None else None,
            revoked_at=row.revoked_at,
            revoked_reason=row.revoked_reason,
            created_at=row.created_at,
        )

    @classmethod
    def of_new(cls, new: NewKey, options: IssueOptions) -> "BetaKey":
        return cls(
            id=strawberry.ID(str(new.id)),
            key=new.key,
            status=BetaKeyStatus.AVAILABLE,
            notes=options.notes,
            batch=options.batch,
            recipient_email=options.recipient_email,
            expires_at=options.expires_at,
            sent_at=None,
            used_at=None,
            used_by=None,
            revoked_at=None,
            revoked_reason=None,
            created_at=new.created_at,
        )


@strawberry.input(description="Which beta keys to list: those that meet every condition that is set.")
class BetaKeyFilter:
    status: BetaKeyStatus | None = strawberry.field(default=strawberry.UNSET, description="The status.")
    batch: str | None = strawberry.field(default=strawberry.UNSET, description="The whole name of a batch.")
    search: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Words of the notes or of the recipient's address, or a key in any spelling. A word may "
        "be its beginning, and a key the beginning of one of its two groups. Case, accents and the order of "
        "words do not matter. A page may have fewer items than requested although more follow: see "
        "`hasNextPage`.",
    )

    def to_domain(self) -> KeyFilter:
        return KeyFilter(self.status or None, self.batch or None, self.search or None)


@strawberry.type(description="A page of beta keys. Operators only.")
class BetaKeyConnection(CountedConnection[BetaKey]):
    @classmethod
    def of(cls, page: Page[ListedKey], after: str | None, filter: KeyFilter) -> "BetaKeyConnection":
        edges = edges_of(
            page,
            position=lambda listed: Position(listed.row.created_at, listed.row.id),
            node=BetaKey.of,
        )
        total = SharedTotal(lambda: listing.count_keys(filter))
        return cls(edges=edges, page_info=page_info_of(page, edges, after), total=total)


@strawberry.field(description="Beta keys, the newest first. Operators only.")
async def beta_keys(
    info: Info,
    first: First = 20,
    after: After = strawberry.UNSET,
    filter: Annotated[
        BetaKeyFilter | None, strawberry.argument("Which keys to list; omit it for all.")
    ] = strawberry.UNSET,
) -> BetaKeyConnection:
    await info.context.operator()
    pagination.check_page_size(first)
    key_filter = filter.to_domain() if filter else KeyFilter()
    after = after or None
    position = read_cursor("after", after)
    page = await listing.list_keys(key_filter, first, position)
    return BetaKeyConnection.of(page, after, key_filter)


@strawberry.field(description="One beta key; null for an unknown id. Operators only.")
async def beta_key(info: Info, id: KeyId) -> BetaKey | None:
    await info.context.operator()
    listed = await listing.find_listed(uuid_of(id))
    return BetaKey.of(listed) if listed is not None else None


@strawberry.type(description="How many beta keys there are, by status. Operators only.")
class BetaKeyStats:
    total: int = strawberry.field(description="The number of all keys.")
    available: int = strawberry.field(description="The number of keys with the status `AVAILABLE`.")
    used: int = strawberry.field(description="The number of keys with the status `USED`.")
    expired: int = strawberry.field(description="The number of keys with the status `EXPIRED`.")
    revoked: int = strawberry.field(description="The number of keys with the status `REVOKED`.")
    sent: int = strawberry.field(
        description="The number of keys that were mailed to a recipient, of any status."
    )
    usage_percentage: float = strawberry.field(
        description="`used` in percent of `total`: 0 to 100, with two decimals; 0 if there are no keys."
    )


@strawberry.field(description="How many beta keys there are, by status. Operators only.")
async def beta_key_stats(
    info: Info,
    batch: Annotated[
        str | None, strawberry.argument("The whole name of a batch; omit it to count all keys.")
    ] = strawberry.UNSET,
) -> BetaKeyStats:
    await info.context.operator()
    stats = await listing.key_stats(batch or None)
    return BetaKeyStats(
        total=stats.total,
        available=stats.available,
        used=stats.used,
        expired=stats.expired,
        revoked=stats.revoked,
        sent=stats.sent,
        usage_percentage=stats.usage_percentage,
    )
