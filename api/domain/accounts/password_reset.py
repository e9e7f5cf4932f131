"""Resetting a forgotten password with a code that is mailed to the account."""

from datetime import datetime
from uuid import UUID

from api.database.rows import read_optional_row, read_row, select_list
from api.database.scopes import platform_scope, read_platform
from api.domain import email_addresses, fields, rate_limits
from api.domain.accounts.hash_queue import Share, takes_turns
from api.domain.accounts.one_time_codes import (
    NewCode,
    ProvenCode,
    Purpose,
    consume_code,
    digits_for,
    make_code,
    prove_code,
    store_code,
)
from api.domain.accounts.passwords import hash_password
from api.domain.accounts.sessions import end_sessions
from api.domain.accounts.sign_in import find_by_email
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import record_event
from api.domain.errors import WrongCode
from api.domain.mails import Template, queue_mail
from api.domain.password_rules import texts_about
from tables import Tenant, User


@takes_turns(Share.CODE)
async def request_password_reset(email: str, client: Client) -> datetime:
    """Mail a code to the active user of an address; returns when the code expires.

    For an unknown address, and over the limit of the mailbox, the work and the answer are the same, and no
    mail is sent. Raises `InvalidInput`
    for a text that is not an address, and `RateLimited`.
    """
    address = fields.input_field("email", email_addresses.user_email, email)
    user, _, is_known = await find_by_email(address, client) or (None, None, False)
    is_mailed = await rate_limits.count_code(client, address, is_known=is_known)
    new = await make_code(await digits_for(user.role if user else None, address))
    if user is not None and not user.is_active:
        user = None
    async with platform_scope():
        # The same statements without a user: a missing round trip would reveal that the account does not
        # exist.
        await record_event(
            "password.reset_requested",
            Actor(None, address, client),
            tenant_id=user.tenant_id if user else None,
            subject_id=user.id if user else None,
        )
        return await mail_reset_code(new, address, user, client, is_mailed=is_mailed)


async def mail_reset_code(
    new: NewCode, address: str, user: User | None, client: Client, *, is_mailed: bool = True
) -> datetime:
    """Store and mail a code for `reset_password` in the open transaction; returns when it expires.

    Without a user, or unless `is_mailed`, no mail is sent, after the same statements.
    """
    user_id = user.id if user else None
    expires_at = await store_code(
        new, Purpose.PASSWORD_RESET, address, client, user_id=user_id, is_mailed=is_mailed
    )
    await queue_mail(
        Template.PASSWORD_RESET_CODE,
        to=user.email if user and is_mailed else None,
        language=client.language,
        expires_at=expires_at,
        firstName=user.first_name if user else None,
        code=new.code,
        minutes=new.minutes,
    )
    return expires_at


@takes_turns(Share.CODE)
async def reset_password(email: str, code: str, new_password: str, client: Client) -> None:
    """Set a new password and end every session of the user, all or nothing.

    Raises `InvalidInput`, which costs no try of the code unless the password is made of the user's data,
    `WrongCode` and `RateLimited`.
    """
    await rate_limits.count(rate_limits.LOGIN, *rate_limits.networks_of(client))
    fields.input_field("newPassword", fields.password_for(email), new_password)
    proven = await _prove(code, email, client)
    # After the code, because the answer depends on data of the user.
    await _require_impersonal(proven.user_id, new_password)
    password_hash = await hash_password(new_password)
    async with platform_scope():
        # Locks the user before the code, as the removal of a user does. In the other order the two could
        # deadlock.
        spellings = email_addresses.spellings(email) or [None]
        changed = await User.raw(_RESET, password_hash, proven.user_id, spellings[0], spellings[-1])
        if not changed:
            raise WrongCode
        await consume_code(proven)
        (user,) = changed
        await end_sessions(user["id"])
        await record_event(
            "password.reset",
            Actor(user["id"], user["email"], client),
            tenant_id=user["tenantId"],
            subject_id=user["id"],
        )
        await queue_mail(
            Template.PASSWORD_CHANGED,
            to=user["email"],
            language=client.language,
            firstName=user["firstName"],
        )
    await rate_limits.start_anew(user["email"])


# The code does not outlive a change of the address that it was mailed to.
_RESET = """
UPDATE users SET password = {}, "updatedAt" = now()
 WHERE id = {} AND "isActive" AND "emailLower" IN (lower({}), lower({}))
RETURNING id, email, "firstName", "tenantId"
"""


async def _prove(code: str, email: str, client: Client) -> ProvenCode:
    account = await find_by_email(email, client)
    return await prove_code(
        code,
        Purpose.PASSWORD_RESET,
        email_addresses.as_registered(email),
        client,
        known_as="known networks" if account is not None and account.is_known_network else None,
    )


async def _require_impersonal(user_id: UUID | None, password: str) -> None:
    rows = await read_platform(
        f"""SELECT {select_list(User, "u")}, {select_list(Tenant, "t")}
              FROM users u LEFT JOIN tenants t ON t.id = u."tenantId" WHERE u.id = {{}}""",
        user_id,
    )
    for row in rows:
        texts = texts_about(read_row(User, "u", row), read_optional_row(Tenant, "t", row))
        fields.input_field("newPassword", fields.password_for(*texts), password)
