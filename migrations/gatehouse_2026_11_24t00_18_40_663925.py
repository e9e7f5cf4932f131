from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T00:18:40:663925"
DESCRIPTION = "Let beta keys expire and be revoked, and tenants be suspended."

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
    ID,
    DESCRIPTION,
    forwards=FORWARDS,
)
