"""Recording which beta keys have expired, so that an index can find them."""

from api.database.scopes import platform_scope
from tables import BetaKey


async def mark_expired(at_most: int) -> int:
    """Note which keys have expired, so that an index can tell; returns how many it noted, `at_most`."""
    async with platform_scope():
        marked = await BetaKey.raw(_MARK, at_most)
    return len(marked)


_MARK = """
UPDATE beta_keys SET "expiredAt" = now() FROM (
    SELECT id FROM beta_keys
     WHERE NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NULL AND "expiresAt" <= now()
     ORDER BY "expiresAt" LIMIT {} FOR UPDATE SKIP LOCKED
) due WHERE beta_keys.id = due.id RETURNING beta_keys.id
"""
