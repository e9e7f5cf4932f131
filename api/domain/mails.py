"""The outbox of mails: rows that an act inserts in its transaction, and that a worker claims and sends.

`api.mail` composes and delivers them.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from piccolo.columns import Column

from api.database.clock import NOW, in_future
from api.database.scopes import platform_scope, read_platform
from tables import Mail

LEASE = timedelta(minutes=1)
"""How long a claimed mail belongs to its worker. The worker renews the lease, until it ends or is killed."""


class Template(Enum):
    """The kinds of mails. The docstring of each lists its values."""

    WELCOME = "welcome"
    """firstName, businessName"""
    VERIFICATION_CODE = "verification_code"
    """code, minutes"""
    PASSWORD_RESET_CODE = "password_reset_code"  # noqa: S105
    """firstName, code, minutes"""
    TENANT_DELETION_CODE = "tenant_deletion_code"
    """businessName, nit, code, minutes, days: how long the tenant can be restored"""
    TENANT_SUSPENSION_CODE = "tenant_suspension_code"
    """businessName, nit, code, minutes"""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    """firstName"""
    NEW_DEVICE = "new_device"
    """firstName, at: a time in ISO 8601, program, system: of the device or None, address: its IP address or
    None"""
    WRONG_PASSWORDS = "wrong_passwords"
    """firstName, at: a time in ISO 8601, tries: the number that was exceeded"""
    WRONG_SECOND_FACTORS = "wrong_second_factors"
    """firstName, at: a time in ISO 8601 of the last one, tries: how many there were"""
    EMAIL_CHANGE_CODE = "email_change_code"
    """firstName, code, minutes"""
    EMAIL_CHANGE_OF_HOLDER = "email_change_of_holder"
    """firstName: of the account that has the address already"""
    EMAIL_CHANGED = "email_changed"
    """firstName; to the old address"""
    SECOND_FACTOR_ON = "second_factor_on"
    """firstName"""
    SECOND_FACTOR_OFF = "second_factor_off"
    """firstName"""
    PASSKEYS_CHANGED = "passkeys_changed"
    """firstName"""
    STAFF_INVITATION = "staff_invitation"
    """firstName, businessName, inviterName, code, expiresAt: a time in ISO 8601, link: the page that accepts
    it or None"""
    STAFF_INVITATION_OF_HOLDER = "staff_invitation_of_holder"
    """The same, for an address that has an account."""
    STAFF_CREATED = "staff_created"
    """firstName, businessName, inviterName"""
    BETA_KEY_INVITATION = "beta_key_invitation"
    """key, expiresAt: a time in ISO 8601 or None, link: the registration page or None"""


async def queue_mail(
    template: Template, *, to: str | None, language: str, expires_at: datetime | None = None, **values: Any
) -> None:
    """Insert a mail in the open transaction, so that it is sent only if the act is committed.

    `language` is `en` or `es`. From `expires_at` on the mail is useless and is not sent. Any scope may insert
    a mail; only the platform's can read one. With `to` None no mail is inserted, after the same round trip.
    """
    # Raw, because Piccolo takes 150 µs to build such a query.
    values_of_mail = mail_values(template, to=to, language=language, expires_at=expires_at, **values)
    await Mail.raw(f"{INSERT_MAIL} WHERE {{}}", *values_of_mail, to is not None)


INSERT_MAIL = """
INSERT INTO mails (template, recipient, language, "expiresAt", "values") SELECT {}, {}, {}, {}, {}
"""
"""It can be continued with a FROM. Its values are `mail_values`."""


def mail_values(
    template: Template, *, to: str | None, language: str, expires_at: datetime | None = None, **values: Any
) -> list[Any]:
    """The values of a mail for `INSERT_MAIL`: see `queue_mail`."""
    return [template.value, to, language, expires_at, orjson.dumps(values).decode()]


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """A mail that this worker sends. `tries` includes this one; an `expired` mail is useless now."""

    id: UUID
    template: Template
    recipient: str
    language: str
    values: dict[str, Any]
    created_at: datetime
    tries: int
    expired: bool


# The try is counted when it begins, so that a mail which kills its worker is not retried forever.
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id FROM mails WHERE "failedAt" IS NULL AND "dueAt" <= now() AND template = ANY({})
     ORDER BY "dueAt" LIMIT {} FOR UPDATE SKIP LOCKED
)
UPDATE mails SET "dueAt" = now() + {}::interval, tries = tries + 1 FROM due WHERE mails.id = due.id
RETURNING mails.id, template, recipient, language, "values", "createdAt", tries,
          coalesce("expiresAt" <= now(), false) AS expired
"""


async def claim_mails(limit: int) -> list[ClaimedMail]:
    """Claim at most `limit` mails that are due, for the time of a `LEASE`."""
    async with platform_scope():
        # Only known templates: during a deploy the newer version queues others, which its own worker sends.
        rows = await Mail.raw(_CLAIM, [template.value for template in Template], limit, LEASE)
    return [
        ClaimedMail(
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


async def renew_lease(mail: ClaimedMail) -> None:
    """Extend the claim on a mail by another `LEASE`."""
    await _update(mail, {Mail.due_at: in_future(LEASE)})


async def delete_sent(mail: ClaimedMail) -> None:
    """Delete a mail that a server accepted, and count how long it waited for that."""
    async with platform_scope():
        await Mail.raw(_DELETE_SENT, mail.id, list(DELAY_BUCKETS))


DELAY_BUCKETS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, math.inf)
"""Seconds from the queue to the server, as the upper bounds of a histogram."""

_DELETE_SENT = """
WITH sent AS (
    DELETE FROM mails WHERE id = {}
    RETURNING extract(epoch FROM clock_timestamp() - "createdAt")::float8 AS took
)
INSERT INTO mail_delays AS known ("upTo", mails, seconds)
SELECT (SELECT min(bound) FROM unnest({}::float8[]) bound WHERE bound >= took), 1, took FROM sent
ON CONFLICT ("upTo") DO UPDATE SET mails = known.mails + 1, seconds = known.seconds + EXCLUDED.seconds
"""


class MailDelays(NamedTuple):
    """How many mails waited up to each of `DELAY_BUCKETS` and longer than the one before, and all seconds."""

    counts: list[int]
    seconds: float


async def mail_delays() -> MailDelays:
    """The delays of all mails that were ever sent."""
    rows = await read_platform('SELECT "upTo", mails, seconds FROM mail_delays')
    counts = {row["upTo"]: row["mails"] for row in rows}
    return MailDelays([counts.get(bound, 0) for bound in DELAY_BUCKETS], sum(row["seconds"] for row in rows))


async def schedule_retry(mail: ClaimedMail, error: str, delay: timedelta) -> None:
    """Make a mail due again after `delay`, for any worker, and store the error."""
    await _update(mail, {Mail.due_at: in_future(delay), Mail.error: error})


async def mark_failed(mail: ClaimedMail, error: str) -> None:
    """Record that a mail failed permanently, and erase its values, which may contain a code."""
    await _update(mail, {Mail.failed_at: NOW, Mail.error: error, Mail.values: "{}"})


async def _update(mail: ClaimedMail, columns: dict[Column | str, Any]) -> None:
    """Update a mail, unless its lease has ended and another worker has claimed it."""
    async with platform_scope():
        await Mail.update(columns).where(Mail.id == mail.id, Mail.tries == mail.tries)


async def count_mails() -> tuple[int, int]:
    """How many mails are waiting, and how many failed permanently."""
    (row,) = await read_platform(
        'SELECT count(*) FILTER (WHERE "failedAt" IS NULL) AS waiting, count("failedAt") AS failed FROM mails'
    )
    return row["waiting"], row["failed"]


async def count_overdue_mails() -> int:
    """How many mails were due five minutes ago, and no worker has claimed them."""
    (row,) = await read_platform(
        "SELECT count(*) AS overdue FROM mails"
        """ WHERE "failedAt" IS NULL AND "dueAt" < now() - interval '5 minutes'"""
    )
    return row["overdue"]


async def failed_mails(limit: int) -> list[Mail]:
    """Mails that failed permanently, the latest first."""
    async with platform_scope():
        return (
            await Mail.objects()
            .where(Mail.failed_at.is_not_null())
            .order_by(Mail.failed_at, ascending=False)
            .limit(limit)
        )
