"""Beta keys."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.domain import pagination
from api.domain.beta_keys import editing, invitations, issue, listing, lookup
from api.domain.beta_keys.issue import IssueOptions, NewKey
from api.domain.beta_keys.listing import KeyFilter, ListedKey
from api.domain.beta_keys.status import BetaKeyStatus as Status
from api.domain.errors import NotFound as DomainNotFound
from api.domain.pagination import Page, Position
from api.schema.context import Info
from api.schema.error_types import BetaKeyRejection, Conflict, InvalidInput, NotFound, RateLimited
from api.schema.inputs import given, uuid_of
from api.schema.pagination import Connection, edges_of, page_info_of, read_cursor
from api.schema.tenants import Tenant

BetaKeyStatus = strawberry.enum(Status, name="BetaKeyStatus")


@strawberry.type
class BetaKeyValidation:
    valid: bool
    reason: BetaKeyRejection | None = strawberry.field(description="Null when valid.")  # pyright: ignore[reportInvalidTypeForm]
    message: str


async def validate_beta_key(info: Info, key: str) -> BetaKeyValidation:
    reason = await lookup.validate_key(key, info.context.client)
    return BetaKeyValidation(
        valid=reason is None, reason=reason, message=info.context.say(lookup.message_code(reason))
    )


@strawberry.type
class BetaKey:
    id: strawberry.ID
    key: str
    status: BetaKeyStatus  # pyright: ignore[reportInvalidTypeForm]
    notes: str | None
    batch: str | None
    recipient_email: str | None
    expires_at: datetime | None
    sent_at: datetime | None
    used_at: datetime | None
    used_by: Tenant | None
    revoked_at: datetime | None
    revoked_reason: str | None
    created_at: datetime

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
            status=Status.AVAILABLE,
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


# Reading


@strawberry.input
class BetaKeyFilter:
    status: BetaKeyStatus | None = strawberry.UNSET  # pyright: ignore[reportInvalidTypeForm]
    batch: str | None = strawberry.UNSET
    search: str | None = strawberry.field(
        default=strawberry.UNSET, description="Part of the key, the notes or the recipient."
    )

    def read(self) -> KeyFilter:
        return KeyFilter(self.status or None, self.batch or None, self.search or None)


@strawberry.type
class BetaKeyConnection(Connection[BetaKey]):
    wanted: strawberry.Private[KeyFilter]

    @classmethod
    def of(cls, page: Page[ListedKey], after: str | None, wanted: KeyFilter) -> "BetaKeyConnection":
        edges = edges_of(
            page,
            position=lambda listed: Position(listed.row.created_at, listed.row.id),
            present=BetaKey.of,
        )
        return cls(edges=edges, page_info=page_info_of(page, edges, after), wanted=wanted)

    @strawberry.field
    async def total_count(self) -> int:
        return await listing.count_keys(self.wanted)


async def list_beta_keys(
    info: Info,
    first: int = 20,
    after: str | None = strawberry.UNSET,
    filter: BetaKeyFilter | None = strawberry.UNSET,  # noqa: A002
) -> BetaKeyConnection:
    await info.context.operator()
    pagination.check_page_size(first)
    wanted = filter.read() if filter else KeyFilter()
    after = after or None
    page = await listing.list_keys(wanted, first, read_cursor("after", after))
    return BetaKeyConnection.of(page, after, wanted)


async def beta_key(info: Info, id: strawberry.ID) -> BetaKey | None:  # noqa: A002
    await info.context.operator()
    listed = await listing.find_listed(uuid_of(id))
    return BetaKey.of(listed) if listed is not None else None


@strawberry.type
class BetaKeyStats:
    total: int
    available: int
    used: int
    expired: int
    revoked: int
    sent: int
    usage_percentage: float


async def beta_key_stats(info: Info, batch: str | None = strawberry.UNSET) -> BetaKeyStats:
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


# Acts


@strawberry.input
class IssueBetaKeysInput:
    count: int = 1
    notes: str | None = strawberry.UNSET
    batch: str | None = strawberry.UNSET
    expires_at: datetime | None = strawberry.UNSET
    recipient_email: str | None = strawberry.UNSET


@strawberry.type
class IssuedBetaKeys:
    keys: list[BetaKey]


IssueBetaKeysResult = Annotated[IssuedBetaKeys | InvalidInput, strawberry.union("IssueBetaKeysResult")]


async def issue_beta_keys(info: Info, input: IssueBetaKeysInput) -> IssueBetaKeysResult:  # noqa: A002
    actor = await info.context.operator()
    options = issue.read_options(
        input.count,
        max_count=issue.MAX_PER_REQUEST,
        notes=input.notes or None,
        batch=input.batch or None,
        expires_at=input.expires_at or None,
        recipient_email=input.recipient_email or None,
    )
    issued: list[NewKey] = []
    await issue.issue_keys(actor, input.count, options, issued.extend)
    return IssuedBetaKeys(keys=[BetaKey.of_new(new, options) for new in issued])


@strawberry.input
class UpdateBetaKeyInput:
    notes: str | None = strawberry.UNSET
    expires_at: datetime | None = strawberry.UNSET


UpdateBetaKeyResult = Annotated[BetaKey | InvalidInput | NotFound, strawberry.union("UpdateBetaKeyResult")]


async def update_beta_key(
    info: Info,
    id: strawberry.ID,  # noqa: A002
    input: UpdateBetaKeyInput,  # noqa: A002
) -> UpdateBetaKeyResult:
    await editing.update_key(await info.context.operator(), uuid_of(id), given(input))
    return await _changed(id)


RevokeBetaKeyResult = Annotated[BetaKey | NotFound | Conflict, strawberry.union("RevokeBetaKeyResult")]


async def revoke_beta_key(
    info: Info,
    id: strawberry.ID,  # noqa: A002
    reason: str | None = strawberry.UNSET,
) -> RevokeBetaKeyResult:
    await editing.revoke_key(await info.context.operator(), uuid_of(id), reason or None)
    return await _changed(id)


SendBetaKeyResult = Annotated[
    BetaKey | InvalidInput | NotFound | Conflict | RateLimited, strawberry.union("SendBetaKeyResult")
]


async def send_beta_key(info: Info, id: strawberry.ID, email: str) -> SendBetaKeyResult:  # noqa: A002
    await invitations.send_key(await info.context.operator(), uuid_of(id), email)
    return await _changed(id)


async def _changed(id: strawberry.ID) -> BetaKey:  # noqa: A002
    listed = await listing.find_listed(uuid_of(id))
    if listed is None:
        raise DomainNotFound
    return BetaKey.of(listed)
