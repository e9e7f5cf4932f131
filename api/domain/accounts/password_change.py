"""Changing the viewer's password."""

from api.database.clock import NOW
from api.domain import fields
from api.domain.accounts.password_guesses import guess_own_password
from api.domain.accounts.passwords import hash_password
from api.domain.accounts.sessions import end_sessions
from api.domain.audit_events.recording import record_event
from api.domain.errors import FieldProblem, InvalidInput, WrongPassword
from api.domain.mails import Template, queue_mail
from api.domain.opaque_strings import opaque_string
from api.domain.password_rules import texts_about
from api.domain.viewer import Viewer, read_in_scope, scope_of
from tables import User


async def change_password(viewer: Viewer, current: str, new: str) -> None:
    """Set a new password, and end every session of the viewer but the one of this request.

    Raises `InvalidInput`, also for the password of now, `WrongPassword` and `RateLimited`.
    """
    user = viewer.user
    fields.input_field("newPassword", fields.password_for(*texts_about(user, viewer.tenant)), new)
    rows = await read_in_scope(viewer, "SELECT password FROM users WHERE id = {}", user.id)
    stored = rows[0]["password"] if rows else None
    if not await guess_own_password(current, stored, viewer):
        raise WrongPassword
    if (opaque_string(new) or new) == (opaque_string(current) or current):
        raise InvalidInput([FieldProblem("newPassword", "SAME_PASSWORD")])
    password_hash = await hash_password(new)
    async with scope_of(viewer):
        changed = await (
            User.update({User.password: password_hash, User.updated_at: NOW})
            .where(User.id == user.id, User.password == stored)
            .returning(User.id)
        )
        # Of two concurrent changes the second fails: `current` is no longer the current password.
        if not changed:
            raise WrongPassword
        await end_sessions(user.id, except_id=viewer.session_id)
        await record_event("password.changed", viewer.actor, tenant_id=user.tenant_id, subject_id=user.id)
        await queue_mail(
            Template.PASSWORD_CHANGED,
            to=user.email,
            language=viewer.client.language,
            firstName=user.first_name,
        )
