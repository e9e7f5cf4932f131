"""Changing the password of the viewer."""

from api.domain import fields, rate_limits
from api.domain.accounts.passwords import hash_password, verify_password
from api.domain.accounts.sessions import end_sessions, record_session_event
from api.domain.actors import Client
from api.domain.errors import WrongPassword
from api.domain.mails import Template, queue_mail
from api.domain.viewer import Viewer, read_in_scope, scope_of
from tables import User


async def change_password(viewer: Viewer, current: str, new: str, client: Client) -> None:
    """Give the viewer another password, and end every session but this one.

    Raises `InvalidInput`, `WrongPassword` and `RateLimited`.
    """
    fields.input_field("newPassword", fields.password, new)
    account = rate_limits.account_of(viewer.user.email)
    await rate_limits.check(rate_limits.WRONG_PASSWORDS, account)
    rows = await read_in_scope(viewer, "SELECT password FROM users WHERE id = {}", viewer.user.id)
    stored = rows[0]["password"] if rows else None
    valid = await verify_password(current, stored)
    await rate_limits.settle_guess(rate_limits.WRONG_PASSWORDS, account, wrong=not valid)
    if not valid:
        raise WrongPassword
    password_hash = await hash_password(new)
    async with scope_of(viewer):
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
        await record_session_event("password.changed", viewer.user, client)
        await queue_mail(
            Template.PASSWORD_CHANGED,
            to=viewer.user.email,
            language=client.language,
            firstName=viewer.user.first_name,
        )
