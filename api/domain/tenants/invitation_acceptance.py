"""Accepting an invitation: the invited person chooses a password, and becomes staff of the tenant."""

from typing import NamedTuple
from uuid import UUID

from asyncpg import UniqueViolationError

from api.database.row_writes import insert_row
from api.database.rows import read_row, select_list
from api.database.scopes import platform_scope, read_platform
from api.domain import email_addresses, fields, rate_limits
from api.domain.accounts.hash_queue import Share, takes_turns
from api.domain.accounts.holders import is_taken
from api.domain.accounts.passwords import hash_password
from api.domain.accounts.sessions import OpenedSession, insert_session
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import record_event
from api.domain.errors import EmailTaken, FieldProblem, InvalidInput, NotFound, TenantSuspended, WrongCode
from api.domain.guesses import check_guess, settle_guess
from api.domain.password_rules import texts_about
from api.domain.tenants.invitation_secrets import digest_of_code, digest_of_token
from api.domain.tenants.locks import lock_any_tenant
from api.domain.tenants.staff_invitations import INVITATION
from tables import StaffInvitation, Tenant, User


class Acceptance(NamedTuple):
    """How a person shows the mail: by the token of its link, or by the code with the address."""

    token: str | None
    email: str | None
    code: str | None
    password: str


@takes_turns(Share.CODE)
async def accept_invitation(acceptance: Acceptance, client: Client) -> OpenedSession:
    """Make the account of an invited person, with a password that only this person knows, and sign in.

    Raises `InvalidInput`, `RateLimited`, and `WrongCode` for an invitation that is unknown, accepted,
    cancelled or expired, or whose tenant is deleted. Raises only for those who have the mail:
    `TenantSuspended`, and `EmailTaken` if an account has the address. Nothing is hashed for these.
    """
    await rate_limits.count(rate_limits.LOGIN, *rate_limits.networks_of(client))
    password = acceptance.password
    fields.input_field("password", fields.password_for(acceptance.email), password)
    invitation, tenant = await _find(acceptance, client)
    if not tenant.is_active:
        raise TenantSuspended(None)
    if await is_taken(invitation.email):
        raise EmailTaken
    fields.input_field("password", fields.password_for(*texts_about(invitation, tenant)), password)
    user = _user_of(invitation, await hash_password(password))
    try:
        return await _store(invitation, user, client)
    except UniqueViolationError:
        raise EmailTaken from None


async def _find(acceptance: Acceptance, client: Client) -> tuple[StaffInvitation, Tenant]:
    """The open invitation, and its tenant. Raises as `accept_invitation`."""
    if acceptance.token:
        found = await _look_up('i."tokenDigest"', digest_of_token(acceptance.token))
    else:
        found = await _find_by_code(acceptance.email or "", acceptance.code or "", client)
    if found is None:
        raise WrongCode
    return found


async def _find_by_code(email: str, code: str, client: Client) -> tuple[StaffInvitation, Tenant] | None:
    missing = [name for name, value in (("email", email), ("code", code)) if not value.strip()]
    if missing:
        raise InvalidInput([FieldProblem(name, "REQUIRED") for name in missing])
    address = email_addresses.as_registered(email)
    digest = digest_of_code(address, code)
    # A text without a code costs no try. No address contains control characters.
    if digest is None or not address.isprintable():
        return None
    # For the network alone: the 58 random bits of a code need no limit of the mailbox, which strangers could
    # exhaust for its owner.
    networks = rate_limits.networks_of(client)
    actor = Actor(None, email_addresses.mailbox_of(address), client)
    await check_guess(rate_limits.WRONG_CODES, actor, *networks)
    found = await _look_up('i."codeDigest"', digest)
    await settle_guess(rate_limits.WRONG_CODES, actor, *networks, wrong=found is None)
    return found


async def _look_up(column: str, digest: bytes) -> tuple[StaffInvitation, Tenant] | None:
    rows = await read_platform(
        f"""SELECT {INVITATION}, {select_list(Tenant, "t")}
              FROM staff_invitations i JOIN tenants t ON t.id = i."tenantId"
             WHERE {column} = {{}} AND i."expiresAt" > clock_timestamp() AND t."deletedAt" IS NULL""",
        digest,
    )
    if not rows:
        return None
    return read_row(StaffInvitation, "i", rows[0]), read_row(Tenant, "t", rows[0])


def _user_of(invitation: StaffInvitation, password_hash: str) -> User:
    return User(
        email=invitation.email,
        password=password_hash,
        first_name=invitation.first_name,
        last_name=invitation.last_name,
        role=invitation.role,
        document_id=invitation.document_id,
        phone_number=invitation.phone_number,
        tenant_id=invitation.tenant_id,
    )


async def _store(invitation: StaffInvitation, user: User, client: Client) -> OpenedSession:
    """Turn the invitation into the user, who takes the seat that it reserved, and a session."""
    async with platform_scope():
        tenant = await _lock_tenant(invitation.tenant_id)
        # Of concurrent acceptances, and of this one and a cancellation, one deletes the row.
        if not await StaffInvitation.raw(_USE, invitation.id, invitation.sent_at):
            raise WrongCode
        await insert_row(user)
        await record_event(
            "staff.invitation_accepted",
            Actor.of(user, client),
            tenant_id=user.tenant_id,
            subject_id=user.id,
            detail={"email": user.email, "role": user.role},
        )
        return await insert_session(user, tenant, client)


# A later `sentAt` means that the link and the code were replaced. clock_timestamp(), because the transaction
# may have waited for the lock, while another one took the seat of the invitation that had expired.
_USE = """
DELETE FROM staff_invitations
 WHERE id = {} AND "sentAt" = {} AND "expiresAt" > clock_timestamp() RETURNING id
"""


async def _lock_tenant(tenant_id: UUID) -> Tenant:
    """Raises `WrongCode` for a tenant that is deleted by now, and `TenantSuspended`."""
    try:
        tenant = await lock_any_tenant(tenant_id)
    except NotFound:
        raise WrongCode from None
    if not tenant.is_active:
        raise TenantSuspended(None)
    return tenant
