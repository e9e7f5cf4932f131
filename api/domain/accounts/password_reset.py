"""A new password for whoever has lost the old one, and reads the mailbox of the account."""

from datetime import datetime

from api.database.scopes import platform_scope
from api.domain import fields, rate_limits
from api.domain.accounts.one_time_codes import Purpose, consume_code, make_code, prove_code, store_code
from api.domain.accounts.passwords import hash_password
from api.domain.accounts.sessions import end_sessions
from api.domain.accounts.sign_in import find_by_email
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import record_event
from api.domain.errors import WrongCode
from api.domain.mails import Template, queue_mail
from tables import User


async def request_password_reset(email: str, client: Client) -> datetime:
    """Mail a code to the user of an address, if there is one; returns when it expires, or would.

    An unknown address costs the same work and gets the same answer. Raises `InvalidInput` for what is no
    address, and `RateLimited`.
    """
    address = fields.input_field("email", fields.user_email, email)
    await rate_limits.count_code(client, address)
    new = await make_code()
    found = await find_by_email(address)
    user = found[0] if found is not None and found[0].is_active else None
    async with platform_scope():
        # All of it for nobody, too: the answer must not come a round trip earlier where there is no account.
        await store_code(new, Purpose.PASSWORD_RESET, address, user_id=user.id if user else None)
        await record_event(
            "password.reset_requested",
            Actor(None, address, client),
            tenant_id=user.tenant_id if user else None,
            subject_id=user.id if user else None,
        )
        await queue_mail(
            Template.PASSWORD_RESET_CODE,
            to=user.email if user else None,
            language=client.language,
            expires_at=new.expires_at,
            firstName=user.first_name if user else None,
            code=new.code,
            minutes=new.minutes,
        )
    return new.expires_at


async def reset_password(email: str, code: str, new_password: str, client: Client) -> None:
    """Set a new password and end every session, all or nothing.

    Raises `InvalidInput`, which costs no try, `WrongCode` and `RateLimited`.
    """
    await rate_limits.count(rate_limits.LOGIN, rate_limits.address_of(client))
    fields.input_field("newPassword", fields.password, new_password)
    proven = await prove_code(code, Purpose.PASSWORD_RESET, fields.email_as_registered(email))
    password_hash = await hash_password(new_password)
    async with platform_scope():
        # The user before the code, as whoever removes a user locks them; otherwise the two could wait for
        # one another, and it would be the removal that fails.
        changed = await User.raw(
            'UPDATE users SET password = {}, "updatedAt" = now() WHERE id = {} AND "isActive"'
            ' RETURNING id, email, "firstName", "tenantId"',
            password_hash,
            proven.user_id,
        )
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
