from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T04:48:35:064192"
DESCRIPTION = "Create the one-time codes."

FORWARDS = """
CREATE TABLE IF NOT EXISTS one_time_codes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    purpose varchar(40) NOT NULL,
    email varchar(120) NOT NULL,
    "userId" uuid CONSTRAINT one_time_codes_user REFERENCES users (id) ON DELETE CASCADE,
    "tenantId" uuid CONSTRAINT one_time_codes_tenant REFERENCES tenants (id) ON DELETE CASCADE,
    "codeDigest" text NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "expiresAt" timestamptz NOT NULL,
    "consumedAt" timestamptz
);
CREATE INDEX IF NOT EXISTS one_time_codes_email ON one_time_codes (email, purpose);
CREATE INDEX IF NOT EXISTS one_time_codes_expires_at ON one_time_codes ("expiresAt");
CREATE INDEX IF NOT EXISTS one_time_codes_user_id ON one_time_codes ("userId");
CREATE INDEX IF NOT EXISTS one_time_codes_tenant_id ON one_time_codes ("tenantId");
ALTER TABLE one_time_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE one_time_codes FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON one_time_codes;
CREATE POLICY scope ON one_time_codes USING (current_setting('gatehouse.scope', true) = 'platform');
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
