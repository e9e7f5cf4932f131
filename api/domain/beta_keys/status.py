"""The status of a beta key, computed by PostgreSQL from the columns of the key and its own clock."""

from enum import Enum


class BetaKeyStatus(Enum):
    AVAILABLE = "AVAILABLE"
    USED = "USED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


STATUS = """
CASE WHEN "isUsed" THEN 'USED' WHEN "revokedAt" IS NOT NULL THEN 'REVOKED'
     WHEN "expiresAt" <= now() THEN 'EXPIRED' ELSE 'AVAILABLE' END
"""
"""An SQL expression over `beta_keys`. Its text is the name of a `BetaKeyStatus`."""
