"""Whether a user has a second factor, its changes in the open transaction, and who hears of them."""

from datetime import datetime
from uuid import UUID

from api.domain.accounts.passkeys.passkeys import delete_passkeys
from api.domain.accounts.second_factors import authenticator_apps, recovery_codes
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.mails import Template, queue_mail
from tables import User


async def delete_all(user_id: UUID) -> bool:
    """Delete everything of a second factor; false if there was none."""
    was_on = await set_second_factor(user_id, is_on=False)
    await authenticator_apps.delete_app(user_id)
    await delete_passkeys(user_id)
    await recovery_codes.delete_codes(user_id)
    return was_on


async def set_second_factor(user_id: UUID, *, is_on: bool) -> bool:
    """Set the column that sign-in reads, which locks the user; returns whether it was set before."""
    rows: list[dict[str, datetime | None]] = await User.raw(_SET, is_on, user_id)
    return bool(rows) and rows[0]["before"] is not None


_SET = """
UPDATE users SET "secondFactorAt" = CASE WHEN {} THEN coalesce("secondFactorAt", now()) END,
       "updatedAt" = now()
  FROM (SELECT id, "secondFactorAt" AS before FROM users WHERE id = {} FOR NO KEY UPDATE) old
 WHERE users.id = old.id RETURNING old.before
"""


async def has_any_factor(user_id: UUID) -> bool:
    """Whether the user has a confirmed app or a passkey left, in the open transaction."""
    (row,) = await User.raw(
        """SELECT EXISTS (SELECT FROM authenticator_apps WHERE "userId" = {} AND "confirmedAt" IS NOT NULL)
               OR EXISTS (SELECT FROM passkeys WHERE "userId" = {}) AS has_any""",
        user_id,
        user_id,
    )
    return row["has_any"]


async def record_change(action: str, actor: Actor, user: User) -> None:
    """Record `second_factor.…` of a user."""
    await record_event(action, actor, tenant_id=user.tenant_id, subject_id=user.id)


async def mail_change(template: Template, actor: Actor, user: User) -> None:
    """Queue a mail whose only value is the first name of the user."""
    await queue_mail(template, to=user.email, language=actor.client.language, firstName=user.first_name)
