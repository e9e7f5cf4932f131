"""Signing in with a second factor, after the password."""

from uuid import UUID

from api.database.rows import read_optional_row, read_row, select_list
from api.database.scopes import platform_scope, read_platform
from api.domain import rate_limits
from api.domain.accounts.second_factors.proofs import Proof, check_proof
from api.domain.accounts.sessions import OpenedSession, open_session_with_second_factor
from api.domain.accounts.sign_in_challenges import consume_challenge, count_try
from api.domain.actors import Actor, Client
from api.domain.errors import ExpiredChallenge
from tables import Tenant, User


async def verify_second_factor(challenge: str, proof: Proof, client: Client) -> OpenedSession:
    """Open the session that a sign-in with the right password asked for.

    Raises `WrongCode`, `WrongPasskey`, `ExpiredChallenge` if the user has to start again, `RateLimited` and
    `PasskeysUnavailable`.
    """
    await rate_limits.count(rate_limits.LOGIN, *rate_limits.networks_of(client))
    pending = await count_try(challenge)
    user, tenant = await _find_by_id(pending.user_id)
    if not pending.matches(user):
        raise ExpiredChallenge
    method = await check_proof(user, Actor.of(user, client), proof, pending.passkey_challenge)
    async with platform_scope():
        opened = await open_session_with_second_factor(user, tenant, client, method.value)
        if opened is None:
            raise ExpiredChallenge
        await consume_challenge(pending)
    return opened


_BY_ID = f"""
SELECT {select_list(User, "u")}, {select_list(Tenant, "t")}
  FROM users u LEFT JOIN tenants t ON t.id = u."tenantId" WHERE u.id = {{}}
"""


async def _find_by_id(user_id: UUID) -> tuple[User, Tenant | None]:
    rows = await read_platform(_BY_ID, user_id)
    if not rows:
        raise ExpiredChallenge
    return read_row(User, "u", rows[0]), read_optional_row(Tenant, "t", rows[0])
