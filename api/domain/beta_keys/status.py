"""The status of a beta key, decided by PostgreSQL from its columns and its clock."""

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
