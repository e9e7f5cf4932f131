from piccolo.columns import Text, Timestamptz
from piccolo.table import Table

from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T00:18:40:663925"
VERSION = "1.38.0"
DESCRIPTION = "Let beta keys expire and be revoked, and tenants be suspended."


class BetaKey(Table, tablename="beta_keys"):
    expires_at = Timestamptz(null=True, default=None, db_column_name="expiresAt")
    revoked_at = Timestamptz(null=True, default=None, db_column_name="revokedAt")
    revoked_reason = Text(null=True, default=None, db_column_name="revokedReason")


class Tenant(Table, tablename="tenants"):
    suspended_at = Timestamptz(null=True, default=None, db_column_name="suspendedAt")
    suspended_reason = Text(null=True, default=None, db_column_name="suspendedReason")


FORWARDS = """
ALTER TABLE beta_keys
    ADD COLUMN IF NOT EXISTS "expiresAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "revokedAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "revokedReason" text;
ALTER TABLE tenants
    ADD COLUMN IF NOT EXISTS "suspendedAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "suspendedReason" text;
"""


MIGRATION = SqlMigration(
    migration_id=ID,
    description=DESCRIPTION,
    forwards=FORWARDS,
    columns=[BetaKey, Tenant],
)


async def forwards() -> SqlMigration:
    return MIGRATION
