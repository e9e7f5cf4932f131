"""Sessions: signed-in devices, from sign-in to sign-out, and the password that opens them."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from api.database.engine import Transaction
from api.database.rows import read_row, select_list
from api.database.scopes import platform_scope, read_platform, read_tenants, tenant_scope, write_platform
from api.database.shared_lookup import SharedLookup
from api.domain import audit, fields, rate_limits
from api.domain.audit import Actor, Client
from api.domain.errors import NotFound, TenantSuspended, WrongCredentials, WrongPassword
from api.domain.mails import Template, queue_mail
from api.domain.passwords import hash_password, is_outdated, verify_password
from api.settings import get_settings
from tables import Session, Tenant, User

SEEN_EVERY = timedelta(minutes=1)
"""How exact `lastSeenAt` is: writing it at each request would turn every read into a write."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in user of a request."""

    session_id: UUID
    user: User
    tenant: Tenant | None


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session that was opened just now. `token` is told here and never again."""

    token: str
    expires_at: datetime
    user: User
    tenant: Tenant | None


async def sign_in(email: str, password: str, client: Client) -> OpenedSession:
    """Open a session for whoever knows the password.

    Raises `WrongCredentials` for an unknown address, a wrong password and an inactive user alike, after
    the same work, `TenantSuspended` for staff who know their password, and `RateLimited`.
    """
    account = rate_limits.account_of(email)
    await rate_limits.count(rate_limits.LOGIN, rate_limits.address_of(client))
    await rate_limits.check(rate_limits.WRONG_PASSWORDS, account)
    while True:
        found = await find_by_email(email)
        user, tenant = found or (None, None)
        valid = await verify_password(password, user.password if user else None)
        wrong = user is None or not valid or not user.is_active
        await rate_limits.settle_guess(rate_limits.WRONG_PASSWORDS, account, wrong=wrong)
        if user is None or wrong:
            why = "unknown address" if user is None else "inactive" if valid else "wrong password"
            await _record_refusal(why, email, user, client)
            raise WrongCredentials
        if tenant is not None and not tenant.is_active:
            await _record_refusal("tenant suspended", email, user, client)
            raise TenantSuspended(tenant.suspended_reason)
        rehashed = await hash_password(password) if is_outdated(user.password) else None
        async with platform_scope():
            opened = await open_session(user, tenant, client, rehashed=rehashed)
        if opened is not None:
            return opened
        # While the cores worked, somebody changed the user: whatever is true now decides.


async def _record_refusal(why: str, typed: str, user: User | None, client: Client) -> None:
    """Note a sign-in that failed. A field for emails may hold a password, so only what is one is kept."""
    try:
        address = fields.email(120)(typed)
    except fields.Problem:
        address = None
    async with platform_scope():
        await audit.record(
            "session.refused",
            Actor(None, address, client),
            tenant_id=user.tenant_id if user else None,
            subject_id=user.id if user else None,
            detail={"reason": why},
        )


_BY_EMAIL = f"""
SELECT {select_list(User, "u")}, {select_list(Tenant, "t")}
  FROM users u LEFT JOIN tenants t ON t.id = u."tenantId"
 WHERE u."emailLower" IN (lower({{}}), lower({{}})) AND t."deletedAt" IS NULL
"""


async def find_by_email(email: str) -> tuple[User, Tenant | None] | None:
    """The user of an address, however it is typed; nobody of a tenant that is deleted."""
    # No address holds control characters, and PostgreSQL cannot even be asked about NUL.
    if not email.isprintable():
        return None
    for row in await read_platform(_BY_EMAIL, email.strip(), fields.email_as_registered(email)):
        user = read_row(User, "u", row)
        if user is not None:
            return user, read_row(Tenant, "t", row)
    return None


async def open_session(
    user: User, tenant: Tenant | None, client: Client, *, rehashed: str | None = None
) -> OpenedSession | None:
    """Sign `user`, whose password was verified, in, on record, in the transaction that is open.

    None if the user is gone or inactive by now, has another password, or the tenant is kept out: whoever does
    that ends all sessions, and one that is opened at that very moment would outlive it. The row of the user
    stays locked against such a change. `rehashed` is stored in the place of a hash that is outdated.
    """
    if rehashed is None:
        statement, values = _LOCK, ()
    else:
        statement, values = _REHASH, (rehashed,)
    if not await User.raw(statement, *values, user.id, user.password):
        return None
    # Asked once the user is locked, as they all are by whoever deletes the tenant.
    if tenant is not None and not await Tenant.raw(_ACTIVE, tenant.id):
        return None
    await _record("session.opened", user, client)
    return await insert_session(user, tenant, client)


_LOCK = 'SELECT id FROM users WHERE id = {} AND password = {} AND "isActive" FOR SHARE'
_ACTIVE = 'SELECT id FROM tenants WHERE id = {} AND "isActive" AND "deletedAt" IS NULL'
_REHASH = 'UPDATE users SET password = {} WHERE id = {} AND password = {} AND "isActive" RETURNING id'


async def insert_session(user: User, tenant: Tenant | None, client: Client) -> OpenedSession:
    """Add a session to the transaction that is open; the caller records what it comes of."""
    token = secrets.token_urlsafe(32)
    expires_at = datetime.now(UTC) + timedelta(days=get_settings().session_days)
    await Session.raw(
        'INSERT INTO sessions ("userId", "tokenDigest", "expiresAt", "userAgent", "ipAddress")'
        " VALUES ({}, {}, {}, {}, {})",
        user.id,
        _digest(token),
        expires_at,
        client.user_agent,
        client.ip_address,
    )
    return OpenedSession(token, expires_at, user, tenant)


_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

_BY_TOKEN = f"""
SELECT s."tokenDigest", s.id AS session_id, s."lastSeenAt" < now() - {{}}::interval AS seen_long_ago,
       {select_list(User, "u", leave_out=(User.password,))}, {select_list(Tenant, "t")}
  FROM sessions s JOIN users u ON u.id = s."userId" LEFT JOIN tenants t ON t.id = u."tenantId"
 WHERE s."tokenDigest" = ANY({{}}::bytea[]) AND s."revokedAt" IS NULL AND s."expiresAt" > now()
   AND u."isActive" AND t."isActive" IS NOT FALSE
"""


async def _select_viewers(digests: list[str]) -> dict[str, dict[str, Any]]:
    rows = await read_platform(_BY_TOKEN, SEEN_EVERY, [bytes.fromhex(digest) for digest in digests])
    return {row["tokenDigest"].hex(): row for row in rows}


_lookup: SharedLookup[dict[str, Any]] = SharedLookup(_select_viewers)


async def find_viewer(token: str) -> Viewer | None:
    """Whose token this is; None for one that is unknown, expired, or ended in any way."""
    if not _TOKEN.fullmatch(token):
        return None
    row = await _lookup.get(_digest(token).hex())
    user = None if row is None else read_row(User, "u", row)
    if row is None or user is None:
        return None
    if row["seen_long_ago"]:
        session_id = UUID(str(row["session_id"]))
        await write_platform(f"""UPDATE sessions SET "lastSeenAt" = now() WHERE id = '{session_id}'""")
    return Viewer(row["session_id"], user, read_row(Tenant, "t", row))


MAX_DEVICES = 100
"""Sessions that `list_sessions` tells of; a program that signs in anew for each call makes many."""

_DEVICES = """
SELECT id, "createdAt" AS created_at, "lastSeenAt" AS last_seen_at, "expiresAt" AS expires_at,
       "userAgent" AS user_agent, "ipAddress" AS ip_address, id = {} AS is_current
  FROM sessions WHERE "userId" = {} AND "revokedAt" IS NULL AND "expiresAt" > now()
 ORDER BY is_current DESC, "lastSeenAt" DESC, id LIMIT {}
"""


@dataclass(frozen=True, slots=True)
class Device:
    """A session that is open, as its user sees it."""

    id: UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str | None
    ip_address: str | None
    is_current: bool


async def list_sessions(viewer: Viewer) -> list[Device]:
    """The sessions of the viewer that are open: this one, then the one that was seen last, and so on."""
    rows = await _read(viewer, _DEVICES, viewer.session_id, viewer.user.id, MAX_DEVICES)
    return [Device(**row) for row in rows]


async def revoke_session(viewer: Viewer, session_id: UUID, client: Client) -> None:
    """End one of the viewer's sessions; its token is nobody's at the very next request.

    Raises `NotFound` for one that has ended, and for one of somebody else.
    """
    async with _scope_of(viewer):
        ended = await Session.raw(
            'UPDATE sessions SET "revokedAt" = now() WHERE id = {} AND "userId" = {}'
            ' AND "revokedAt" IS NULL AND "expiresAt" > now() RETURNING id',
            session_id,
            viewer.user.id,
        )
        if not ended:
            raise NotFound
        await _record("session.revoked", viewer.user, client, subject_id=session_id)


async def change_password(viewer: Viewer, current: str, new: str, client: Client) -> None:
    """Give the viewer another password, and end every session but this one.

    Raises `InvalidInput`, `WrongPassword` and `RateLimited`.
    """
    read = fields.Fields()
    read("newPassword", fields.password, new)
    read.check()
    account = rate_limits.account_of(viewer.user.email)
    await rate_limits.check(rate_limits.WRONG_PASSWORDS, account)
    rows = await _read(viewer, "SELECT password FROM users WHERE id = {}", viewer.user.id)
    stored = rows[0]["password"] if rows else None
    valid = await verify_password(current, stored)
    await rate_limits.settle_guess(rate_limits.WRONG_PASSWORDS, account, wrong=not valid)
    if not valid:
        raise WrongPassword
    password_hash = await hash_password(new)
    async with _scope_of(viewer):
        changed = await User.raw(
            'UPDATE users SET password = {}, "updatedAt" = now()'
            " WHERE id = {} AND password = {} RETURNING id",
            password_hash,
            viewer.user.id,
            stored,
        )
        # Of two changes at once the second one does not know the password that is current by then.
        if not changed:
            raise WrongPassword
        await end_sessions(viewer.user.id, but=viewer.session_id)
        await _record("password.changed", viewer.user, client)
        await queue_mail(
            Template.PASSWORD_CHANGED,
            to=viewer.user.email,
            language=client.language,
            firstName=viewer.user.first_name,
        )


async def end_sessions(user_id: UUID, *, but: UUID | None = None) -> None:
    """End all sessions of a user, or all but one, in the transaction that is open.

    That transaction has to change the user first, so that no session is opened beside it.
    """
    await Session.raw(
        'UPDATE sessions SET "revokedAt" = now()'
        ' WHERE "userId" = {} AND "revokedAt" IS NULL AND id IS DISTINCT FROM {}::uuid',
        user_id,
        but,
    )


async def _read(viewer: Viewer, query: str, *arguments: Any) -> list[dict[str, Any]]:
    tenant_id = viewer.user.tenant_id
    if tenant_id is None:
        return await read_platform(query, *arguments)
    return await read_tenants([tenant_id], query, *arguments)


def _scope_of(viewer: Viewer) -> Transaction:
    tenant_id = viewer.user.tenant_id
    return platform_scope() if tenant_id is None else tenant_scope(tenant_id)


async def sign_out(viewer: Viewer, client: Client) -> None:
    """End the session of this request; its token is nobody's at the very next one."""
    async with platform_scope():
        closed = await Session.raw(
            'UPDATE sessions SET "revokedAt" = now() WHERE id = {} AND "revokedAt" IS NULL RETURNING id',
            viewer.session_id,
        )
        if closed:
            await _record("session.closed", viewer.user, client)


async def _record(action: str, user: User, client: Client, *, subject_id: UUID | None = None) -> None:
    await audit.record(
        action,
        Actor.of(user, client),
        tenant_id=user.tenant_id,
        subject_id=subject_id or user.id,
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
