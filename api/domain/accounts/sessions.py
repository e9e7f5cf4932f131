"""Sessions: signed-in devices, opened, listed and ended."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api.database.scopes import platform_scope
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import record_event
from api.domain.errors import NotFound
from api.domain.viewer import Viewer, read_in_scope, scope_of, token_digest
from api.settings import get_settings
from tables import Session, Tenant, User


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session that was opened just now. `token` is told here and never again."""

    token: str
    expires_at: datetime
    user: User
    tenant: Tenant | None


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
    await record_session_event("session.opened", user, client)
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
        token_digest(token),
        expires_at,
        client.user_agent,
        client.ip_address,
    )
    return OpenedSession(token, expires_at, user, tenant)


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
    rows = await read_in_scope(viewer, _DEVICES, viewer.session_id, viewer.user.id, MAX_DEVICES)
    return [Device(**row) for row in rows]


async def revoke_session(viewer: Viewer, session_id: UUID, client: Client) -> None:
    """End one of the viewer's sessions; its token is nobody's at the very next request.

    Raises `NotFound` for one that has ended, and for one of somebody else.
    """
    async with scope_of(viewer):
        ended = await Session.raw(
            'UPDATE sessions SET "revokedAt" = now() WHERE id = {} AND "userId" = {}'
            ' AND "revokedAt" IS NULL AND "expiresAt" > now() RETURNING id',
            session_id,
            viewer.user.id,
        )
        if not ended:
            raise NotFound
        await record_session_event("session.revoked", viewer.user, client, subject_id=session_id)


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


async def sign_out(viewer: Viewer, client: Client) -> None:
    """End the session of this request; its token is nobody's at the very next one."""
    async with platform_scope():
        closed = await Session.raw(
            'UPDATE sessions SET "revokedAt" = now() WHERE id = {} AND "revokedAt" IS NULL RETURNING id',
            viewer.session_id,
        )
        if closed:
            await record_session_event("session.closed", viewer.user, client)


async def record_session_event(
    action: str, user: User, client: Client, *, subject_id: UUID | None = None
) -> None:
    await record_event(
        action,
        Actor.of(user, client),
        tenant_id=user.tenant_id,
        subject_id=subject_id or user.id,
    )
