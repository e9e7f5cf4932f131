from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-30T07:52:40:316074"
DESCRIPTION = "Create the passkeys of users."

# Colleagues in a tenant must not see each other's devices, so only the scope of the platform sees them.
FORWARDS = """
CREATE TABLE IF NOT EXISTS passkeys (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "userId" uuid NOT NULL CONSTRAINT passkeys_user REFERENCES users (id) ON DELETE CASCADE,
    "relyingParty" text NOT NULL,
    "credentialId" bytea NOT NULL,
    "publicKey" bytea NOT NULL,
    "signCount" bigint NOT NULL,
    "name" text NOT NULL,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "lastUsedAt" timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS passkeys_credential_id ON passkeys ("credentialId");
CREATE INDEX IF NOT EXISTS passkeys_user_id ON passkeys ("userId");
ALTER TABLE passkeys ENABLE ROW LEVEL SECURITY;
ALTER TABLE passkeys FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON passkeys;
CREATE POLICY scope ON passkeys USING (current_setting('gatehouse.scope', true) = 'platform');
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
