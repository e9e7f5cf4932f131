"""Invitations of staff: a person gets a link and a code by mail, and makes the account with them.

The person chooses the password, so no account has an address that its owner has not confirmed. An invitation
reserves a seat for a week. Whether the address has an account already changes neither the answer nor its
time: that person reads it in the mail. Accepting: `api.domain.tenants.invitation_acceptance`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from api.database.clock import database_time
from api.database.readers import may_read_replica
from api.database.rows import read_row, select_list
from api.database.scopes import read_tenants, tenant_scope
from api.domain import rate_limits
from api.domain.accounts.holders import is_taken
from api.domain.audit_events.recording import record_event
from api.domain.errors import AlreadyInvited, NotFound, RateLimited
from api.domain.fields import DocumentId, NoneIfBlank, PersonName, Phone, UserEmail
from api.domain.forms import Form
from api.domain.mails import Template, queue_mail
from api.domain.page_links import page_link
from api.domain.pagination import Page, Position, cut
from api.domain.rate_limits import Subject
from api.domain.roles import Role
from api.domain.tenants.invitation_secrets import InvitationSecrets, make_secrets
from api.domain.tenants.locks import lock_tenant
from api.domain.tenants.seats import check_free_seat, require_free_seat
from api.domain.tenants.staff_roles import StaffRole, managed_tenant, require_can_give, require_can_manage
from api.domain.viewer import Viewer
from api.settings import get_settings
from tables import StaffInvitation, Tenant, User

LIFETIME = timedelta(days=7)

RESEND_INTERVAL = timedelta(minutes=5)
"""Least time between two mails of one invitation."""

INVITATION = select_list(
    StaffInvitation, "i", leave_out=(StaffInvitation.token_digest, StaffInvitation.code_digest)
)
"""The columns of an invitation `i`, for `read_row`."""


# Reading


@may_read_replica
async def list_invitations(
    tenant_ids: Sequence[UUID], first: int, after: Position | None
) -> dict[UUID, Page[StaffInvitation]]:
    """The `first` invitations of each tenant after the position `after`, the oldest first; also expired
    ones."""
    rows = await read_tenants(
        tenant_ids,
        f"""SELECT i.* FROM unnest({{}}::uuid[]) asked(id) CROSS JOIN LATERAL (
                   SELECT {INVITATION} FROM staff_invitations i
                    WHERE i."tenantId" = asked.id {"" if after is None else _AFTER}
                    ORDER BY i."createdAt", i.id LIMIT {{}}) i""",
        tenant_ids,
        *(after or ()),
        first + 1,
    )
    found: dict[UUID, list[StaffInvitation]] = {tenant_id: [] for tenant_id in tenant_ids}
    for row in rows:
        found[row["i.tenant_id"]].append(read_row(StaffInvitation, "i", row))
    return {tenant_id: cut(invitations, first) for tenant_id, invitations in found.items()}


_AFTER = 'AND (i."createdAt", i.id) > ({}, {})'


def is_expired(invitation: StaffInvitation) -> bool:
    """Whether it can no longer be accepted, unless it is sent again."""
    return invitation.expires_at <= database_time()


@may_read_replica
async def count_invitations(tenant_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The number of invitations of each tenant, expired ones included."""
    rows = await read_tenants(
        tenant_ids,
        'SELECT "tenantId", count(*) FROM staff_invitations WHERE "tenantId" = ANY({}::uuid[])'
        ' GROUP BY "tenantId"',
        tenant_ids,
    )
    return dict.fromkeys(tenant_ids, 0) | {row["tenantId"]: row["count"] for row in rows}


# Acts


class NewInvitation(Form):
    """The person whom an admin or a manager invites."""

    email: UserEmail
    first_name: PersonName
    last_name: PersonName
    role: StaffRole
    document_id: NoneIfBlank[DocumentId]
    phone_number: NoneIfBlank[Phone]


async def invite_staff(viewer: Viewer, values: Mapping[str, object]) -> StaffInvitation:
    """Reserve a seat, and mail the person a link and a code; `values` are the fields of `NewInvitation`.

    Over the limit of all tenants for the mailbox the answer is the same, and no mail is sent. Raises
    `Forbidden` unless the viewer manages that role, `InvalidInput`, `NoSeat`, `RateLimited`, and
    `AlreadyInvited` if the tenant has an open invitation for the address.
    """
    managed = managed_tenant(viewer)
    require_can_give(viewer.user, values)
    form = NewInvitation.read(values)
    role = Role(form.role)
    await check_free_seat(managed, role)
    is_mailed = await _count(viewer, managed.id, form.email)
    is_known = await is_taken(form.email)
    secrets = make_secrets(form.email)
    async with tenant_scope(managed.id):
        tenant, user = await lock_tenant(managed.id, viewer)
        require_can_manage(user, role)
        await require_free_seat(tenant, role)
        stored = await StaffInvitation.raw(
            _INSERT,
            tenant.id,
            form.email,
            form.first_name,
            form.last_name,
            form.role,
            form.document_id,
            form.phone_number,
            secrets.token_digest,
            secrets.code_digest,
            LIFETIME,
        )
        if not stored:
            raise AlreadyInvited
        invitation = read_row(StaffInvitation, "i", stored[0])
        await _record("staff.invited", viewer, invitation)
        await _mail(invitation, secrets, viewer, tenant, user, is_known=is_known, is_mailed=is_mailed)
    return invitation


# An expired invitation of the address is replaced: it reserves no seat.
_INSERT = f"""
INSERT INTO staff_invitations AS i ("tenantId", email, "firstName", "lastName", role, "documentId",
       "phoneNumber", "tokenDigest", "codeDigest", "expiresAt")
VALUES ({{}}, {{}}, {{}}, {{}}, {{}}, {{}}, {{}}, {{}}, {{}}, clock_timestamp() + {{}}::interval)
    ON CONFLICT ("tenantId", "emailLower") DO UPDATE
   SET (id, email, "firstName", "lastName", role, "documentId", "phoneNumber", "tokenDigest", "codeDigest",
        "createdAt", "sentAt", "expiresAt")
     = (excluded.id, excluded.email, excluded."firstName", excluded."lastName", excluded.role,
        excluded."documentId", excluded."phoneNumber", excluded."tokenDigest", excluded."codeDigest",
        excluded."createdAt", excluded."sentAt", excluded."expiresAt")
 WHERE i."expiresAt" <= clock_timestamp()
RETURNING {INVITATION}
"""


async def resend_invitation(viewer: Viewer, invitation_id: UUID) -> StaffInvitation:
    """Mail a new link and a new code, valid for another week; those of before are not valid any more.

    Raises `Forbidden` unless the viewer manages the role, `NotFound`, `RateLimited`, also within
    `RESEND_INTERVAL` of the last mail, and `NoSeat` for an expired invitation whose seat is taken.
    """
    managed = managed_tenant(viewer)
    rows = await read_tenants([managed.id], _FIND, RESEND_INTERVAL, managed.id, invitation_id)
    found, _ = _authorised(rows, viewer.user)
    is_mailed = await _count(viewer, managed.id, found.email)
    is_known = await is_taken(found.email)
    secrets = make_secrets(found.email)
    async with tenant_scope(managed.id):
        tenant, user = await lock_tenant(managed.id, viewer)
        rows = await StaffInvitation.raw(_FIND, RESEND_INTERVAL, managed.id, invitation_id)
        invitation, is_open = _authorised(rows, user)
        if not is_open:
            await require_free_seat(tenant, Role(invitation.role))
        stored = await StaffInvitation.raw(
            _RENEW, secrets.token_digest, secrets.code_digest, LIFETIME, managed.id, invitation_id
        )
        if not stored:
            # The clean-up, which does not lock the tenant, has deleted an old invitation at this moment.
            raise NotFound
        invitation = read_row(StaffInvitation, "i", stored[0])
        await _record("staff.invitation_resent", viewer, invitation)
        await _mail(invitation, secrets, viewer, tenant, user, is_known=is_known, is_mailed=is_mailed)
    return invitation


_FIND = f"""
SELECT {INVITATION}, i."expiresAt" > clock_timestamp() AS is_open,
       extract(epoch FROM i."sentAt" + {{}}::interval - clock_timestamp())::float8 AS wait
  FROM staff_invitations i WHERE i."tenantId" = {{}} AND i.id = {{}}
"""

_RENEW = f"""
UPDATE staff_invitations AS i
   SET "tokenDigest" = {{}}, "codeDigest" = {{}}, "sentAt" = clock_timestamp(),
       "expiresAt" = clock_timestamp() + {{}}::interval
 WHERE i."tenantId" = {{}} AND i.id = {{}} RETURNING {INVITATION}
"""


def _authorised(rows: Sequence[Mapping[str, object]], user: User) -> tuple[StaffInvitation, bool]:
    """The invitation that `user` may send again, and whether it is open. Raises as `resend_invitation`."""
    if not rows:
        raise NotFound
    (row,) = rows
    invitation = read_row(StaffInvitation, "i", row)
    require_can_manage(user, Role(invitation.role))
    wait = row["wait"]
    if isinstance(wait, float) and wait > 0:
        raise RateLimited(int(wait) + 1)
    return invitation, bool(row["is_open"])


MAILBOX_FACTOR = 5
"""How many times the limit of one tenant all tenants together have for a mailbox."""


async def _count(viewer: Viewer, tenant_id: UUID, address: str) -> bool:
    """Count a mail for the viewer, and for the mailbox, whether it has an account or not; returns whether to
    send it.

    Raises `RateLimited` for the acts of the viewer and the tenant alone. A refusal for all tenants together
    would reveal that others invite the person, and let one tenant stop the invitations of another.
    """
    await rate_limits.count(rate_limits.NEW_STAFF, Subject(f"user {viewer.user.id}"))
    mailbox = await rate_limits.account_of(address)
    await rate_limits.count(rate_limits.MAILBOX_INVITATIONS, Subject(f"{mailbox.name} {tenant_id}"))
    return await rate_limits.count_silently(
        rate_limits.MAILBOX_INVITATIONS, Subject(mailbox.name, MAILBOX_FACTOR)
    )


async def _mail(
    invitation: StaffInvitation,
    secrets: InvitationSecrets,
    viewer: Viewer,
    tenant: Tenant,
    inviter: User,
    *,
    is_known: bool,
    is_mailed: bool,
) -> None:
    expires_at: datetime = invitation.expires_at
    await queue_mail(
        Template.STAFF_INVITATION_OF_HOLDER if is_known else Template.STAFF_INVITATION,
        to=invitation.email if is_mailed else None,
        language=viewer.client.language,
        expires_at=expires_at,
        firstName=invitation.first_name,
        businessName=tenant.business_name,
        inviterName=f"{inviter.first_name} {inviter.last_name}".strip(),
        code=secrets.code,
        link=page_link(get_settings().invitation_url, token=secrets.token),
        expiresAt=expires_at,
    )


async def cancel_invitation(viewer: Viewer, invitation_id: UUID) -> None:
    """Delete an invitation, and free its seat.

    Raises `Forbidden` unless the viewer manages the role, and `NotFound`, also for an accepted invitation.
    """
    managed = managed_tenant(viewer)
    async with tenant_scope(managed.id):
        _, user = await lock_tenant(managed.id, viewer)
        rows = await StaffInvitation.raw(_DELETE, managed.id, invitation_id)
        if not rows:
            raise NotFound
        invitation = read_row(StaffInvitation, "i", rows[0])
        require_can_manage(user, Role(invitation.role))
        await _record("staff.invitation_cancelled", viewer, invitation)


_DELETE = f"""
DELETE FROM staff_invitations AS i WHERE i."tenantId" = {{}} AND i.id = {{}} RETURNING {INVITATION}
"""


async def _record(action: str, viewer: Viewer, invitation: StaffInvitation) -> None:
    await record_event(
        action,
        viewer.actor,
        tenant_id=viewer.user.tenant_id,
        subject_id=invitation.id,
        detail={"email": invitation.email, "role": invitation.role},
    )
