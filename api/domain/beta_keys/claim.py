"""Using a beta key: one statement, which one of any number of transactions wins."""

from uuid import UUID

from api.domain.errors import BetaKeyRejected, BetaKeyRejection
from tables import BetaKey


async def claim_key(key_id: UUID, tenant_id: UUID, email: str) -> None:
    """Use the key for `tenant_id`, whose owner has this address, in the transaction that is open.

    Of any number of transactions that try, one gets it; the others raise `BetaKeyRejected`.
    """
    claimed = await BetaKey.raw(
        'UPDATE beta_keys SET "isUsed" = true, "usedByTenantId" = {}, "usedAt" = now(), "updatedAt" = now()'
        ' WHERE id = {} AND NOT "isUsed" AND "revokedAt" IS NULL'
        ' AND ("expiresAt" IS NULL OR "expiresAt" > now())'
        ' AND ("recipientEmail" IS NULL OR lower("recipientEmail") = lower({})) RETURNING id',
        tenant_id,
        key_id,
        email,
    )
    if not claimed:
        raise BetaKeyRejected(BetaKeyRejection.USED)
