from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-29T09:55:10:418207"
DESCRIPTION = "Create the authenticator apps and recovery codes of users."

# Colleagues in a tenant must not read each other's secrets, so only the scope of the platform sees them.
FORWARDS = """
ALTER TABLE users ADD COLUMN IF NOT EXISTS "secondFactorAt" timestamptz;
CREATE TABLE IF NOT EXISTS authenticator_apps (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "userId" uuid NOT NULL CONSTRAINT authenticator_apps_user REFERENCES users (id) ON DELETE CASCADE,
    "secret" text NOT NULL,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "confirmedAt" timestamptz,
    "lastUsedStep" bigint
);
CREATE UNIQUE INDEX IF NOT EXISTS authenticator_apps_user_id ON authenticator_apps ("userId");
CREATE TABLE IF NOT EXISTS recovery_codes (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "userId" uuid NOT NULL CONSTRAINT recovery_codes_user REFERENCES users (id) ON DELETE CASCADE,
    "codeDigest" bytea NOT NULL,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "usedAt" timestamptz
);
CREATE INDEX IF NOT EXISTS recovery_codes_user_id ON recovery_codes ("userId");
ALTER TABLE authenticator_apps ENABLE ROW LEVEL SECURITY;
ALTER TABLE authenticator_apps FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON authenticator_apps;
CREATE POLICY scope ON authenticator_apps USING (current_setting('gatehouse.scope', true) = 'platform');
ALTER TABLE recovery_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE recovery_codes FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON recovery_codes;
CREATE POLICY scope ON recovery_codes USING (current_setting('gatehouse.scope', true) = 'platform');
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
