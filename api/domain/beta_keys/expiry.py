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


# A common table expression runs once. A subquery may run for each row of the outer table, and skip the keys
# that it has locked before, so that more keys than the limit are marked.
_MARK_EXPIRED = """
WITH due AS MATERIALIZED (
    SELECT id FROM beta_keys
     WHERE NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NULL AND "expiresAt" <= now()
     ORDER BY "expiresAt" LIMIT {} FOR UPDATE SKIP LOCKED
)
UPDATE beta_keys SET "expiredAt" = now() FROM due WHERE beta_keys.id = due.id RETURNING beta_keys.id
"""
