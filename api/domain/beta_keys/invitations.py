"""Invitations: a beta key mailed to its recipient, who alone can use it from then on."""

from datetime import datetime, timedelta
from uuid import UUID

from api.database.clock import NOW
from api.database.scopes import platform_scope
from api.domain import fields
from api.domain.accounts.holders import find_holders
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.beta_keys.status import STATUS, BetaKeyStatus
from api.domain.email_addresses import user_email
from api.domain.errors import Conflict, EmailTaken, NotFound, RateLimited
from api.domain.mails import Template, queue_mail
from api.domain.page_links import page_link
from api.settings import get_settings
from tables import AuditEvent, BetaKey

RESEND_INTERVAL = timedelta(minutes=5)
"""Least time between two invitations with the same key."""

HOUR = timedelta(hours=1)

MAX_PER_HOUR = 200
"""Invitations. Mail servers take larger bursts for spam."""


async def send_key(actor: Actor, key_id: UUID, email: str, *, even_if_registered: bool = False) -> None:
    """Mail an invitation with a key, and make the address its recipient.

    The mail is in the language of the actor, because the recipient's is unknown. Raises `InvalidInput`,
    `NotFound`, `Conflict` for a key that is not available or has another recipient, `EmailTaken` for an
    address with an account, which cannot register, unless `even_if_registered`, and `RateLimited` within
    `RESEND_INTERVAL` of the last invitation with this key, or after `MAX_PER_HOUR` invitations in an hour.
    """
    address = fields.input_field("email", user_email, email)
    if not even_if_registered and await find_holders([address]):
        raise EmailTaken
    async with platform_scope():
        await _lock_invitations()
        await _send(actor, key_id, address)


async def invite(actor: Actor, batch: str, email: str, key: str | None = None) -> bool:
    """Mail an address a key of a batch, unless it was sent one before; returns whether a key was sent now.

    It is `key`, or the key that was issued for the address, or a free one. Raises `InvalidInput`, `NotFound`
    when the batch has no key left, `Conflict` for a `key` that is not available or has another recipient, and
    `RateLimited` after `MAX_PER_HOUR` invitations in an hour.
    """
    address = fields.input_field("email", user_email, email)
    batch = fields.batch_as_stored(batch)
    async with platform_scope():
        await _lock_invitations()
        if await BetaKey.raw(_SENT, address, batch):
            return False
        if key is not None:
            rows = await BetaKey.raw(_PAIRED, key, batch)
        else:
            rows = await BetaKey.raw(_ASSIGNED, address, batch) or await BetaKey.raw(_UNASSIGNED, batch)
        if not rows:
            raise NotFound
        await _send(actor, rows[0]["id"], address)
    return True


_SENT = """
SELECT id FROM beta_keys
 WHERE lower("recipientEmail") = lower({}) AND batch = {} AND "sentAt" IS NOT NULL LIMIT 1
"""

IS_AVAILABLE = f"{STATUS} = 'AVAILABLE'"

# The conditions on columns repeat what the status says, so that the partial index of open keys serves.
IS_FREE = f"""batch = {{}} AND NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NULL
   AND "recipientEmail" IS NULL AND {IS_AVAILABLE}"""

_PAIRED = "SELECT id FROM beta_keys WHERE key = {} AND batch = {} FOR NO KEY UPDATE"

_ASSIGNED = f"""
SELECT id FROM beta_keys
 WHERE lower("recipientEmail") = lower({{}}) AND batch = {{}} AND {IS_AVAILABLE} LIMIT 1 FOR NO KEY UPDATE
"""

# SKIP LOCKED, because a key that a registration has locked is about to be used.
_UNASSIGNED = f"""
SELECT id FROM beta_keys WHERE {IS_FREE} ORDER BY "createdAt", id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""


async def _lock_invitations() -> None:
    """Serialize invitations, so that concurrent ones can exceed no limit and cannot pick the same key."""
    await AuditEvent.raw("SELECT pg_advisory_xact_lock(hashtext('gatehouse invitations'))")


async def _send(actor: Actor, key_id: UUID, address: str) -> None:
    """Send a key in the open transaction. Raises as `send_key` does."""
    rows = await BetaKey.raw(_LOCK, key_id)
    if not rows:
        raise NotFound
    (key,) = rows
    is_for_other = key["recipientEmail"] is not None and key["recipientEmail"].lower() != address.lower()
    if key["status"] != BetaKeyStatus.AVAILABLE.value or is_for_other:
        raise Conflict
    if key["sentAt"] is not None and key["sentAt"] + RESEND_INTERVAL > key["now"]:
        raise RateLimited(_seconds_until(key["sentAt"] + RESEND_INTERVAL, key["now"]))
    if sent := await AuditEvent.raw(_SENT_BEFORE_LIMIT, HOUR, MAX_PER_HOUR - 1):
        raise RateLimited(_seconds_until(sent[0]["at"] + HOUR, key["now"]))
    await BetaKey.update(
        {BetaKey.sent_at: NOW, BetaKey.recipient_email: address, BetaKey.updated_at: NOW}
    ).where(BetaKey.id == key_id)
    await record_event("beta_key.sent", actor, subject_id=key_id, detail={"recipientEmail": address})
    await queue_mail(
        Template.BETA_KEY_INVITATION,
        to=address,
        language=actor.client.language,
        expires_at=key["expiresAt"],
        key=key["key"],
        expiresAt=key["expiresAt"],
        link=page_link(get_settings().register_url, key=key["key"]),
    )


_LOCK = f"""
SELECT key, {STATUS} AS status, "recipientEmail", "sentAt", "expiresAt", statement_timestamp() AS now
  FROM beta_keys WHERE id = {{}} FOR NO KEY UPDATE
"""


# The invitation that has to be an hour old before the next one. statement_timestamp(), because now() is when
# the transaction began, and it may have waited for the lock.
_SENT_BEFORE_LIMIT = """
SELECT at FROM audit_events WHERE action = 'beta_key.sent' AND at > statement_timestamp() - {}::interval
 ORDER BY at DESC OFFSET {} LIMIT 1
"""


def _seconds_until(moment: datetime, now: datetime) -> int:
    return int((moment - now).total_seconds()) + 1
