from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-29T10:52:31:702645"
DESCRIPTION = "Store when the user of a session last confirmed who they are."

# Null for a session whose user has not confirmed it since the sign-in, which counts as a confirmation.
FORWARDS = """
ALTER TABLE sessions ADD COLUMN IF NOT EXISTS "confirmedAt" timestamptz;
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
