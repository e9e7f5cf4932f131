"""Recording the expiry of beta keys for their indexes. Whether a key has expired is decided in status.py.

An index cannot depend on the clock. With `expiredAt` written, the indexes of expired and of open keys can be
partial ones, and a page of either costs the same however many keys have expired.
"""

from api.database.scopes import platform_scope
from tables import BetaKey


async def mark_expired(limit: int) -> int:
    """Set `expiredAt` of at most `limit` expired keys; returns how many."""
    async with platform_scope():
        marked = await BetaKey.raw(_MARK_EXPIRED, limit)
    return len(marked)


_MARK_EXPIRED = """
UPDATE beta_keys SET "expiredAt" = now() FROM (
    SELECT id FROM beta_keys
     WHERE NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NULL AND "expiresAt" <= now()
     ORDER BY "expiresAt" LIMIT {} FOR UPDATE SKIP LOCKED
) due WHERE beta_keys.id = due.id RETURNING beta_keys.id
"""
