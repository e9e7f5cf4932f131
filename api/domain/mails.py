"""Mails on their way: queued in the transaction that causes them, and taken up by whoever sends them.

What a mail looks like, and how it is sent, is not here: see `api.mail`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import orjson

from api.database.scopes import platform_scope, read_platform
from tables import Mail

LEASE = timedelta(minutes=1)
"""How long a mail that was taken is left to its worker, which renews it; a killed one does not."""


class Template(Enum):
    """What there is to tell, and the values that it takes."""

    WELCOME = "welcome"
    """firstName, businessName"""
    VERIFICATION_CODE = "verification_code"
    """code, minutes"""
    PASSWORD_RESET_CODE = "password_reset_code"  # noqa: S105
    """firstName, code, minutes"""
    TENANT_DELETION_CODE = "tenant_deletion_code"
    """businessName, nit, code, minutes, days: how long it can be had back"""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    """firstName"""
    BETA_KEY_INVITATION = "beta_key_invitation"
    """key, expiresAt: a date as text, or None, link: where to register, or None"""


async def queue_mail(
    template: Template, *, to: str | None, language: str, expires_at: datetime | None = None, **values: Any
) -> None:
    """Add a mail to the transaction that is open, so that it exists exactly when what it tells of does.

    `language` is `en` or `es`. From `expires_at` on nobody needs it any more, and it is not sent. Any scope
    may queue a mail; only the platform's sees one. With `to` None there is none, after the same round trip.
    """
    await Mail.raw(
        'INSERT INTO mails (template, recipient, language, "expiresAt", "values")'
        " SELECT {}, {}, {}, {}, {} WHERE {}",
        template.value,
        to,
        language,
        expires_at,
        orjson.dumps(values).decode(),
        to is not None,
    )


@dataclass(frozen=True, slots=True)
class TakenMail:
    """A mail that this worker is to send. `tries` counts this one; `expired` is one that nobody needs now."""

    id: UUID
    template: Template
    recipient: str
    language: str
    values: dict[str, Any]
    created_at: datetime
    tries: int
    expired: bool


# A try counts from its beginning, because a mail that kills its worker must not be tried for ever.
_TAKE = """
WITH due AS MATERIALIZED (
    SELECT id FROM mails WHERE "failedAt" IS NULL AND "dueAt" <= now() AND template = ANY({})
     ORDER BY "dueAt" LIMIT {} FOR UPDATE SKIP LOCKED
)
UPDATE mails SET "dueAt" = now() + {}::interval, tries = tries + 1 FROM due WHERE mails.id = due.id
RETURNING mails.id, template, recipient, language, "values", "createdAt", tries,
          coalesce("expiresAt" <= now(), false) AS expired
"""


async def take_mails(at_most: int) -> list[TakenMail]:
    """Mails that are due, for this worker alone until their `LEASE` ends."""
    async with platform_scope():
        # A newer version may queue what this one has no template for; its own worker sends that.
        rows = await Mail.raw(_TAKE, [template.value for template in Template], at_most, LEASE)
    return [
        TakenMail(
            id=row["id"],
            template=Template(row["template"]),
            recipient=row["recipient"],
            language=row["language"],
            values=orjson.loads(row["values"]),
            created_at=row["createdAt"],
            tries=row["tries"],
            expired=row["expired"],
        )
        for row in rows
    ]


async def renew(mail: TakenMail) -> None:
    """Keep a mail for another `LEASE`."""
    async with platform_scope():
        await Mail.raw(
            'UPDATE mails SET "dueAt" = now() + {}::interval WHERE id = {} AND tries = {}',
            LEASE,
            mail.id,
            mail.tries,
        )


async def forget_sent(mail: TakenMail) -> None:
    """It was accepted: nothing is left to send, and nothing of it is kept."""
    async with platform_scope():
        await Mail.raw("DELETE FROM mails WHERE id = {}", mail.id)


async def put_off(mail: TakenMail, error: str, pause: timedelta) -> None:
    """Try again after `pause`, whoever does."""
    async with platform_scope():
        await Mail.raw(
            'UPDATE mails SET "dueAt" = now() + {}::interval, error = {} WHERE id = {} AND tries = {}',
            pause,
            error,
            mail.id,
            mail.tries,
        )


async def give_up(mail: TakenMail, error: str) -> None:
    """Keep the failure for an operator, without what the mail would have told."""
    async with platform_scope():
        await Mail.raw(
            'UPDATE mails SET "failedAt" = now(), error = {}, "values" = DEFAULT'
            " WHERE id = {} AND tries = {}",
            error,
            mail.id,
            mail.tries,
        )


async def count_mails() -> tuple[int, int]:
    """How many mails wait to be sent, and how many were given up."""
    (row,) = await read_platform(
        'SELECT count(*) FILTER (WHERE "failedAt" IS NULL) AS waiting, count("failedAt") AS failed FROM mails'
    )
    return row["waiting"], row["failed"]


async def failed_mails(limit: int) -> list[Mail]:
    """Mails that were given up, the latest first."""
    async with platform_scope():
        return (
            await Mail.objects()
            .where(Mail.failed_at.is_not_null())
            .order_by(Mail.failed_at, ascending=False)
            .limit(limit)
        )
