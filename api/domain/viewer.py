"""The viewer: the signed-in user of a request, found by the token of a session."""

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from api.database.readers import Reader, read_as
from api.database.rows import read_optional_row, read_row, select_list
from api.database.scopes import platform_scope, read_platform, read_tenants, tenant_scope, write_platform
from api.database.shared_lookup import SharedLookup
from api.database.transaction import Transaction
from api.domain import session_lifetimes
from api.domain.actors import CONFIRMATION_LIFETIME, Actor, Client
from api.domain.errors import SecondFactorMissing, Unauthenticated
from api.domain.second_factor_policy import must_set_up
from tables import Tenant, User

LAST_SEEN_PRECISION = timedelta(minutes=1)
"""Updating `lastSeenAt` at each request would turn every read into a write."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in user of a request, and the client that sent it."""

    session_id: UUID
    user: User
    tenant: Tenant | None
    client: Client
    is_confirmed: bool
    """Whether the user signed in, or confirmed who they are, within `CONFIRMATION_LIFETIME`."""
    reader: Reader
    """What a standby must show to this request."""

    @property
    def actor(self) -> Actor:
        """The actor that an act of the viewer is recorded for."""
        return Actor(self.user.id, self.user.email, self.client, self.is_confirmed, self.session_id)


_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

_BY_TOKEN = f"""
SELECT s."tokenDigest", s.id AS session_id, s."lastSeenAt" < now() - {{}}::interval AS is_outdated,
       coalesce(s."confirmedAt", s."createdAt") > now() - {{}}::interval AS is_confirmed, s."lastWrite",
       {select_list(User, "u", leave_out=(User.password,))}, {select_list(Tenant, "t")}
  FROM sessions s JOIN users u ON u.id = s."userId" LEFT JOIN tenants t ON t.id = u."tenantId"
 WHERE s."tokenDigest" = ANY({{}}::bytea[]) AND {session_lifetimes.IS_OPEN}
   AND u."isActive" AND t."isActive" IS NOT FALSE
"""


async def _select_viewers(digests: list[str]) -> dict[str, dict[str, Any]]:
    """Rows of `_BY_TOKEN` by the digest of their token in hexadecimal."""
    rows = await read_platform(
        _BY_TOKEN,
        LAST_SEEN_PRECISION,
        CONFIRMATION_LIFETIME,
        [bytes.fromhex(digest) for digest in digests],
        *session_lifetimes.limits(),
    )
    return {row["tokenDigest"].hex(): row for row in rows}


_lookup: SharedLookup[dict[str, Any]] = SharedLookup(_select_viewers)


async def find_viewer(token: str, client: Client) -> Viewer | None:
    """The viewer of a token; None unless the session is open, and its user and tenant are active."""
    if not _TOKEN.fullmatch(token):
        return None
    row = await _lookup.get(token_digest(token).hex())
    if row is None:
        return None
    if row["is_outdated"]:
        await write_platform('UPDATE sessions SET "lastSeenAt" = now() WHERE id = {}', row["session_id"])
    user, tenant = read_row(User, "u", row), read_optional_row(Tenant, "t", row)
    reader = Reader(row["session_id"], row["lastWrite"] or 0)
    return Viewer(row["session_id"], user, tenant, client, row["is_confirmed"], reader)


def require_viewer(viewer: Viewer | None, *, to_set_up: bool = False) -> Viewer:
    """The viewer of a request that needs one. Raises `Unauthenticated`.

    Raises `SecondFactorMissing` for an operator who lacks a required second factor, except `to_set_up` one.
    """
    if viewer is None:
        raise Unauthenticated
    if must_set_up(viewer.user) and not to_set_up:
        raise SecondFactorMissing
    read_as(viewer.reader)
    return viewer


def token_digest(token: str) -> bytes:
    """The SHA-256 of a token, which the database stores in its place."""
    return hashlib.sha256(token.encode()).digest()


async def read_in_scope(viewer: Viewer, query: str, *arguments: Any) -> list[dict[str, Any]]:
    """The rows of one SELECT in the scope of the viewer: their tenant, or the platform for operators."""
    tenant_id = viewer.user.tenant_id
    if tenant_id is None:
        return await read_platform(query, *arguments)
    return await read_tenants([tenant_id], query, *arguments)


def scope_of(viewer: Viewer) -> Transaction:
    """A transaction in the scope of the viewer: their tenant, or the platform for operators."""
    tenant_id = viewer.user.tenant_id
    return platform_scope() if tenant_id is None else tenant_scope(tenant_id)
