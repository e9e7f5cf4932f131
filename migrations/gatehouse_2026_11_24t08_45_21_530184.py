from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T08:45:21:530184"
DESCRIPTION = "Let beta keys have a batch and a recipient, and tenants be deleted."

# "issuedById" is no foreign key: deleting any user would then search all keys for it.
FORWARDS = """
ALTER TABLE beta_keys
    ADD COLUMN IF NOT EXISTS batch varchar(60),
    ADD COLUMN IF NOT EXISTS "recipientEmail" varchar(120),
    ADD COLUMN IF NOT EXISTS "sentAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "issuedById" uuid;
ALTER TABLE tenants
    ADD COLUMN IF NOT EXISTS "deletedAt" timestamptz;
"""

MIGRATION = SqlMigration(
    ID,
    DESCRIPTION,
    forwards=FORWARDS,
)
