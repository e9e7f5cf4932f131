"""Sessions of signed-in devices: opening, listing and ending them."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from api.database.clock import NOW
from api.database.scopes import platform_scope
from api.database.statement_chain import StatementChain
from api.domain import session_lifetimes
from api.domain.accounts.devices import agent_of, device_of, forget_devices, network_of
from api.domain.accounts.sign_in_challenges import Challenge, store_challenge
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import record_event
from api.domain.errors import NotFound, SecondFactorRequired
from api.domain.mails import Template, queue_mail
from api.domain.second_factor_policy import is_asked
from api.domain.viewer import Viewer, read_in_scope, scope_of, token_digest
from tables import Session, Tenant, User


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session. `token` exists only here; the database stores its digest."""

    token: str
    opened_at: datetime
    expires_at: datetime
    user: User
    tenant: Tenant | None


async def open_session(
    user: User, tenant: Tenant | None, client: Client, *, rehashed: str | None = None
) -> OpenedSession | Challenge | None:
    """Open and record a session of `user`, whose password was verified, in the open transaction.

    A challenge if the second factor is still to be verified. None if meanwhile the user was removed, was
    deactivated or got another password, or if the tenant was suspended or deleted: those acts end all
    sessions, and one that is opened beside them would outlive them. The lock on the row of the user makes
    them wait. `rehashed` replaces an outdated hash.
    """
    if rehashed is None:
        unchanged = await User.raw(_LOCK_UNCHANGED, user.id, user.password)
    else:
        unchanged = await (
            User.update({User.password: rehashed})
            .where(User.id == user.id, User.password == user.password, User.is_active.eq(True))
            .returning(User.second_factor_at)
        )
    # After the lock on the user: the deletion of a tenant locks its users before it ends their sessions.
    if not unchanged or (tenant is not None and not await _is_open(tenant)):
        return None
    if is_asked(user.role, unchanged[0]["secondFactorAt"]):
        await _record_sign_in("session.challenged", user, client)
        return await store_challenge(user, rehashed or user.password)
    await _record_sign_in("session.opened", user, client)
    return await _insert_after_sign_in(user, tenant, client)


async def open_session_with_second_factor(
    user: User, tenant: Tenant | None, client: Client, method: str
) -> OpenedSession | None:
    """As `open_session`, after `method` has proved the second factor of `user` too."""
    unchanged = await User.raw(_LOCK_UNCHANGED, user.id, user.password)
    if not unchanged or (tenant is not None and not await _is_open(tenant)):
        return None
    await _record_sign_in("session.opened", user, client, secondFactor=method)
    return await _insert_after_sign_in(user, tenant, client)


_LOCK_UNCHANGED = (
    'SELECT "secondFactorAt" FROM users WHERE id = {} AND password = {} AND "isActive" FOR SHARE'
)


def require_session(opened: OpenedSession | Challenge) -> OpenedSession:
    """Raises `SecondFactorRequired` for a challenge.

    Called after the transaction, which the error would roll back.
    """
    if isinstance(opened, Challenge):
        raise SecondFactorRequired(opened.token, opened.expires_at, opened.passkey_options)
    return opened


async def _is_open(tenant: Tenant) -> bool:
    """Whether the tenant is neither suspended nor deleted now."""
    return await Tenant.exists().where(
        Tenant.id == tenant.id, Tenant.is_active.eq(True), Tenant.deleted_at.is_null()
    )


async def _record_sign_in(action: str, user: User, client: Client, **detail: str) -> None:
    await record_event(
        action, Actor.of(user, client), tenant_id=user.tenant_id, subject_id=user.id, detail=detail
    )


async def _insert_after_sign_in(user: User, tenant: Tenant | None, client: Client) -> OpenedSession:
    """As `insert_session`; the user hears of a device that they have not used before."""
    opened, is_new_device = await _insert(user, tenant, client)
    if is_new_device:
        device = device_of(client)
        await queue_mail(
            Template.NEW_DEVICE,
            to=user.email,
            language=client.language,
            firstName=user.first_name,
            at=opened.opened_at.isoformat(),
            program=device.program,
            system=device.system,
            address=device.address,
        )
    return opened


def add_session(chain: StatementChain, user: User, client: Client, source: str) -> str:
    """Add a session to a chain, after the statement named `source`, as `session`; returns the token."""
    token = secrets.token_urlsafe(32)
    device = f"{_INSERT_DEVICE} SELECT {{}}, {{}}, {{}} FROM {source} {_SEEN_AGAIN}"
    chain.add("device", device, [user.id, network_of(client), agent_of(client)])
    items = f"{{}}, {{}}, now() + {{}}::interval, {{}}, {{}}, {_TRANSACTION}"
    session = f'{_INSERT_SESSION} SELECT {items} FROM {source} RETURNING "createdAt", "expiresAt"'
    chain.add("session", session, _session_values(user, client, token))
    return token


async def insert_session(user: User, tenant: Tenant | None, client: Client) -> OpenedSession:
    """Insert a session in the open transaction. The caller records the act that opens it."""
    opened, _ = await _insert(user, tenant, client)
    return opened


async def _insert(user: User, tenant: Tenant | None, client: Client) -> tuple[OpenedSession, bool]:
    """The session, and whether its network, or its kind of program, is new to a user who has others."""
    network, agent = network_of(client), agent_of(client)
    token = secrets.token_urlsafe(32)
    # Raw, because every registration runs it: Piccolo takes 150 µs to build such a query.
    (row,) = await Session.raw(
        _INSERT,
        network,
        agent,
        user.id,
        user.id,
        network,
        agent,
        *_session_values(user, client, token),
    )
    opened = OpenedSession(token, row["createdAt"], row["expiresAt"], user, tenant)
    return opened, row["isNewDevice"]


def _session_values(user: User, client: Client, token: str) -> list[Any]:
    lifetime = session_lifetimes.lifetime(user.role)
    return [user.id, token_digest(token), lifetime, client.user_agent, client.ip_address]


_INSERT_DEVICE = 'INSERT INTO known_devices ("userId", network, agent)'

_SEEN_AGAIN = """
ON CONFLICT ("userId", network, agent) DO UPDATE
   SET "lastSeenAt" = now(), "forgottenAt" = NULL,
       "firstSeenAt" = CASE WHEN known_devices."forgottenAt" IS NULL THEN known_devices."firstSeenAt"
                            ELSE now() END
"""

_INSERT_SESSION = (
    'INSERT INTO sessions ("userId", "tokenDigest", "expiresAt", "userAgent", "ipAddress", "lastWrite")'
)

_TRANSACTION = "pg_current_xact_id()::text::bigint"
"""The number of the open transaction."""

# Of concurrent sign-ins from one device, one inserts it, or remembers it. Without an earlier device, not
# even a forgotten one, `are_known` is null: the first sign-in of an account is no news to its user.
_INSERT = f"""
WITH earlier AS (
    SELECT bool_or(network = {{}} AND "forgottenAt" IS NULL)
           AND bool_or(agent = {{}} AND "forgottenAt" IS NULL) AS are_known
      FROM known_devices WHERE "userId" = {{}}
), device AS (
    {_INSERT_DEVICE} VALUES ({{}}, {{}}, {{}}) {_SEEN_AGAIN} RETURNING "firstSeenAt" = now() AS is_new
)
{_INSERT_SESSION} VALUES ({{}}, {{}}, now() + {{}}::interval, {{}}, {{}}, {_TRANSACTION})
RETURNING "createdAt", "expiresAt",
          (SELECT is_new AND are_known IS FALSE FROM device, earlier) AS "isNewDevice"
"""


MAX_LISTED = 100
"""Sessions of one listing. A program that signs in for each call makes many."""

_OPEN_SESSIONS = f"""
SELECT s.id, s."createdAt" AS created_at, s."lastSeenAt" AS last_seen_at, s."expiresAt" AS expires_at,
       s."userAgent" AS user_agent, s."ipAddress" AS ip_address, s.id = {{}} AS is_current
  FROM sessions s JOIN users u ON u.id = s."userId"
 WHERE s."userId" = {{}} AND {session_lifetimes.IS_OPEN}
 ORDER BY is_current DESC, s."lastSeenAt" DESC, s.id LIMIT {{}}
"""


@dataclass(frozen=True, slots=True)
class ListedSession:
    """An open session, as its user sees it."""

    id: UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str | None
    ip_address: str | None
    is_current: bool


async def list_sessions(viewer: Viewer) -> list[ListedSession]:
    """The open sessions of the viewer: the one of this request, then the most recently seen first."""
    rows = await read_in_scope(
        viewer,
        _OPEN_SESSIONS,
        viewer.session_id,
        viewer.user.id,
        *session_lifetimes.limits(),
        MAX_LISTED,
    )
    return [ListedSession(**row) for row in rows]


async def revoke_session(viewer: Viewer, session_id: UUID) -> None:
    """End one of the viewer's sessions. Its token is invalid from the next request on.

    Raises `NotFound` for a session that has ended, and for one of another user.
    """
    async with scope_of(viewer):
        revoked = await (
            Session.update({Session.revoked_at: NOW})
            .where(
                Session.id == session_id,
                Session.user_id == viewer.user.id,
                Session.revoked_at.is_null(),
                Session.expires_at > NOW,
            )
            .returning(Session.id)
        )
        if not revoked:
            raise NotFound
        await record_event(
            "session.revoked", viewer.actor, tenant_id=viewer.user.tenant_id, subject_id=session_id
        )


async def sign_out_everywhere(viewer: Viewer) -> None:
    """End all sessions of the viewer, that of this request included."""
    async with scope_of(viewer):
        await lock_and_end_sessions(viewer.user.id)
        await record_event(
            "session.all_closed", viewer.actor, tenant_id=viewer.user.tenant_id, subject_id=viewer.user.id
        )


async def lock_and_end_sessions(user_id: UUID) -> None:
    """End all sessions of a user whom the open transaction does not change otherwise."""
    await User.raw("SELECT id FROM users WHERE id = {} FOR NO KEY UPDATE", user_id)
    await end_sessions(user_id)


async def end_sessions(user_id: UUID, *, except_id: UUID | None = None) -> None:
    """End all sessions of a user, or all but one, in the open transaction; their devices are forgotten.

    A thief's device would still be known: its sign-ins would neither wait nor be mailed. The transaction must
    change the user first: that lock makes `open_session` wait and then refuse.
    """
    ending = Session.update({Session.revoked_at: NOW}).where(
        Session.user_id == user_id, Session.revoked_at.is_null()
    )
    await (ending if except_id is None else ending.where(Session.id != except_id))
    own = await Session.objects().get(Session.id == except_id) if except_id is not None else None
    await forget_devices(user_id, except_of=Client(own.ip_address, own.user_agent) if own else None)


async def sign_out(viewer: Viewer) -> None:
    """End the session of this request. Its token is invalid from the next request on."""
    async with platform_scope():
        closed = await (
            Session.update({Session.revoked_at: NOW})
            .where(Session.id == viewer.session_id, Session.revoked_at.is_null())
            .returning(Session.id)
        )
        if closed:
            await record_event(
                "session.closed", viewer.actor, tenant_id=viewer.user.tenant_id, subject_id=viewer.user.id
            )
