"""Signing in with an email address and a password."""

from datetime import timedelta
from typing import NamedTuple

from api.database.rows import read_optional_row, read_row, select_list
from api.database.scopes import platform_scope, read_platform
from api.domain import email_addresses, fields, rate_limits
from api.domain.accounts.devices import network_of
from api.domain.accounts.hash_queue import Share, takes_turns
from api.domain.accounts.password_guesses import guess_password
from api.domain.accounts.passwords import hash_password
from api.domain.accounts.sessions import OpenedSession, open_session, require_session
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import record_event
from api.domain.errors import Problem, TenantDeleted, TenantSuspended, WrongCredentials
from api.settings import get_settings
from tables import Tenant, User

MAX_IDENTIFIER = 120
"""Characters of what a person signs in with."""


async def may_exist(identifier: str, client: Client) -> bool:
    """Whether an account with this email or phone may exist: always True, so that no account is revealed.

    Raises `InvalidInput` for a blank text, and `RateLimited`.
    """
    await rate_limits.count(rate_limits.VALIDATE, *rate_limits.networks_of(client))
    fields.input_field("identifier", fields.text(MAX_IDENTIFIER), identifier)
    return True


@takes_turns(Share.SIGN_IN)
async def sign_in(email: str, password: str, client: Client) -> OpenedSession:
    """Open a session for the user of an address and a password.

    Raises `WrongCredentials` for an unknown address, a wrong password and an inactive user alike, after the
    same work, so that neither the answer nor its time reveals an account; `TenantSuspended`, `TenantDeleted`
    and `SecondFactorRequired` only with the right password; and `RateLimited`.
    """
    await rate_limits.count(rate_limits.LOGIN, *rate_limits.networks_of(client))
    while True:
        user, tenant, is_known = await find_by_email(email, client) or (None, None, False)
        checked = await guess_password(password, email, user, client, is_known=is_known)
        if user is None or not checked.is_valid or not user.is_active:
            reason = (
                "unknown address" if user is None else "inactive" if checked.is_valid else "wrong password"
            )
            await _record_refusal(reason, email, user, client)
            raise WrongCredentials
        if tenant is not None and tenant.deleted_at is not None:
            await _record_refusal("tenant deleted", email, user, client)
            raise TenantDeleted(tenant.deleted_at + timedelta(days=get_settings().deletion_grace_days))
        if tenant is not None and not tenant.is_active:
            await _record_refusal("tenant suspended", email, user, client)
            raise TenantSuspended(tenant.suspended_reason)
        rehashed = await hash_password(password) if checked.is_outdated else None
        async with platform_scope():
            opened = await open_session(user, tenant, client, rehashed=rehashed)
        if opened is not None:
            return require_session(opened)
        # The user or the tenant changed while the password was verified: decide again by their new state.


class Account(NamedTuple):
    """The user of an address with their tenant, and whether they have signed in from the client's network."""

    user: User
    tenant: Tenant | None
    is_known_network: bool


_BY_EMAIL = f"""
SELECT {select_list(User, "u")}, {select_list(Tenant, "t")},
       EXISTS (SELECT FROM known_devices d WHERE d."userId" = u.id AND d.network = {{}}
                                                     AND d."forgottenAt" IS NULL) AS is_known
  FROM users u LEFT JOIN tenants t ON t.id = u."tenantId"
 WHERE u."emailLower" IN (lower({{}}), lower({{}}))
"""


async def find_by_email(email: str, client: Client) -> Account | None:
    """The account of an address in any spelling, also of a deleted tenant."""
    spellings = email_addresses.spellings(email)
    if not spellings:
        return None
    rows = await read_platform(_BY_EMAIL, network_of(client), spellings[0], spellings[-1])
    if not rows:
        return None
    return Account(read_row(User, "u", rows[0]), read_optional_row(Tenant, "t", rows[0]), rows[0]["is_known"])


async def _record_refusal(reason: str, typed: str, user: User | None, client: Client) -> None:
    """Record a failed sign-in. A text that is not an address is left out: it may be a password."""
    try:
        address = email_addresses.user_email(typed)
    except Problem:
        address = None
    async with platform_scope():
        await record_event(
            "session.refused",
            Actor(None, address, client),
            tenant_id=user.tenant_id if user else None,
            subject_id=user.id if user else None,
            detail={"reason": reason},
        )
