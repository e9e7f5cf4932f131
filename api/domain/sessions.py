"""Sessions: signed-in devices, from sign-in to sign-out."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api.database.rows import read_row, select_list
from api.database.scopes import platform_scope
from api.domain import audit, fields, rate_limits
from api.domain.audit import Client
from api.domain.errors import TenantSuspended, WrongCredentials
from api.domain.passwords import verify_password
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
    found = await find_by_email(email)
    user, tenant = found or (None, None)
    valid, rehashed = await verify_password(password, user.password if user else None)
    wrong = user is None or not valid or not user.is_active
    await rate_limits.settle_guess(rate_limits.WRONG_PASSWORDS, account, wrong=wrong)
    if user is None or wrong:
        raise WrongCredentials
    if tenant is not None and not tenant.is_active:
        raise TenantSuspended(tenant.suspended_reason)
    async with platform_scope():
        if rehashed is not None:
            await User.raw(
                "UPDATE users SET password = {} WHERE id = {} AND password = {}",
                rehashed,
                user.id,
                user.password,
            )
        return await open_session(user, tenant, client)


_BY_EMAIL = f"""
SELECT {select_list(User, "u")}, {select_list(Tenant, "t")}
  FROM users u LEFT JOIN tenants t ON t.id = u."tenantId"
 WHERE u."emailLower" IN (lower({{}}), lower({{}}))
"""


async def find_by_email(email: str) -> tuple[User, Tenant | None] | None:
    """The user of an address, however it is typed."""
    # No address holds control characters, and PostgreSQL cannot even be asked about NUL.
    if not email.isprintable():
        return None
    async with platform_scope():
        rows = await User.raw(_BY_EMAIL, email.strip(), fields.email_as_registered(email))
    for row in rows:
        user = read_row(User, "u", row)
        if user is not None:
            return user, read_row(Tenant, "t", row)
    return None


async def open_session(user: User, tenant: Tenant | None, client: Client) -> OpenedSession:
    """Sign `user` in, on record, in the transaction that is open."""
    await _record("session.opened", user, client)
    return await insert_session(user, tenant, client)


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
SELECT s.id AS session_id, s."lastSeenAt" < now() - {{}}::interval AS seen_long_ago,
       {select_list(User, "u", leave_out=(User.password,))}, {select_list(Tenant, "t")}
  FROM sessions s JOIN users u ON u.id = s."userId" LEFT JOIN tenants t ON t.id = u."tenantId"
 WHERE s."tokenDigest" = {{}} AND s."revokedAt" IS NULL AND s."expiresAt" > now()
   AND u."isActive" AND t."isActive" IS NOT FALSE
"""


async def find_viewer(token: str) -> Viewer | None:
    """Whose token this is; None for one that is unknown, expired, or ended in any way."""
    if not _TOKEN.fullmatch(token):
        return None
    async with platform_scope():
        rows = await Session.raw(_BY_TOKEN, SEEN_EVERY, _digest(token))
        for row in rows:
            if row["seen_long_ago"]:
                await Session.raw('UPDATE sessions SET "lastSeenAt" = now() WHERE id = {}', row["session_id"])
            user = read_row(User, "u", row)
            if user is not None:
                return Viewer(row["session_id"], user, read_row(Tenant, "t", row))
    return None


async def sign_out(viewer: Viewer, client: Client) -> None:
    """End the session of this request; its token is nobody's at the very next one."""
    async with platform_scope():
        closed = await Session.raw(
            'UPDATE sessions SET "revokedAt" = now() WHERE id = {} AND "revokedAt" IS NULL RETURNING id',
            viewer.session_id,
        )
        if closed:
            await _record("session.closed", viewer.user, client)


async def _record(action: str, user: User, client: Client) -> None:
    await audit.record(
        action,
        actor_id=user.id,
        actor_email=user.email,
        tenant_id=user.tenant_id,
        subject_id=user.id,
        client=client,
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
