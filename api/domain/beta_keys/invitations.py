"""Invitations: a beta key mailed to whoever is to use it."""

from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import UUID

from api.database.scopes import platform_scope
from api.domain import fields
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.beta_keys.status import STATUS, BetaKeyStatus
from api.domain.errors import Conflict, NotFound, RateLimited
from api.domain.mails import Template, queue_mail
from api.settings import get_settings
from tables import AuditEvent, BetaKey

PAUSE = timedelta(minutes=5)
"""Between two invitations with the same key."""

AN_HOUR = timedelta(hours=1)

MAX_AN_HOUR = 200
"""Invitations: more at once look like spam to the servers that receive them."""


async def send_key(actor: Actor, key_id: UUID, email: str) -> None:
    """Mail an invitation with a key, which from then on is for that address alone.

    In the language of the actor, as nobody knows the recipient's. Raises `InvalidInput`, `NotFound`,
    `Conflict` for a key that admits nobody, or that is somebody else's, and `RateLimited` within `PAUSE` of
    the last invitation with this key, or when there were `MAX_AN_HOUR` within an hour.
    """
    address = fields.input_field("email", fields.user_email, email)
    async with platform_scope():
        await _wait_for_turn()
        await _send(actor, key_id, address)


async def invite(actor: Actor, batch: str, email: str) -> bool:
    """Mail somebody a key of a batch that is nobody else's, unless one of it was sent to them before.

    Tells whether one was sent now. Raises `InvalidInput`, `NotFound` when no key of the batch is left, and
    `RateLimited` when there were `MAX_AN_HOUR` invitations within an hour.
    """
    address = fields.input_field("email", fields.user_email, email)
    async with platform_scope():
        await _wait_for_turn()
        if await BetaKey.raw(_SENT, address, batch):
            return False
        found = await BetaKey.raw(_THEIRS, address, batch) or await BetaKey.raw(_FREE, batch)
        if not found:
            raise NotFound
        await _send(actor, found[0]["id"], address)
    return True


_SENT = """
SELECT id FROM beta_keys
 WHERE lower("recipientEmail") = lower({}) AND batch = {} AND "sentAt" IS NOT NULL LIMIT 1
"""

_ADMITS = f"{STATUS} = 'AVAILABLE'"

_THEIRS = f"""
SELECT id FROM beta_keys
 WHERE lower("recipientEmail") = lower({{}}) AND batch = {{}} AND {_ADMITS} LIMIT 1 FOR NO KEY UPDATE
"""

# Passing by one that a business is using at this moment.
_FREE = f"""
SELECT id FROM beta_keys
 WHERE batch = {{}} AND NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NULL
   AND "recipientEmail" IS NULL AND {_ADMITS}
 ORDER BY "createdAt", id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""


async def _wait_for_turn() -> None:
    """Of several who send at once one goes first, and the next one sees what it did."""
    await AuditEvent.raw("SELECT pg_advisory_xact_lock(hashtext('gatehouse invitations'))")


async def _send(actor: Actor, key_id: UUID, address: str) -> None:
    """Send, in the transaction that is open. Raises as `send_key` does."""
    rows = await BetaKey.raw(_LOCK, key_id)
    if not rows:
        raise NotFound
    (key,) = rows
    theirs = key["recipientEmail"] is None or key["recipientEmail"].lower() == address.lower()
    if key["status"] != BetaKeyStatus.AVAILABLE.value or not theirs:
        raise Conflict
    if key["sentAt"] is not None and key["sentAt"] + PAUSE > key["now"]:
        raise RateLimited(_seconds_until(key["sentAt"] + PAUSE, key["now"]))
    for row in await AuditEvent.raw(_OLDEST_THAT_COUNTS, AN_HOUR, MAX_AN_HOUR - 1):
        raise RateLimited(_seconds_until(row["at"] + AN_HOUR, key["now"]))
    await BetaKey.raw(
        'UPDATE beta_keys SET "sentAt" = now(), "recipientEmail" = {}, "updatedAt" = now() WHERE id = {}',
        address,
        key_id,
    )
    await record_event("beta_key.sent", actor, subject_id=key_id, detail={"recipientEmail": address})
    await queue_mail(
        Template.BETA_KEY_INVITATION,
        to=address,
        language=actor.client.language,
        expires_at=key["expiresAt"],
        key=key["key"],
        expiresAt=key["expiresAt"] and f"{key['expiresAt']:%Y-%m-%d}",
        link=_link(key["key"]),
    )


_LOCK = f"""
SELECT key, {STATUS} AS status, "recipientEmail", "sentAt", "expiresAt", statement_timestamp() AS now
  FROM beta_keys WHERE id = {{}} FOR NO KEY UPDATE
"""


# statement_timestamp(), because now() stands still while the transaction waits for its turn.
_OLDEST_THAT_COUNTS = """
SELECT at FROM audit_events WHERE action = 'beta_key.sent' AND at > statement_timestamp() - {}::interval
 ORDER BY at DESC OFFSET {} LIMIT 1
"""


def _seconds_until(moment: datetime, now: datetime) -> int:
    return int((moment - now).total_seconds()) + 1


def _link(key: str) -> str | None:
    """Where the recipient can register, with the key filled in."""
    url = get_settings().register_url
    if url is None:
        return None
    return f"{url}{'&' if '?' in url else '?'}key={quote(key, safe='')}"
